"""Many models: the order they wait in, the processes they run in, and what is remembered of them."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from building.batch import BuildSetting, Conversions, SameProcess, convert_family
from building.cache import Cache
from building.jobs import Job, Outcome, State
from building.library import Library
from building.order import Family, ancestors, find_cycle, gather, in_order, urgency
from building.outputs import write, write_all
from building.tools import SHIPPED_CONFIG, fingerprint
from building.workers import Workers
from building.workspace import path_jobs, tree_jobs
from diagnostics.errors import ConversionError
from toy import make_tree, put, snapshot, toy_convert

from converter.banner import is_edited


CHAIN = {"a": (), "b": ("a",), "c": ("a", "b"), "d": ()}


def family_of(tree: Path) -> Family:
    jobs = tree_jobs(tree, "9.9.9", strict=True)
    return gather(jobs, jobs, lambda job: True)


def setting_of(tree: Path, cache: Path | None = None, processes: int = 1) -> BuildSetting:
    return BuildSetting(
        library=Library({"transformers": tree}),
        casing={},
        ruff_config=SHIPPED_CONFIG,
        fingerprint=fingerprint({}, SHIPPED_CONFIG),
        cache=Cache(cache) if cache else None,
        processes=processes,
        convert=toy_convert,
    )


def convert(tree: Path, cache: Path | None = None, processes: int = 1) -> dict[str, Outcome]:
    outcomes = convert_family(family_of(tree), setting_of(tree, cache, processes), lambda outcome: None)
    return {outcome.job.name: outcome for outcome in outcomes}


def values(outcomes: dict[str, Outcome]) -> dict[str, str]:
    """The VALUE line of each modeling file that will change."""
    lines = ((name, outcome.texts[f"modeling_{name}.py"].split("\n")) for name, outcome in outcomes.items())
    return {name: next(line for line in found if line.startswith("VALUE")) for name, found in lines}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("from ..a.modeling_a import X", ["a"]),
        ("from ..a.configuration_a import (\n    X,\n)", ["a"]),
        ("from transformers.models.a.image_processing_pil_a import X", ["a"]),
        ("from ..a import X", ["a"]),
        ("    from ..a.modeling_a import X", ["a"]),
        ("from ..long_a.modeling_long_a import X", ["long_a"]),
        ("from ..a.modeling_other import X", []),
        ("from ...a.modeling_a import X", []),
        ("from .modeling_b import X", []),
        ("from ..auto import X", []),
        ("# from ..a.modeling_a import X", []),
        ("import a", []),
    ],
)
def test_edges_are_read_off_imports(tmp_path: Path, statement: str, expected: list[str]) -> None:
    tree = make_tree(tmp_path, a="", long_a="", b=f"{statement}\n")
    assert family_of(tree).edges == {"a": [], "b": expected, "long_a": []}


def test_only_included_parents_join(tmp_path: Path) -> None:
    tree = make_tree(
        tmp_path,
        a="",
        b="from ..a.modeling_a import X\n",
        c="from ..b.modeling_b import X\n",
        d="from ..c.modeling_c import X\n",
    )
    jobs = tree_jobs(tree, "9.9.9", strict=True)
    family = gather(jobs[3:], jobs, lambda job: job.name != "b")
    assert family.edges == {"c": [], "d": ["c"]}
    assert gather(jobs[3:], jobs, lambda job: True).edges == {"a": [], "b": ["a"], "c": ["b"], "d": ["c"]}


def test_parents_go_first_and_names_decide_the_rest() -> None:
    assert in_order({"z": (), "c": ("z",), "b": (), "a": ("c", "b")}) == ["b", "z", "c", "a"]
    assert in_order({"a": ("b",), "b": ("a",), "c": ("a",), "d": ()}) == ["d"]
    assert ancestors("c", CHAIN) == ["a", "b"]


def test_the_shortest_cycle_is_found() -> None:
    edges = {"a": ("b", "c"), "b": ("c",), "c": ("a",), "d": ("a",)}
    assert find_cycle("a", edges) == ["a", "c", "a"]
    assert find_cycle("d", edges) is None


def test_what_much_work_waits_for_is_urgent() -> None:
    weights = urgency({"a": 1, "b": 5, "c": 2, "d": 6}, CHAIN)
    assert weights == {"a": 8, "b": 7, "c": 2, "d": 6}
    assert urgency({"a": 1, "b": 1}, {"a": ("b",), "b": ("a",)}) == {"a": 1, "b": 1}, (
        "a cycle has no end to count from"
    )


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_children_read_what_their_parents_become(tmp_path: Path, processes: int) -> None:
    parent = "from ..{0}.modeling_{0} import VALUE\nVALUE = 1\n".format
    tree = make_tree(tmp_path, a="VALUE = 1\n", b=parent("a"), c=parent("b"), d=parent("c"), e=parent("d"))
    put(tree / "models/c/modeling_c.py", "VALUE = 1000\n")
    before = snapshot(tree)
    assert values(convert(tree, processes=processes)) == {name: f"VALUE = {n}" for n, name in enumerate("abcde", 1)}
    assert snapshot(tree) == before


def test_a_removed_output_is_gone_for_children(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, a="CONFIG\n")
    write(convert(tree)["a"])
    make_tree(tree, a="", b="from ..a.configuration_a import SIZE\n")
    outcome = convert(tree)["b"]
    assert outcome.problems[0].message == "there is no transformers.models.a.configuration_a"


@pytest.mark.parametrize("processes", [1, 3])
def test_many_models_give_the_same_from_any_number_of_processes(tmp_path: Path, processes: int) -> None:
    deltas = {
        f"m{n}": f"VALUE = {n}\n" + (f"from ..m{n // 3}.modeling_m{n // 3} import VALUE\n" if n else "")
        for n in range(40)
    }
    tree = make_tree(tmp_path, **deltas)
    expected: dict[str, int] = {}
    for n in range(40):
        expected[f"m{n}"] = n + expected.get(f"m{n // 3}", 0) * (n > 0)
    assert values(convert(tree, processes=processes)) == {name: f"VALUE = {value}" for name, value in expected.items()}


def never(*_: object) -> None:
    raise AssertionError("nothing has to be converted")


def test_the_cache_gives_the_same_bytes(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", a="VALUE = 1\n# WARN\n", b="from ..a.modeling_a import VALUE\n")
    fresh = convert(tree, tmp_path / "cache")
    setting = replace(setting_of(tree, tmp_path / "cache"), convert=never)
    again = convert_family(family_of(tree), setting, lambda outcome: None)
    assert [one.cached for one in again] == [True, True]
    for outcome in again:
        expected = fresh[outcome.job.name]
        assert (outcome.texts, outcome.states) == (expected.texts, expected.states)
        assert (outcome.warnings, outcome.reads) == (expected.warnings, expected.reads)


@pytest.mark.parametrize(
    "change", ["delta", "parent", "grandparent", "appears", "casing", "ruff", "release", "strict", "damage", "nothing"]
)
def test_whatever_decides_is_seen(tmp_path: Path, change: str) -> None:
    tree = make_tree(
        tmp_path / "t", a="VALUE = 1\nfrom ..hand.modeling_hand import VALUE\n", b="from ..a.modeling_a import X\n"
    )
    put(tree / "models/hand/modeling_hand.py", "VALUE = 5\n")
    convert(tree, tmp_path / "cache")
    setting, jobs = setting_of(tree, tmp_path / "cache"), tree_jobs(tree, "9.9.9", strict=True)
    if change == "delta":
        put(tree / "models/a/modular_a.py", "VALUE = 2\n")
    elif change == "parent":
        put(tree / "models/hand/modeling_hand.py", "VALUE = 6\n")
    elif change == "grandparent":
        put(tree / "models/a/modular_a.py", "VALUE = 3\n")
    elif change == "appears":
        put(tree / "models/hand/modeling_hand/__init__.py", "VALUE = 7\n")
    elif change == "casing":
        setting = replace(setting, fingerprint=fingerprint({"a": "A"}, SHIPPED_CONFIG))
    elif change == "ruff":
        setting = replace(setting, fingerprint=fingerprint({}, put(tmp_path / "r.toml", "line-length = 1\n")))
    elif change == "release":
        jobs = tree_jobs(tree, "9.9.10", strict=True)
    elif change == "strict":
        jobs = tree_jobs(tree, "9.9.9", strict=False)
    elif change == "damage":
        for path in (tmp_path / "cache").iterdir():
            path.write_bytes(path.read_bytes()[:-1])
    outcomes = convert_family(gather(jobs, jobs, lambda job: True), setting, lambda outcome: None)
    assert [one.cached for one in outcomes] == [change == "nothing"] * 2
    assert not any(one.failed for one in outcomes)


def test_a_refusal_is_not_remembered(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", a="from ..gone.modeling_gone import X\n")
    assert convert(tree, tmp_path / "cache")["a"].problems
    put(tree / "models/gone/modeling_gone.py", "VALUE = 3\n")
    assert values(convert(tree, tmp_path / "cache")) == {"a": "VALUE = 3"}


def double(chunk: Sequence[int]) -> list[int]:
    if 13 in chunk:
        os._exit(13)
    return [2 * number for number in chunk]


def test_workers_survive_one_that_dies() -> None:
    done: list[tuple[Sequence[int], list[int] | None]] = []
    with Workers(double, 2) as pool:
        waiting = [[1], [13], [2, 3], [13, 4], [5]]
        while waiting or pool.busy:
            while waiting and pool.idle:
                pool.submit(waiting.pop(0))
            done += pool.collect()
        assert pool.idle == 2
    assert sorted(done, key=str) == sorted(
        [([1], [2]), ([13], None), ([2, 3], [4, 6]), ([13, 4], None), ([5], [10])], key=str
    )


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def test_workers_end_with_the_block() -> None:
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), Workers(sleep, 2) as pool:
        pool.submit(60.0)
        processes = list(pool._processes.values())
        raise KeyboardInterrupt
    assert time.monotonic() - started < 30  # of the 60 that the worker would sleep
    assert not any(process.is_alive() for process in processes)


@pytest.mark.parametrize("frozen", [True, False])
def test_objects_that_a_process_froze_stay_frozen(frozen: bool) -> None:
    """They are frozen while there are workers, which would copy them at each collection."""
    try:
        if frozen:
            gc.freeze()
        else:
            gc.unfreeze()
        with Workers(sleep, 1):
            assert gc.get_freeze_count() > 0
        assert bool(gc.get_freeze_count()) is frozen
    finally:
        gc.freeze()  # as tests/conftest.py has it


def test_what_goes_one_by_one_needs_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("building.workers.Workers.__init__", never)
    tree = make_tree(tmp_path, a="VALUE = 1\n")
    assert values(convert(tree, processes=8)) == {"a": "VALUE = 1"}
    make_tree(tree, b="from ..a.modeling_a import VALUE\n", c="from ..b.modeling_b import VALUE\n")
    assert values(convert(tree, processes=8)) == dict.fromkeys("abc", "VALUE = 1")
    make_tree(tree, d="from ..b.modeling_b import VALUE\n")
    with pytest.raises(AssertionError):
        convert(tree, processes=8)


def test_chunks_shrink_and_the_urgent_go_first(tmp_path: Path) -> None:
    deltas = {f"m{n:02}": "#" * n + "\n" for n in range(30)}
    deltas["child"] = "from ..m05.modeling_m05 import X\n" + "#" * 99 + "\n"
    tree = make_tree(tmp_path, **deltas)
    run = Conversions(family_of(tree), setting_of(tree), lambda outcome: None)
    run.finish_ready()
    chunks = []
    while run.waiting:
        chunks.append([job.name for job in run._take(2)])
    assert [len(chunk) for chunk in chunks][:4] == [7, 5, 4, 3] and len(chunks[-1]) == 1
    assert chunks[0][:3] == ["m05", "m29", "m28"], "m05 is small, but more waits for it than for any"
    assert sorted(name for chunk in chunks for name in chunk) == sorted(set(deltas) - {"child"})


def job_in(folder: Path) -> Job:
    (job,) = path_jobs([put(folder / "modular_x.py", "")], folder / "out", "5.23.0", strict=True)
    return job


def outcome_of(job: Job, **texts: str) -> Outcome:
    return Outcome(
        job, {f"{name}.py": State.MISSING for name in texts}, {f"{n}.py": text for n, text in texts.items()}
    )


def test_writing_keeps_the_mode_and_follows_links(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    real = put(tmp_path / "real.py", "old\n")
    real.chmod(0o640)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/x.py").symlink_to(real)
    write(outcome_of(job, x="new\n", y="new\n"), force=True)
    assert real.read_text() == "new\n" and real.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "out/x.py").is_symlink()
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "out/y.py").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_failure_half_way_leaves_every_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_in(tmp_path)
    put(tmp_path / "out/x.py", "old\n")
    real, calls = os.chmod, []

    def failing(path: str, mode: int) -> None:
        calls.append(path)
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr("building.outputs.os.chmod", failing)
    with pytest.raises(ConversionError, match="cannot-write: No space left on device"):
        write(outcome_of(job, a="new\n", x="new\n"), force=True)
    monkeypatch.setattr("building.outputs.os.chmod", real)
    assert calls and snapshot(tmp_path / "out") == {"x.py": b"old\n"}


def test_children_of_a_model_that_was_left_alone_are_skipped(tmp_path: Path) -> None:
    jobs = path_jobs(
        [put(tmp_path / f"modular_{name}.py", "") for name in ("a", "b", "c")], tmp_path / "out", "5.23.0", strict=True
    )
    put(tmp_path / "out/a/modeling_a.py", "mine\n")
    outcomes = [outcome_of(job, **{f"modeling_{job.name}": "# new\n"}) for job in jobs]
    results = write_all(outcomes, {"a": (), "b": ("a",), "c": ()}, force=False)
    assert [one.failed for one in results] == [True, True, False] and results[1].blocked_by == "a"
    assert not (tmp_path / "out/b").exists() and (tmp_path / "out/c/modeling_c.py").exists()


def test_what_is_written_is_sealed(tmp_path: Path) -> None:
    put(tmp_path / "modular_x.py", "VALUE = 1\n")
    jobs = path_jobs([tmp_path / "modular_x.py"], tmp_path / "out", "5.23.0", strict=True)
    family = gather(jobs, jobs, lambda job: True)
    (outcome,) = convert_family(family, setting_of(tmp_path), lambda outcome: None)
    write(outcome)
    text = (tmp_path / "out/modeling_x.py").read_text()
    assert not is_edited(text) and is_edited(text + "\n")


def test_a_pool_of_no_processes_works_chunk_by_chunk() -> None:
    pool = SameProcess(lambda chunk: [len(chunk)])  # type: ignore[list-item, arg-type]
    assert pool.idle == 1
    pool.submit(["x", "y"])  # type: ignore[list-item]
    assert pool.idle == 0
    assert pool.collect() == [(["x", "y"], [2])] and pool.idle == 1
