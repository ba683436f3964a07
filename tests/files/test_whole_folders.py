"""A folder is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from files.folders import filled, filled_in_place, sync_folder, take_place


def test_a_folder_takes_its_place_when_it_is_filled(tmp_path: Path) -> None:
    place = tmp_path / "very" / "deep" / "place"
    with filled(place) as folder:
        (folder / "a").write_text("a")
        assert not place.exists() and folder.parent.parent == place.parent
    assert (place / "a").read_text() == "a" and os.listdir(place.parent) == ["place"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, FileExistsError])
def test_a_folder_that_is_not_finished_goes(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), filled(tmp_path / "place") as folder:
        (folder / "a").write_text("a")
        raise error
    assert os.listdir(tmp_path) == []


def test_whoever_was_faster_is_kept(tmp_path: Path) -> None:
    place = tmp_path / "place"
    with filled(place) as folder:
        (folder / "ours").touch()
        place.mkdir()
        (place / "theirs").touch()
    assert os.listdir(place) == ["theirs"] and os.listdir(tmp_path) == ["place"]


def test_an_empty_folder_is_replaced_and_a_full_one_is_not(tmp_path: Path) -> None:
    for name in ("one", "two", "empty", "full"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    (tmp_path / "empty" / "empty").unlink()
    take_place(tmp_path / "one", tmp_path / "empty")
    assert os.listdir(tmp_path / "empty") == ["one"]
    with pytest.raises(FileExistsError, match="full"):
        take_place(tmp_path / "two", tmp_path / "full")
    assert os.listdir(tmp_path / "two") == ["two"] and os.listdir(tmp_path / "full") == ["full"]


def test_a_file_or_a_link_in_the_way_stays(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("theirs")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        with pytest.raises(OSError), filled(tmp_path / name) as folder:
            (folder / "a").touch()
    assert (tmp_path / "file").read_text() == "theirs" and (tmp_path / "link").is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["file", "link"]


def test_there_is_nothing_to_sync(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_filled_in_place_is_empty_again_where_that_fails(there: bool, tmp_path: Path) -> None:
    place = tmp_path / "above" / "place"
    if there:
        place.mkdir(parents=True)
    with pytest.raises(ValueError), filled_in_place(place):
        (place / "one" / "two").mkdir(parents=True)
        (place / "one" / "two" / "a").touch()
        (place / "link").symlink_to(tmp_path)
        raise ValueError
    assert os.listdir(tmp_path) == (["above"] if there else [])
    assert not there or os.listdir(place) == []
    with filled_in_place(place):
        (place / "a").touch()
    assert os.listdir(place) == ["a"]


def test_a_folder_that_holds_something_is_not_filled_in_place(tmp_path: Path) -> None:
    (tmp_path / "theirs").touch()
    for place in (tmp_path, tmp_path / "theirs"):
        with pytest.raises(FileExistsError), filled_in_place(place):
            raise AssertionError
    assert os.listdir(tmp_path) == ["theirs"]
