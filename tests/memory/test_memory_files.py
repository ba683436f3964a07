"""The files of a bank as strangers and editors leave them: rows, manifests, what is whose, and what is not read."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import memory.bank_files as bank_files
import numpy as np
import pytest
from checkpoints.errors import CheckpointError
from checkpoints.headers import Tensor
from hypothesis import given, settings
from hypothesis import strategies as st
from memory.bank_files import (
    FORM,
    MANIFEST,
    OURS,
    bring_back,
    check_tensor,
    foreign_in,
    ours_in,
    read_manifest,
    remove_ours,
    set_aside,
    shape_as_record,
    shape_of,
    write_manifest,
    write_patched,
)
from memory.encoding import check_ids, padded, unpadded
from memory.errors import BankError
from memory.exporting import csv_lines, json_lines
from memory.opening import frozen_rows, shape_of_config
from memory.rows_file import changed_rows, decode_row, encode_row, read_rows
from memory.searching import rank, words_of
from memory.values import Extraction, Row, Shape, Skipped, Update, integer_root


SHAPE = Shape(16, 4, 0, 100, 3, False, "reader", "12ab")
ROW = Row(3, "Melk ist schön.", 7, True, {"subject": "Melk"}, (5, 6))


# ---- rows


@given(
    st.builds(
        Row,
        row=st.integers(0, 2**63 - 1),
        sentence=st.text('ab é漢\n\r"\\\u2028\0'),
        token_count=st.integers(0, 10**6),
        truncated=st.booleans(),
        named=st.dictionaries(st.sampled_from(["uuid", "subject", "predicate", "object"]), st.text('a\n"é')),
        ids=st.lists(st.integers(0, 10**6)).map(tuple),
    )
)
@settings(max_examples=25, deadline=None, derandomize=True, database=None)
def test_a_row_is_its_line(row: Row) -> None:
    line = encode_row(row)
    assert line.count(b"\n") == 1 and line.endswith(b"\n") and decode_row(line) == row


def record(**changed: Any) -> bytes:
    found = {"row": 3, "sentence": "a", "token_count": 1, "truncated": False, "token_ids": [1], **changed}
    return json.dumps({name: value for name, value in found.items() if value is not None}).encode() + b"\n"


NO_ROWS = [
    b"",
    b"\n",
    b"null\n",
    b"[3]\n",
    b'"row"\n',
    b"{}\n",
    b"\xff\n",
    b"[" * 100_000,
    record(row=-1),
    record(row="3"),
    record(row=True),
    record(row=1 << 63),
    record(row=None),
    record(sentence=5),
    record(sentence=None),
    record(token_count=1.5),
    record(token_ids="12"),
    record(token_ids=[1, -1]),
    record(token_ids=[[1]]),
    record(token_ids={"1": 2}),
    b'{"row": ' + b"9" * 5000 + b', "sentence": "a"}\n',
]


@pytest.mark.parametrize("line", NO_ROWS, ids=range(len(NO_ROWS)))
def test_lines_that_are_no_rows_are_passed_over(line: bytes, tmp_path: Path) -> None:
    assert decode_row(line) is None
    path = tmp_path / "rows"
    path.write_bytes(line.rstrip(b"\n") + b"\n" + record(row=7))
    for wanted in (None, {7}):
        assert [row.row for row in read_rows(path, wanted)] == [7]
    assert list(read_rows(path, {8})) == []
    assert b"".join(changed_rows(path, {7: None})) == line.rstrip(b"\n") + b"\n"


def test_what_an_editor_adds_to_a_line_is_no_reason_to_lose_it() -> None:
    found = decode_row(json.dumps({"more": 1, **json.loads(record(uuid=5, truncated="yes"))}).encode())
    assert found == Row(3, "a", 1, False, {"uuid": "5"}, (1,))


def lines(*rows: Row) -> bytes:
    return b"".join(map(encode_row, rows))


ONE, FIVE, NINE = (replace(ROW, row=number) for number in (1, 5, 9))
CHANGED: list[tuple[bytes, dict[int, Row | None], bytes]] = [
    (lines(ONE, NINE), {5: FIVE}, lines(ONE, FIVE, NINE)),
    (lines(FIVE), {1: ONE, 9: NINE}, lines(ONE, FIVE, NINE)),
    (lines(ONE, FIVE), {5: replace(FIVE, sentence="new")}, lines(ONE, replace(FIVE, sentence="new"))),
    (lines(ONE, FIVE, NINE), {5: None, 1: None}, lines(NINE)),
    (lines(ONE), {5: None}, lines(ONE)),
    (b"", {9: NINE, 1: ONE}, lines(ONE, NINE)),
    (b"# mine\n" + lines(FIVE), {1: ONE}, b"# mine\n" + lines(ONE, FIVE)),
    (lines(ONE, FIVE, FIVE), {5: NINE}, lines(ONE, NINE)),  # a row that was there twice
    (lines(ONE).rstrip(b"\n"), {5: FIVE}, lines(ONE, FIVE)),
    (json.dumps({"sentence": "b", **json.loads(record(row=5))}).encode() + b"\n", {5: None}, b""),
]


@pytest.mark.parametrize(("before", "changes", "after"), CHANGED, ids=range(len(CHANGED)))
def test_rows_are_changed_in_their_places_and_all_else_stays(
    before: bytes, changes: dict[int, Row | None], after: bytes, tmp_path: Path
) -> None:
    (tmp_path / "rows").write_bytes(before)
    assert b"".join(changed_rows(tmp_path / "rows", changes)) == after


def test_without_a_file_there_are_no_rows_yet(tmp_path: Path) -> None:
    assert list(read_rows(tmp_path / "rows")) == []
    assert b"".join(changed_rows(tmp_path / "rows", {1: ONE, 5: None})) == lines(ONE)


def test_exports_are_read_by_readers_of_json_and_of_tables() -> None:
    odd = Row(2, 'a "b", c\nd', 3, False, {"object": "x"}, (1,))
    assert [json.loads(line) for line in json_lines([ROW, odd])] == [
        {"row": 3, "sentence": "Melk ist schön.", "subject": "Melk", "token_count": 7, "truncated": True},
        {"row": 2, "sentence": 'a "b", c\nd', "object": "x", "token_count": 3, "truncated": False},
    ]
    table = list(csv.DictReader(io.StringIO(b"".join(csv_lines([ROW, odd])).decode(), newline="")))
    assert table[0]["subject"] == "Melk" and table[0]["truncated"] == "true" and table[0]["object"] == ""
    assert table[1]["sentence"] == odd.sentence and table[1]["truncated"] == "false"
    assert b"".join(csv_lines([])) == b"row,sentence,uuid,subject,predicate,object,token_count,truncated\r\n"


FACTS = ["Bergen has rain.", "Åse lives in Bergen.", "Straße und Rain", "水的沸点是100℃。"]
ROWS = [Row(number, sentence, 1, False) for number, sentence in enumerate(FACTS)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("rain", [(1.0, 0), (1.0, 2)]),
        ("bergen RAIN", [(1.0, 0), (0.5, 1), (0.5, 2)]),
        ("ase", [(1.0, 1)]),  # without accents
        ("lives in bergen", [(1.0, 1), (2 / 3, 0), (1 / 3, 2)]),
        ("in bergen lives", [(1.0, 1), (2 / 3, 0), (1 / 3, 2)]),
        ("berg", [(1.0, 0), (1.0, 1)]),
        ("STRASSE", [(1.0, 2)]),
        ("沸点", [(1.0, 3)]),
        ("100℃", [(1.0, 3)]),
        ("nothing", []),
        ("?!", []),
    ],
)
def test_rows_are_found_by_the_share_of_words(query: str, found: list[tuple[float, int]]) -> None:
    assert [(pytest.approx(score), row.row) for score, row in rank(ROWS, query, 9)] == found
    assert rank(ROWS, query, 1) == rank(ROWS, query, 9)[:1]


def test_whole_queries_come_first_and_what_is_known_is_searched_as_well() -> None:
    rows = [Row(0, "rain in bergen", 1, False), Row(1, "in bergen: rain", 1, False)]
    assert [row.row for _, row in rank(rows, "bergen: rain", 2)] == [1, 0]
    assert rank([replace(rows[0], named={"subject": "Oslo"})], "oslo", 1)[0][0] == 1.0
    assert words_of("Né en 1204, à Melk!") == ["ne", "en", "1204", "a", "melk"] and words_of("?!") == ["?!"]


# ---- the manifest


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"knowledge_num": 15}, "not a perfect square"),
        ({"knowledge_num": 0}, "not a perfect square"),
        ({"knowledge_num": "16"}, "`knowledge_num` is '16'"),
        ({"knowledge_num": True}, "`knowledge_num` is True"),
        ({"knowledge_num": 1 << 70}, "`knowledge_num` is"),
        ({"knowledge_length": 0}, "`knowledge_length` is 0"),
        ({"knowledge_length": -1}, "`knowledge_length` is -1"),
        ({"frozen_rows": 17}, "`frozen_rows` is 17 of 16"),
        ({"pad_token_id": 100}, "the vocabulary has 100"),
        ({"vocab_size": None}, "`vocab_size` is None"),
        ({"tokenizer": None}, "`tokenizer` is None"),
        ({"tokenizer": "reader"}, "`tokenizer` is 'reader'"),
        ({"tokenizer": {"name": "reader"}}, "`tokenizer` is"),
        ({"tokenizer": {"name": 3, "digest": "12ab"}}, "`tokenizer` is"),
    ],
)
def test_a_manifest_that_describes_no_bank_is_refused(changed: dict[str, Any], word: str) -> None:
    with pytest.raises(BankError, match="memory_bank") as error:
        shape_of(Path("memory_bank.json"), {**shape_as_record(SHAPE), **changed})
    assert word in str(error.value)


def test_a_shape_is_what_its_record_says() -> None:
    for shape in (SHAPE, replace(SHAPE, special_tokens=True, frozen_rows=16, knowledge_num=16)):
        assert shape_of(Path("x"), json.loads(json.dumps(shape_as_record(shape)))) == shape
    assert shape_of(Path("x"), {**shape_as_record(SHAPE), "special_tokens": "yes"}).special_tokens is False


@pytest.mark.parametrize(
    ("number", "near"), [(15, "9 or 16"), (17, "16 or 25"), (10**6 + 1, "1,000,000 or 1,002,001")]
)
def test_a_number_of_rows_that_is_no_square_has_two_near_it(number: int, near: str) -> None:
    with pytest.raises(BankError, match=f"give {near}"):
        bank_files.check_shape(replace(SHAPE, knowledge_num=number), "x")


@pytest.mark.parametrize(
    "document", [{}, {"format": 2, "log_bytes": 0}, {"format": FORM}, {"format": FORM, "log_bytes": -1}]
)
def test_a_manifest_of_another_form_is_refused(document: dict[str, Any], tmp_path: Path) -> None:
    write_manifest(tmp_path, document)
    with pytest.raises(BankError, match="build the bank again"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("shape", "dtype", "word"),
    [
        ((16, 4), "I64", ""),
        ((16, 4), "I32", ""),
        ((4, 16), "I64", "[4, 16]"),
        ((16, 4), "F32", "F32"),
        ((16,), "I64", "[16]"),
    ],
)
def test_a_tensor_holds_whole_numbers_in_rows(shape: tuple[int, ...], dtype: str, word: str) -> None:
    tensor = Tensor("memory_bank", dtype, shape)
    if not word:
        check_tensor(Path("x"), tensor, SHAPE)
        return
    with pytest.raises(BankError) as error:
        check_tensor(Path("x"), tensor, SHAPE)
    assert word in str(error.value)


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"knowledge_num": 16.0}, "`knowledge_num` is 16.0"),
        ({"vocab_size": None}, "`vocab_size` is None"),
        ({"freeze_ratio": 2}, "`freeze_ratio` is 2"),
        ({"freeze_ratio": True}, "`freeze_ratio` is True"),
        ({"freeze_ratio": float("nan")}, "`freeze_ratio` is nan"),
        ({"freeze_ratio": "0.5"}, "`freeze_ratio` is '0.5'"),
    ],
)
def test_a_configuration_says_what_its_bank_is_made_for(config: dict[str, Any], word: str) -> None:
    good = {
        "knowledge_num": 16,
        "knowledge_length": 4,
        "memory_pad_token_id": 0,
        "vocab_size": 100,
        "freeze_ratio": 0.2,
    }
    assert shape_of_config(Path("config.json"), good, "reader") == replace(SHAPE, digest="")
    assert shape_of_config(Path("config.json"), {"text_config": good}).frozen_rows == 3
    with pytest.raises(BankError) as error:
        shape_of_config(Path("config.json"), {**good, **config})
    assert word in str(error.value)


@pytest.mark.parametrize(("ratio", "rows"), [(0, 0), (0.2, 3), (0.99, 15), (1, 16), (1.0, 16)])
def test_a_share_of_the_rows_is_frozen(ratio: float, rows: int) -> None:
    assert frozen_rows(16, ratio, "x") == rows


# ---- whose a file is


def folder(root: Path, names: Iterable[str], **manifest: Any) -> Path:
    root.mkdir(exist_ok=True)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    write_manifest(root, {"format": FORM, "log_bytes": 0, **manifest})
    return root


def test_what_a_bank_is_made_of_is_ours_and_all_else_is_not(tmp_path: Path) -> None:
    said = ["tokenizer/a.json", "tokenizer/deep/b.json"]
    place = folder(tmp_path / "bank", [*OURS[1:3], *said, "tokenizer/mine.json", "notes.txt"], tokenizer_files=said)
    (place / "link").symlink_to(tmp_path)
    manifest = read_manifest(place)
    assert ours_in(place, manifest) == {*OURS, *said}
    assert foreign_in(place, manifest) == ["link", "notes.txt", "tokenizer/mine.json"]
    remove_ours(place)
    left = sorted(path.relative_to(place).as_posix() for path in place.rglob("*"))
    assert left == ["link", "notes.txt", "tokenizer", "tokenizer/mine.json"] and tmp_path.exists()


def test_a_bank_alone_goes_with_its_folders(tmp_path: Path) -> None:
    place = folder(tmp_path / "bank", ["tokenizer/deep/b.json"], tokenizer_files=["tokenizer/deep/b.json"])
    remove_ours(place)
    assert not place.exists() and tmp_path.exists()


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "tokenizer/../../x", "", "a\\b", 3, None, ["x"], "a/"])
def test_a_manifest_takes_nothing_away_that_is_elsewhere(name: object, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    place = folder(tmp_path / "bank", [], tokenizer_files=[name])
    with pytest.raises(CheckpointError):
        remove_ours(place)
    assert (tmp_path / "x").exists() and (place / MANIFEST).exists()


@pytest.mark.parametrize("said", ["../x", {"../x": 1}, 3, None])
def test_files_of_a_tokenizer_are_a_list_or_none(said: object, tmp_path: Path) -> None:
    assert ours_in(tmp_path, {"tokenizer_files": said}) == set(OURS)


def test_a_bank_that_was_set_aside_is_back_where_nothing_took_its_place(tmp_path: Path) -> None:
    place = tmp_path / "bank"
    aside = folder(set_aside(place), ["old"])
    assert aside == tmp_path / "bank.replaced"
    bring_back(place)
    assert (place / "old").exists() and not aside.exists()


def test_a_bank_that_was_replaced_goes_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    place = folder(tmp_path / "bank", ["new"])
    aside = folder(set_aside(place), ["mine"])
    bring_back(place)
    assert (place / "new").exists() and [path.name for path in aside.iterdir()] == ["mine"]
    bring_back(place)  # no bank any more: nobody's business
    assert (aside / "mine").exists()


def test_a_folder_of_somebody_elses_is_not_taken_for_a_bank_that_was_set_aside(tmp_path: Path) -> None:
    (tmp_path / "bank.replaced").mkdir()
    bring_back(tmp_path / "bank")
    assert not (tmp_path / "bank").exists() and (tmp_path / "bank.replaced").is_dir()


# ---- bytes


@given(
    st.binary(max_size=60),
    st.lists(st.tuples(st.integers(0, 59), st.binary(min_size=1, max_size=9)), max_size=4),
    st.integers(1, 11),
)
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
def test_patches_are_where_they_belong_however_a_file_is_read(
    content: bytes, given_patches: list[tuple[int, bytes]], chunk: int
) -> None:
    patches: dict[int, bytes] = {}
    end = 0
    for place, data in sorted(given_patches):  # rows do not overlap, and lie within the file
        if place >= end and place + len(data) <= len(content):
            patches[place], end = data, place + len(data)
    expected = bytearray(content)
    for place, data in patches.items():
        expected[place : place + len(data)] = data
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bank_files, "CHUNK", chunk)
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "weights"
            path.write_bytes(content)
            path.chmod(0o640)
            assert write_patched(path, patches) == sha256(expected).hexdigest()
            assert path.read_bytes() == expected and path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("ids", "kept"),
    [([5, 6, 0, 0], (5, 6)), ([0, 0, 0, 0], ()), ([0, 6, 0, 0], (0, 6)), ([1, 2, 3, 4], (1, 2, 3, 4)), ([], ())],
)
def test_padding_goes_from_the_end_alone(ids: list[int], kept: tuple[int, ...]) -> None:
    assert unpadded(np.array(ids, np.int64), 0) == kept
    if len(ids) == SHAPE.knowledge_length:
        assert padded(kept, SHAPE).tolist() == ids and padded(kept, SHAPE).dtype == np.int64


@pytest.mark.parametrize(("ids", "word"), [([[1, 99], [2, 100]], "row 8 has the token 100"), ([[-1, 0]], "row 7 has")])
def test_tokens_are_of_the_vocabulary(ids: list[list[int]], word: str) -> None:
    check_ids(np.array([[0, 99]]), SHAPE, "x", 7)
    with pytest.raises(BankError) as error:
        check_ids(np.array(ids), SHAPE, "x", 7)
    assert word in str(error.value)


# ---- values


def test_results_are_mappings_of_what_is_known() -> None:
    update = Update(0, message="nothing to write")
    assert dict(update) == {"updated_count": 0, "message": "nothing to write"} and len(update) == 2
    assert "strategy" not in update and update.get("strategy", "none") == "none"
    for name in ("strategy", "get", "_names", "nothing"):
        with pytest.raises(KeyError):
            update[name]
    assert dict(Skipped("not due")) == {"reason": "not due", "skipped": True}
    assert "annotations" not in Extraction("a", 2, 1, 0.5) and Extraction("a", 2, 1, 0.5)["facts"] == ()


@pytest.mark.parametrize(
    ("number", "root"), [(1, 1), (16, 4), (15, None), (0, None), (-4, None), (10**40, 10**20), (10**40 + 1, None)]
)
def test_roots_of_perfect_squares(number: int, root: int | None) -> None:
    assert integer_root(number) == root
