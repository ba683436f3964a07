"""Records of every form and every kind of mistake: each is a document, or a reject with its reason."""

from __future__ import annotations

import errno
import gzip
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import selection.reading
from checkpoints.errors import CheckpointError
from selection.corpus import Corpus, entries
from selection.errors import SelectionError
from selection.reading import find_parts, read
from selection.records import as_record, document_of
from selection.score_cli import time_left
from selection.values import Document, Message, Raw, Reject
from selection_models import write_lines


def found(record: Any, form: str = "auto") -> Document | Reject:
    return document_of(Raw("src", "a.jsonl:1", 7, record), form)


def test_forms() -> None:
    user, answer = Message("user", "What?"), Message("assistant", "That.")
    pair = (user, answer)
    assert found({"text": " kept as it is "}) == Document("src_000007", "src", " kept as it is ")
    assert found({"question": " What? ", "answer": "That."}).messages == pair
    assert found({"problem": "What?", "solution": "That.\n"}).messages == pair
    hermes = [("system", "  "), ("human", "What?"), ("tool", "x"), ("gpt", " That.")]
    assert found({"conversations": [{"from": role, "value": text} for role, text in hermes]}).messages == pair
    record = {
        "dataset": "d",
        "id": 5,
        "messages": [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "That."}],
    }
    assert found(record) == Document("5", "d", "", pair)
    assert as_record(found(record)) == record | {"id": "5"}
    assert found({"text": "a", "question": "b", "answer": "c"}, "gsm8k").messages


@pytest.mark.parametrize(
    ("record", "target"),
    [
        ({"is_target_task": 1}, 1.0),
        ({"quality_targets": 0.5}, 0.5),
        ({"quality_labels": -1}, None),
        ({"is_target_task": None}, None),
    ],
)
def test_targets(record: dict[str, Any], target: float | None) -> None:
    assert found({"text": "a", **record}).target == target


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ([], "wrong-type"),
        (None, "wrong-type"),
        ({}, "wrong-type"),
        ({"text": 5}, "wrong-type"),
        ({"text": None}, "wrong-type"),
        ({"text": float("nan")}, "nan"),
        ({"text": " \n"}, "empty"),
        ({"text": "\ud800"}, "non-utf-8"),
        ({"text": "a", "id": "\udcff"}, "non-utf-8"),
        ({"text": "a", "id": float("nan")}, "nan"),
        ({"text": "a", "id": [1]}, "wrong-type"),
        ({"text": "a", "is_target_task": "yes"}, "wrong-type"),
        ({"text": "a", "is_target_task": 3}, "wrong-type"),
        ({"messages": []}, "empty"),
        ({"messages": "hi"}, "wrong-type"),
        ({"messages": ["hi"]}, "wrong-type"),
        ({"messages": [{"role": "robot", "content": "hi"}]}, "wrong-type"),
        ({"messages": [{"role": "user", "content": ""}]}, "empty"),
        ({"messages": [{"role": "user", "content": None}]}, "wrong-type"),
    ],
)
def test_what_is_wrong_is_said(record: Any, reason: str) -> None:
    reject = found(record)
    assert isinstance(reject, Reject) and reject.reason == reason and reject.detail
    json.dumps(reject.id, ensure_ascii=False).encode()  # can be written


LINES = [
    {"id": 1, "text": "one"},
    b'{"id": 2, "text": "\xff"}',
    b"nonsense",
    b"",
    {"id": 3, "text": "three"},
    b"[" * 5000,
]
EXPECTED = ["", "non-utf-8", "no-json", "", "no-json"]


