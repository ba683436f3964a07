"""What was converted before holds while all that it was made from is the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from building.cache import Cache
from building.cache_keys import ConversionCache
from building.jobs import Job, refused
from building.library import Library
from diagnostics.errors import ConversionError
from outcomes import MODELING, PROBLEM, library, outcome, put

from converter.values import Provenance


def test_what_was_converted_holds_while_all_that_it_read_is_the_same(job: Job, tmp_path: Path) -> None:
    one = replace(outcome(job), reads={"transformers.models.llama.modeling_llama": ""}, made_from=Provenance())
    shelf = Cache(tmp_path / "cache")
    module = next(iter(one.reads))
    known = Library({"transformers": tmp_path / "none"})
    kept = ConversionCache(shelf, known, "tools")
    assert kept.find(job, b"delta", {}, False) is None
    kept.keep(one, b"delta")
    found = kept.find(job, b"delta", {}, False)
    assert found is not None and found.cached and found.reads == one.reads and found.texts == one.texts
    assert kept.find(job, b"other", {}, False) is None
    assert ConversionCache(shelf, known, "other tools").find(job, b"delta", {}, False) is None
    assert kept.find(replace(job, target=replace(job.target, strict=False)), b"delta", {}, False) is None
    assert kept.find(job, b"delta", {module: "now there"}, False) is None
    assert kept.find(job, b"delta", {module: None}, False) is not None
    assert ConversionCache(shelf, library(tmp_path), "tools").find(job, b"delta", {}, False) is None


def test_a_module_that_cannot_be_read_is_no_reason_to_trust_the_cache(job: Job, tmp_path: Path) -> None:
    """Converting says what is wrong with it, at its place."""
    of = library(tmp_path)
    module = "transformers.models.llama.modeling_llama"
    kept = ConversionCache(Cache(tmp_path / "cache"), of, "tools")
    kept.keep(replace(outcome(job), reads={module: of.digest(module)}), b"delta")
    assert kept.find(job, b"delta", {}, False) is not None

    class Unreadable(Library):
        def digest(self, name: str) -> str:
            raise ConversionError(replace(PROBLEM, code="unreadable"))

    assert ConversionCache(kept.cache, Unreadable({}), "tools").find(job, b"delta", {}, False) is None


def test_texts_are_unpacked_where_they_are_needed(job: Job, tmp_path: Path) -> None:
    kept = ConversionCache(Cache(tmp_path / "cache"), Library({}), "tools")
    put(job, modeling="new = 1\n")
    kept.keep(outcome(job), b"delta")
    fresh = kept.find(job, b"delta", {}, False)
    assert fresh is not None and fresh.fresh and fresh.texts == {}
    for keep, text in ((True, "new = 1\n"), (False, "other = 1\n")):
        put(job, modeling=text)
        found = kept.find(job, b"delta", {}, keep)
        assert found is not None and found.texts == {MODELING: "new = 1\n"}


def test_warnings_name_files_as_they_are_called_now(job: Job, tmp_path: Path) -> None:
    kept = ConversionCache(Cache(tmp_path / "cache"), Library({}), "tools")
    kept.keep(replace(outcome(job), warnings=(replace(PROBLEM, path="modular/modular_toy.py"), PROBLEM)), b"d")
    moved = kept.find(replace(job, delta=tmp_path / "elsewhere.py"), b"d", {}, False)
    assert moved is not None and [each.path for each in moved.warnings] == ["elsewhere.py", "modular_toy.py"]


def test_what_failed_is_not_remembered_and_without_a_cache_nothing_is(job: Job, tmp_path: Path) -> None:
    kept = ConversionCache(Cache(tmp_path / "cache"), Library({}), "tools")
    kept.keep(refused(outcome(job), [PROBLEM]), b"delta")
    kept.keep(replace(outcome(job), blocked_by="base"), b"delta")
    assert kept.find(job, b"delta", {}, False) is None
    nothing = ConversionCache(None, Library({}), "tools")
    nothing.keep(outcome(job), b"delta")
    assert nothing.find(job, b"delta", {}, False) is None
