"""Tables of text, columns that are called otherwise, contents in parts, and corpora without a document."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from selection.corpus import Corpus, check_readable, entries
from selection.errors import SelectionError
from selection.options import form_of
from selection.reading import find_parts, read
from selection.records import document_of
from selection.score_cli import _parser, main
from selection.values import Document, Message, Raw, Reject
from selection_models import write_lines


def rows(path: Path, text: bytes) -> list[tuple[str, Any, str]]:
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return [(raw.place.rpartition(":")[2], raw.record, raw.reason) for raw in read(*find_parts(str(path)))]


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_a_table_is_read_with_its_quotes_and_breaks(name: str, tmp_path: Path) -> None:
    text = '\ufeffid,text,quality_targets\r\n1,"a, ""b""\r\nc",1\r\n2,plain,-1\r\n3,short\r\n'.encode()
    assert rows(tmp_path / name, text) == [
        ("2", {"id": "1", "text": 'a, "b"\r\nc', "quality_targets": 1.0}, ""),
        ("4", {"id": "2", "text": "plain", "quality_targets": -1.0}, ""),
        ("5", {"id": "3", "text": "short"}, ""),
    ]


def test_tabs_separate_and_quotes_keep_them(tmp_path: Path) -> None:
    assert rows(tmp_path / "t.tsv", b'text\tid\na,b\t1\n"a\tb"\t2\n') == [
        ("2", {"text": "a,b", "id": "1"}, ""),
        ("3", {"text": "a\tb", "id": "2"}, ""),
    ]


def test_a_broken_row_is_a_reject_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"text\ngood\none,too many\n\xff\xfe\nlast\n")
    found = [entry.found for entry in entries(Corpus((str(tmp_path / "t.csv"),)))]
    assert [each.text if isinstance(each, Document) else each.reason for each in found] == [
        "good", "wrong-type", "non-utf-8", "last",
    ]  # fmt: skip


def test_a_blank_target_is_none(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,quality_targets\na,\nb,0\nc,high\n")
    found = [entry.found for entry in entries(Corpus((str(tmp_path / "t.csv"),)))]
    assert [each.target if isinstance(each, Document) else each.reason for each in found] == [None, 0.0, "wrong-type"]


def test_an_empty_table_has_no_rows(tmp_path: Path) -> None:
    assert rows(tmp_path / "t.csv", b"") == [] == rows(tmp_path / "u.csv", b"text\n")


def test_the_text_can_have_a_column_of_another_name() -> None:
    raw = Raw("src", "a.jsonl:1", 0, {"content": "what it says", "text": "another"})
    assert document_of(raw, "text:content") == Document("src_000000", "src", "what it says")
    missing = document_of(raw, "text:body")
    assert isinstance(missing, Reject) and "`body`" in missing.detail
    none = document_of(Raw("src", "a.jsonl:1", 0, {"content": "x", "url": "y"}))
    assert isinstance(none, Reject) and none.detail.endswith("its columns are 'content', 'url'")


def test_the_command_line_says_which_column() -> None:
    parse = _parser().parse_args
    assert form_of(parse(["--output", "o", "--text-column", "content"])) == "text:content"
    assert form_of(parse(["--output", "o"])) == "auto"
    for words in (["--format", "gsm8k", "--text-column", "content"], ["--text-column", ""]):
        with pytest.raises(SelectionError, match="--text-column: is "):
            form_of(parse(["--output", "o", *words]))


def test_contents_in_parts_are_one_text() -> None:
    def message(content: Any) -> Document | Reject:
        return document_of(Raw("src", "a.jsonl:1", 0, {"messages": [{"role": "user", "content": content}]}))

    parts = [{"type": "text", "text": "What is "}, {"type": "text", "text": "this?"}]
    whole = message(parts)
    assert isinstance(whole, Document) and whole.messages == (Message("user", "What is this?"),)
    for wrong, said in (
        ([*parts, {"type": "image", "url": "x"}], "a part of the type 'image'"),
        ([{"type": "text"}], "`text`"),
        (["loose"], "a part of the type 'None'"),
        ([], "`content`"),
    ):
        found = message(wrong)
        assert isinstance(found, Reject) and found.reason == "wrong-type" and said in found.detail


def test_a_corpus_without_a_document_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_lines(tmp_path / "c.jsonl", [{"content": "x"}] * 3)
    assert main(["--model", str(tmp_path / "none"), "--data", str(data), "--output", str(tmp_path / "o")]) == 2
    said = capsys.readouterr().err
    assert "no document among its 3 records: 3 wrong-type; c.jsonl:1: has none of" in said and "--text-column" in said
    assert not (tmp_path / "o").exists()
    check_readable(Corpus((str(data),), "text:content"))
    check_readable(Corpus((str(write_lines(tmp_path / "late.jsonl", [*[{"x": 1}] * 2500, {"text": "a"}])),)))
