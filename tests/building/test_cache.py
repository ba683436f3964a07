"""The cache: what is in it is what was put there, or nothing."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from building.cache import Cache, default_folder
from diagnostics.values import Diagnostic


READS = {"transformers.models.llama.modeling_llama": "12ab", "transformers.models.gone": ""}
TEXTS = {"modeling_a.py": "# 🚨 é\nx = 1\n" * 50, "__init__.py": ""}
WARNING = Diagnostic("doubtful", "<delta>", 3, 4, "this", "that")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "deep" / "cache")


def only_file(cache: Cache) -> Path:
    (path,) = cache.folder.iterdir()
    return path


def test_what_is_put_is_got(cache: Cache) -> None:
    assert cache.get("k") is None
    cache.put("k", READS, TEXTS, (WARNING,))
    entry = cache.get("k")
    assert entry is not None and cache.get("other") is None
    assert (entry.reads, entry.texts(), entry.warnings) == (READS, TEXTS, (WARNING,))
    assert sorted(entry.digests) == sorted(TEXTS)


@pytest.mark.parametrize("part", range(10))
def test_a_cut_entry_is_a_miss(cache: Cache, part: int) -> None:
    cache.put("k", READS, TEXTS, (WARNING,))
    content = only_file(cache).read_bytes()
    only_file(cache).write_bytes(content[: len(content) * part // 10])
    entry = cache.get("k")
    assert entry is None or entry.texts() is None


def test_a_flipped_bit_is_never_text(cache: Cache) -> None:
    cache.put("k", READS, TEXTS, (WARNING,))
    content = only_file(cache).read_bytes()
    for place in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 4
        only_file(cache).write_bytes(damaged)
        entry = cache.get("k")
        assert entry is None or (entry.reads == READS and entry.texts() in (None, TEXTS)), place


def test_a_foreign_file_is_a_miss(cache: Cache) -> None:
    cache.put("k", READS, TEXTS, ())
    for content in (b"", b"\n", b"{}\n[]\n", b"\xff" * 100):
        only_file(cache).write_bytes(content)
        assert cache.get("k") is None


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permissions of this kind")
def test_nobody_else_sees_into_the_cache(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        Cache(tmp_path / "new" / "cache").put("key", {}, {"a.py": "A = 1\n"})
    finally:
        os.umask(mask)
    assert (tmp_path / "new" / "cache").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    cache = Cache(tmp_path / "file" / "cache")
    cache.put("k", READS, TEXTS, ())
    cache.trim()
    assert cache.get("k") is None


def test_many_writers_of_one_entry(cache: Cache) -> None:
    def put_and_get(number: int) -> bool:
        cache.put("k", READS, TEXTS, ())
        entry = cache.get("k")
        return entry is not None and entry.texts() == TEXTS

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(put_and_get, range(64)))
    assert [path.suffix for path in cache.folder.iterdir()] == [".model"]


def test_the_longest_unused_goes_first(cache: Cache) -> None:
    now = time.time()
    for age, key in enumerate("abcd"):
        cache.put(key, READS, TEXTS, ())
        os.utime(cache.folder / f"{key}.model", (now - age * 100_000,) * 2)
    size = only_size(cache)
    assert cache.get("d") is not None  # used just now
    cache.trim(limit=size * 4)
    assert len(list(cache.folder.iterdir())) == 4
    cache.trim(limit=size * 3)
    assert sorted(path.stem for path in cache.folder.iterdir()) == ["a", "d"]


def only_size(cache: Cache) -> int:
    (size,) = {path.stat().st_size for path in cache.folder.iterdir()}
    return size


def test_trimming_removes_what_a_crash_left(cache: Cache) -> None:
    cache.put("k", READS, TEXTS, ())
    old, new = cache.folder / "x.1.tmp", cache.folder / "y.2.tmp"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (1, 1))
    cache.trim()
    assert sorted(path.name for path in cache.folder.iterdir()) == ["k.model", "y.2.tmp"]


@pytest.mark.skipif(sys.platform != "linux", reason="the XDG convention is Linux's")
@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"QUALITY_GATE_CACHE_DIR": "/c", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/c"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/quality-gate"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/quality-gate"),
        ({"HOME": "/h"}, "/h/.cache/quality-gate"),
        ({"HOME": "relative"}, None),
    ],
)
def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str | None) -> None:
    for name in ("QUALITY_GATE_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = default_folder()
    assert found == (None if expected is None else Path(expected))
