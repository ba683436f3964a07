"""Which modular files wait for which others, read off their imports."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic

from building.jobs import Job
from building.library import read_bytes, shown


_IMPORT = re.compile(rb"^[ \t]*from[ \t]+([\w.]+)[ \t]+import\b", re.MULTILINE)
Edges = Mapping[str, Sequence[str]]  # job name -> names of the jobs it waits for


@dataclass(frozen=True, slots=True)
class Family:
    """The jobs of a run by name, each with the bytes of its modular file and the jobs that go before it."""

    jobs: Mapping[str, Job]
    deltas: Mapping[str, bytes]
    edges: Edges
    problems: Mapping[str, tuple[Diagnostic, ...]]  # of modular files that cannot be read


def gather(
    wanted: Iterable[Job],
    known: Iterable[Job],
    include: Callable[[Job], bool],
    stands_on: Callable[[bytes], Iterable[str]] = lambda delta: (),
) -> Family:
    """The wanted jobs and, of the known jobs that they inherit from, transitively, those to `include`.

    A modular file that cannot be read is a problem of its job in what is returned.

    Args:
        wanted: the jobs to do.
        known: all jobs that these may inherit from.
        include: whether to add one of the known jobs.
        stands_on: the text of a modular file -> modules that it needs besides those it imports.
    """
    makers = {(job.package, job.target.model): job for job in known}
    jobs = {job.name: job for job in wanted}
    deltas: dict[str, bytes] = {}
    problems: dict[str, tuple[Diagnostic, ...]] = {}
    found: dict[str, list[str]] = {}
    for job in (queue := list(jobs.values())):  # grows while it is walked
        try:
            deltas[job.name] = read_bytes(job.delta)
        except ConversionError as error:
            deltas[job.name], problems[job.name] = b"", error.diagnostics
        delta = deltas[job.name]
        parents = [parent for parent in _parents(job, delta, stands_on(delta), makers) if parent.name != job.name]
        added = [parent for parent in parents if parent.name not in jobs and include(parent)]
        jobs.update((parent.name, parent) for parent in added)
        queue.extend(added)
        found[job.name] = [parent.name for parent in parents]
    edges = {name: sorted({parent for parent in found[name] if parent in jobs}) for name in sorted(jobs)}
    return Family(jobs, deltas, edges, problems)


def _parents(job: Job, delta: bytes, needed: Iterable[str], makers: Mapping[tuple[str, str], Job]) -> list[Job]:
    """The jobs that make the modules a modular file imports from, each once."""
    modules = sorted({*(_absolute(found, job.module) for found in _IMPORT.findall(delta)), *needed})
    makes = [makers[key] for module in modules for key in _maker_keys(module) if key in makers]
    return list({parent.name: parent for parent in makes}.values())


def _maker_keys(module: str) -> Iterator[tuple[str, str]]:
    """The package and model of any job that may make a module: outputs are called <kind>_<model>.py."""
    package, _, stem = module.rpartition(".")
    yield module, stem  # the package itself: `from generated.quality_gate_llama import X`
    yield from ((package, stem[place + 1 :]) for place, letter in enumerate(stem) if letter == "_")


def _absolute(written: bytes, module: str) -> str:
    """A module as written after `from`, relative to `module`, as an absolute dotted name."""
    name = written.decode("utf-8", "replace")
    bare = name.lstrip(".")
    dots = len(name) - len(bare)
    return ".".join([*module.split(".")[:-dots], bare]) if dots else name


def in_order(edges: Edges) -> list[str]:
    """The names, parents first and else by name, without those in a cycle or behind one."""
    sorter = TopologicalSorter(edges)
    try:
        sorter.prepare()
    except CycleError:
        pass  # the sorter still hands out what does not depend on the cycle
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    return order


def ancestors(name: str, edges: Edges) -> list[str]:
    """All that a name waits for, transitively, sorted."""
    reached: set[str] = set()
    waiting = list(edges[name])
    while waiting:
        parent = waiting.pop()
        if parent not in reached:
            reached.add(parent)
            waiting.extend(edges[parent])
    return sorted(reached)


def urgency(sizes: Mapping[str, int], edges: Edges) -> dict[str, int]:
    """How much work hangs on each job: its own size and the longest chain of those that wait for it."""
    weights = dict(sizes)
    for name in reversed(in_order(edges)):
        for parent in edges[name]:
            weights[parent] = max(weights[parent], sizes[parent] + weights[name])
    return weights


def find_cycle(name: str, edges: Edges) -> list[str] | None:
    """The shortest way from a name back to itself, [a, b, a]; None where there is none."""
    ways = [[name]]
    seen: set[str] = set()
    for way in ways:  # grows while it is walked: breadth first
        for parent in edges[way[-1]]:
            if parent == name:
                return [*way, name]
            if parent not in seen:
                seen.add(parent)
                ways.append([*way, parent])
    return None


def circular(family: Family, cycle: Sequence[str]) -> Diagnostic:
    """The refusal of the first job of a cycle, at its import from the second."""
    job, parent = family.jobs[cycle[0]], family.jobs[cycle[1]]
    delta = family.deltas[job.name]
    imports = _IMPORT.finditer(delta)
    key = (parent.package, parent.target.model)
    start = next((one.start() for one in imports if key in _maker_keys(_absolute(one[1], job.module))), 0)
    message = f"circular modular files: {' -> '.join(cycle)}"
    fix = f"inherit in one direction only: define in {job.delta.name} what it takes from {parent.delta.name}"
    return Diagnostic("circular-modular", shown(job.delta), delta.count(b"\n", 0, start) + 1, 1, message, fix)