def test_broken_lines_end_nothing(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", LINES)
    raws = list(read(*find_parts(str(path))))
    assert [raw.reason for raw in raws] == EXPECTED
    assert [raw.place for raw in raws] == ["a.jsonl:1", "a.jsonl:2", "a.jsonl:3", "a.jsonl:5", "a.jsonl:6"]
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert [raw.reason for raw in read(*find_parts(str(tmp_path / "b.jsonl.gz")))] == EXPECTED


def test_lists_are_read_element_by_element(tmp_path: Path) -> None:
    text = '[{"text": "a, ]} \\" [", "x": [1, {"y": 2}]},\n {"text": NaN}, {"text": }, "s",\n{"text": "\u00e9"}]'
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    raws = list(read(*find_parts(str(tmp_path / "a.json"))))
    assert [raw.reason for raw in raws] == ["", "", "no-json", "", ""]
    assert raws[0].record["text"] == 'a, ]} " [' and raws[3].record == "s" and raws[4].record == {"text": "é"}
    (tmp_path / "lines.json").write_text('{"text": "a"}\n{"text": "b"}\n')
    assert [raw.record for raw in read(*find_parts(str(tmp_path / "lines.json")))] == [{"text": "a"}, {"text": "b"}]


def test_parquet_with_bytes_that_are_no_text(tmp_path: Path) -> None:
    raw = pa.array([b"good", b"\xff\xfe", b"fine"], pa.binary())
    texts = pa.StringArray.from_buffers(3, raw.buffers()[1], raw.buffers()[2])
    pq.write_table(pa.table({"text": texts, "id": [1, 2, 3]}), tmp_path / "a.parquet")
    raws = list(read(*find_parts(str(tmp_path / "a.parquet"))))
    assert [raw.reason for raw in raws] == ["", "non-utf-8", ""] and raws[2].record == {"text": "fine", "id": 3}


def test_folders_are_read_in_order_and_name_sources(tmp_path: Path) -> None:
    write_lines(tmp_path / "web" / "2.jsonl", [{"text": "w2"}])
    write_lines(tmp_path / "web" / "1.jsonl", [{"text": "w1"}])
    write_lines(tmp_path / "books.jsonl", [{"text": "b"}])
    write_lines(tmp_path / ".hidden.jsonl", [{"text": "h"}])
    (tmp_path / "notes.txt").write_text("no data")
    parts = find_parts(str(tmp_path))
    assert [(part.name, part.source) for part in parts] == [
        ("books.jsonl", "books"),
        ("web/1.jsonl", "web"),
        ("web/2.jsonl", "web"),
    ]
    # both files of `web` number their records from 0
    reasons = [entry.found.reason for entry in entries(Corpus((str(tmp_path),))) if isinstance(entry.found, Reject)]
    assert reasons == []


@pytest.mark.parametrize("name", ["missing.jsonl", "./missing", "a/b/c"])
def test_what_is_not_there_is_said_in_one_line(name: str) -> None:
    with pytest.raises(SelectionError, match="does not exist; fix: check the path"):
        find_parts(name)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("x")
    for data, text in (
        (str(tmp_path / "a.xml"), "has none of the endings .jsonl"),
        (str(tmp_path), "holds no file of the kinds .jsonl"),
        ("-", "standard input"),
    ):
        with pytest.raises(SelectionError, match=text):
            find_parts(data)
    (tmp_path / "a.parquet").write_text("no parquet")
    with pytest.raises(SelectionError, match="cannot be read"):
        list(read(*find_parts(str(tmp_path / "a.parquet"))))


@pytest.mark.parametrize("codec", ["gz", "bz2", "zst", "lz4"])
@pytest.mark.parametrize("damage", ["cut", "plain"])
def test_a_packed_file_that_cannot_be_unpacked_is_named(codec: str, damage: str, tmp_path: Path) -> None:
    """As a Parquet file that breaks off: what is read of it before stays, and the file is told."""
    path = tmp_path / f"a.jsonl.{codec}"
    text = "".join(f'{{"text": "{number * 7919 % 10007}"}}\n' for number in range(2000)).encode()
    with pa.CompressedOutputStream(path, {"gz": "gzip", "zst": "zstd"}.get(codec, codec)) as file:
        file.write(text)
    path.write_bytes(text if damage == "plain" else path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(
        SelectionError, match=r"cannot be unpacked as \w+, as its name says: .*; fix: fetch"
    ) as refused:
        list(read(*find_parts(str(path))))
    assert refused.value.path == str(path)


def test_what_the_system_refuses_of_a_file_is_told_of_that_file(tmp_path: Path, monkeypatch: Any) -> None:
    path = write_lines(tmp_path / "a.jsonl", LINES)

    def fail(file: Any) -> Any:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(selection.reading, "_lines", fail)
    with pytest.raises(CheckpointError, match="a.jsonl: input/output error; fix: check the disk"):
        list(read(*find_parts(str(path))))


def test_the_second_of_a_name_is_a_reject(tmp_path: Path) -> None:
    one = write_lines(
        tmp_path / "one.jsonl", [{"id": 1, "text": "a"}, {"id": "1", "text": "b"}, {"id": 2, "text": "c"}]
    )
    two = write_lines(tmp_path / "two.jsonl", [{"id": 1, "text": "d"}, {"id": 2, "source": "one", "text": "e"}])
    listed = list(entries(Corpus((str(one), str(two)))))
    assert [entry.position for entry in listed] == [0, 1, 2, 3, 4]
    assert [getattr(entry.found, "reason", "") for entry in listed] == ["", "duplicate-id", "", "", "duplicate-id"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json", "a.parquet"])
def test_records_say_how_far_the_reading_has_come(name: str, tmp_path: Path) -> None:
    """In bytes of the file, which is read in blocks, or in rows: it never falls, and ends at the end."""
    dice = random.Random(0)
    records = [{"text": f"{number} {dice.getrandbits(1600):x}"} for number in range(6000)]
    write_as(tmp_path / name, records)
    write_as(tmp_path / "b.jsonl", records[:1000])
    shares = [raw.share for raw in read(*find_parts(str(tmp_path / name)))]
    assert shares == sorted(shares) and shares[0] < 0.8 and shares[-1] == 1
    found = [entry.share for entry in entries(Corpus((str(tmp_path),)))]
    sizes = [part.size for part in Corpus((str(tmp_path),)).parts()]
    assert found == sorted(found) and found[-1] == 1 and found[5999] == sizes[0] / sum(sizes)


def write_as(path: Path, records: list[dict[str, str]]) -> None:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(records))
    else:
        text = "".join(f"{json.dumps(each)}\n" for each in records).encode()
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


def test_the_time_left_is_that_of_the_rest() -> None:
    assert time_left(100, 0.0, 0.25) == "0:05:00 left"
    assert time_left(90, 0.5, 0.75) == "0:01:30 left"  # a run that goes on has not read the first half in this time
    assert time_left(7200, 0.0, 0.5) == "2:00:00 left" and time_left(5, 0.5, 0.5) == "time left unknown"
