"""What another release changes under a model, by the texts that it is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from building.drift import ModelDrift, aligned, drift_document, find_drift, render_drift, status_of, unlocked
from building.jobs import Job, refused
from building.library import Library, digest
from building.lock import LockEntry
from outcomes import BASE, CONFIGURATION, MODELING, PROBLEM, SOURCE, entry, generated, library, outcome, put

from converter.values import Provenance


def drifts(job: Job, known: LockEntry | None, new: Provenance, of: Library) -> ModelDrift:
    recorded: Mapping[str, LockEntry] = {"toy": known} if known else {}
    (found,) = find_drift([replace(outcome(job), made_from=new)], {"toy": b"delta"}, recorded, of)
    return found


def test_what_a_model_is_made_from_is_compared_with_the_lock(job: Job, tmp_path: Path) -> None:
    new = Provenance(
        definitions={f"{BASE}.LlamaMLP": "9", f"{BASE}.LlamaNew": "1"}, imports={BASE: "8"}, restated={"own": "1"}
    )
    found = drifts(job, replace(entry(), modular=digest(b"delta")), new, library(tmp_path, SOURCE + "X = 1\n"))
    assert dict(found.changes) == {
        f"{BASE}.LlamaMLP": "changed",
        f"{BASE}.LlamaMLP.forward": "changed; the delta has its own",
        f"{BASE}.LlamaModel": "changed",
        f"{BASE}.LlamaNew": "new",
        "own": "new; the delta has its own",
        BASE: "imports changed",
    }
    assert (found.release, found.edited, found.applies, found.verdict) == ("5.0.0", False, True, "applies")


@pytest.mark.parametrize(
    ("text", "fate"),
    [
        (None, "vanished with its module"),
        ("class LlamaMLP:\n    pass\n", "vanished"),
        ("class (", "unreadable"),
    ],
)
def test_what_became_of_a_definition_that_is_not_used_any_more(
    job: Job, tmp_path: Path, text: str | None, fate: str
) -> None:
    known = entry(restated={}, imports={}, models={}, definitions={f"{BASE}.LlamaModel": "2", "generated.toy.A": "3"})
    found = drifts(job, known, Provenance(), library(tmp_path, text))
    assert found.changes == ((f"{BASE}.LlamaModel", fate),) and found.edited


def test_files_differ_below_their_banners_alone(job: Job, tmp_path: Path) -> None:
    put(job, modeling=generated(replace(job, target=replace(job.target, release="4.0.0")), "same = 1\n"))
    one = replace(outcome(job), texts={MODELING: generated(job, "same = 1\n"), CONFIGURATION: "new\n" * 4})
    (found,) = find_drift([one], {"toy": b""}, {}, library(tmp_path))
    assert found.files == (CONFIGURATION,) and found.release == "?" and found.changes == ()


def test_a_delta_that_no_longer_applies_has_its_codes(job: Job, tmp_path: Path) -> None:
    other = replace(PROBLEM, code="bad-all")
    every = [
        refused(outcome(job), [PROBLEM, other, PROBLEM]),
        replace(outcome(replace(job, name="child")), blocked_by="toy"),
    ]
    found = find_drift(every, {"toy": b"", "child": b""}, {}, library(tmp_path))
    assert [(one.model, one.verdict, one.applies, one.files) for one in found] == [
        ("child", "waits for toy, which is refused", False, ()),
        ("toy", "refused: bad-all, two-parents", False, ()),
    ]
    assert [each.code for each in unlocked(found, "generated")] == ["not-locked"] * 2
    assert unlocked(found, "generated")[0].path == "generated/lock.json"


STILL = ModelDrift("toy", "5.0.0", (), (), "applies", True, False)
MOVED = replace(STILL, model="moved", changes=(("A", "changed"), ("B", "new")), files=("m.py", "n.py"), edited=True)
BROKEN = replace(STILL, model="broken", changes=(("A", "changed"),), verdict="refused: x", applies=False)


@pytest.mark.parametrize(
    ("found", "status", "words"),
    [
        ([], 0, "no drift: what 0 models are made from is the same in transformers 5.1.0"),
        ([STILL], 0, "no drift: what 1 models are made from is the same in transformers 5.1.0"),
        ([STILL, MOVED], 1, "bases of 1 of 2 models changed; every delta applies to transformers 5.1.0"),
        ([STILL, MOVED, BROKEN], 2, "1 of 3 deltas no longer apply to transformers 5.1.0"),
        ([replace(BROKEN, changes=())], 2, "1 of 1 deltas no longer apply to transformers 5.1.0"),
    ],
)
def test_a_drift_has_a_status_and_a_conclusion(found: list[ModelDrift], status: int, words: str) -> None:
    assert status_of(found) == status and render_drift(found, "5.1.0").endswith(words)


def test_a_drift_is_told_by_definition_and_by_model() -> None:
    lines = render_drift([STILL, MOVED, BROKEN], "5.1.0").splitlines()
    assert [line.split() for line in lines[2:4]] == [["A", "changed", "moved,", "broken"], ["B", "new", "moved"]]
    assert lines[0].split() == ["base", "definition", "change", "models"] and lines[4] == ""
    assert [" ".join(line.split()) for line in lines[7:10]] == [
        "toy 5.0.0 -> 5.1.0 0 none applies",
        "moved 5.0.0 -> 5.1.0 2 m.py, n.py applies; edited since",
        "broken 5.0.0 -> 5.1.0 1 - refused: x",
    ]
    assert render_drift([STILL], "5.1.0").startswith("model")


def test_a_drift_for_programs_has_the_proofs_that_were_made() -> None:
    class Proven:
        status, text = 0, ""
        rows = {"moved": {"verdict": "equal"}}

    plain, proven = drift_document([STILL, MOVED], "5.1.0", None), drift_document([STILL, MOVED], "5.1.0", Proven())
    assert plain["transformers"] == "5.1.0" and [each["model"] for each in plain["models"]] == ["toy", "moved"]
    assert [each.get("proof") for each in proven["models"]] == [None, {"verdict": "equal"}]


def test_tables_are_as_wide_as_they_need_to_be() -> None:
    assert aligned(("a", "head"), [("long cell", "b"), ("", "c")]) == (
        "a          head\n---------  ----\nlong cell  b\n           c\n"
    )
