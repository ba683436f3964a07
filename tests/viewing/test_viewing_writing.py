"""A page is written whole or not at all, where it was asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from viewing import cli


def test_a_page_that_cannot_be_written_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.html"
    cli._write(page, "before")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        cli._write(page, "after")
    assert page.read_text() == "before" and os.listdir(tmp_path) == ["page.html"]


def test_a_link_leads_to_where_the_page_is_to_be(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "page.html").symlink_to("shared/page.html")
    for text in ("first", "then"):
        cli._write(tmp_path / "page.html", text)
        assert (tmp_path / "shared" / "page.html").read_text() == text
    assert (tmp_path / "page.html").is_symlink() and os.listdir(tmp_path / "shared") == ["page.html"]


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        cli._write(pipe, "a page")
        assert os.read(reader, 100) == b"a page" and sorted(os.listdir(tmp_path)) == ["pipe"]
    finally:
        os.close(reader)
