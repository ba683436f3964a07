"""Files are there whole or not at all: whoever is killed, whatever is full, whatever stands in the way."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from files.writing import PART, write_file, write_text, write_texts


UTILS = Path(__file__).parents[2] / "utils"


def failing(error: BaseException) -> Iterator[bytes]:
    """Half of a file."""
    yield b"half"
    raise error


def test_a_file_is_what_was_written_and_nothing_is_beside_it(tmp_path: Path) -> None:
    told: list[int] = []
    write_file(tmp_path / "a", [b"one", b"", b"more"], told.append)
    assert (tmp_path / "a").read_bytes() == b"onemore" and told == [3, 0, 4]
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt(), ValueError("of the source")], ids=repr
)
def test_what_stops_the_writing_leaves_the_file_that_was_there(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"before")
    with pytest.raises(type(error)):
        write_file(path, failing(error))
    assert path.read_bytes() == b"before" and os.listdir(tmp_path) == ["a"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync
    with open("/dev/full", "wb") as full:
        monkeypatch.setattr(os, "fsync", lambda handle: full.write(b"x" * (1 << 20)) and real(handle))
        with pytest.raises(OSError, match="No space left"):
            write_file(tmp_path / "a", [b"some"])
    assert os.listdir(tmp_path) == []


def test_the_name_comes_after_the_bytes_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, bool]] = []
    real = os.fsync

    def noted(handle: int) -> None:
        seen.append((os.fstat(handle).st_size, (tmp_path / "a").exists()))
        real(handle)

    monkeypatch.setattr(os, "fsync", noted)
    write_file(tmp_path / "a", [b"1234", b"56"])
    assert seen == [(6, False)]


def test_a_killed_process_leaves_the_old_file_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("before")
    program = (
        f"import sys; sys.path.insert(0, {str(UTILS)!r})\n"
        "import os, signal\nfrom pathlib import Path\nfrom files.writing import write_file\n"
        "def chunks():\n    yield b'x' * (1 << 20)\n    os.kill(os.getpid(), signal.SIGKILL)\n    yield b'y'\n"
        f"write_file(Path({str(path)!r}), chunks())\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    assert path.read_text() == "before" and sorted(os.listdir(tmp_path)) == ["a", f"a{PART}"]
    write_text(path, "after")
    assert path.read_text() == "after" and os.listdir(tmp_path) == ["a"]


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "a").symlink_to("theirs")
    write_text(tmp_path / "a", "ours")
    assert (tmp_path / "theirs").read_text() == "theirs"
    assert not (tmp_path / "a").is_symlink() and (tmp_path / "a").read_text() == "ours"


def test_nothing_is_written_through_a_link_under_the_temporary_name(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / f"a{PART}").symlink_to("theirs")
    write_text(tmp_path / "a", "ours")
    assert (tmp_path / "theirs").read_text() == "theirs" and (tmp_path / "a").read_text() == "ours"
    assert sorted(os.listdir(tmp_path)) == ["a", "theirs"]


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as refused:
        write_text(tmp_path / "nowhere" / "a", "ours")
    assert refused.value.filename == str(tmp_path / "nowhere" / "a")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError) as refused:
        write_text(tmp_path / "file" / "a", "ours")
    assert refused.value.filename == str(tmp_path / "file" / "a")


def test_a_folder_in_the_way_stays(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "kept").touch()
    with pytest.raises(OSError):
        write_text(tmp_path / "a", "ours")
    assert (tmp_path / "a" / "kept").exists() and os.listdir(tmp_path) == ["a"]


def test_a_file_of_two_writers_is_one_of_theirs(tmp_path: Path) -> None:
    def other() -> Iterator[bytes]:
        yield b"ours, "
        write_file(tmp_path / "a", [b"theirs"], part=".two.part")
        yield b"and later"

    write_file(tmp_path / "a", other(), part=".one.part")
    assert (tmp_path / "a").read_bytes() == b"ours, and later" and os.listdir(tmp_path) == ["a"]


def test_a_file_that_another_process_is_writing_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"a{PART}").write_text("theirs, half")
    monkeypatch.setattr(Path, "unlink", lambda self, missing_ok=False: None)  # they began right after
    with pytest.raises(FileExistsError):
        write_text(tmp_path / "a", "ours")
    monkeypatch.undo()
    assert (tmp_path / f"a{PART}").read_text() == "theirs, half"


def test_a_file_that_somebody_took_away_is_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def lose(handle: int) -> None:
        real(handle)
        (tmp_path / f"a{PART}").unlink()

    monkeypatch.setattr(os, "fsync", lose)
    with pytest.raises(FileNotFoundError) as caught:
        write_text(tmp_path / "a", "ours")
    assert str(caught.value).count(str(tmp_path / "a")) == 1 and PART not in str(caught.value)


def test_half_a_character_touches_nothing_or_is_written_as_asked(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "a", "\ud800")
    assert os.listdir(tmp_path) == []
    write_text(tmp_path / "a", "\ud800\r\n", "backslashreplace")
    assert (tmp_path / "a").read_bytes() == b"\\ud800\r\n"


def test_rights_are_those_that_new_files_have(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_is_written_into_and_stays(tmp_path: Path) -> None:
    """As `/dev/null` is: by whoever may write in its folder, it would be replaced by a file."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        told: list[int] = []
        write_file(tmp_path / "pipe", [b"one", b"more"], told.append)
        assert os.read(reader, 99) == b"onemore" and told == [3, 4]
    finally:
        os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode) and os.listdir(tmp_path) == ["pipe"]


def test_several_texts_are_written_or_none(tmp_path: Path) -> None:
    write_texts({tmp_path / "new" / "a": "one\n", tmp_path / "b": "two"})
    assert (tmp_path / "new" / "a").read_text() == "one\n" and (tmp_path / "b").read_text() == "two"
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match="folder"):
        write_texts({tmp_path / "b": "three", tmp_path / "folder": ""})
    with pytest.raises(OSError):
        write_texts({tmp_path / "b": "three", tmp_path / "b" / "c": ""})
    assert (tmp_path / "b").read_text() == "two" and sorted(os.listdir(tmp_path)) == ["b", "folder", "new"]
