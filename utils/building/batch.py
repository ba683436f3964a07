"""Many jobs: each as soon as those before it are done, from the cache or by as many processes as there are cores."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Protocol

from building.cache import Cache
from building.cache_keys import ConversionCache
from building.jobs import Convert, Job, Outcome, State, Task, crashed, refused
from building.library import Library, digest
from building.order import Family, ancestors, circular, find_cycle, in_order, urgency
from building.outputs import made_before, survey


_CHUNK = 12  # jobs per hand-over: enough to share a start of ruff, few enough not to make dependants wait
Work = Callable[[Sequence[Task]], list[Outcome]]


@dataclass(frozen=True, slots=True)
class BuildSetting:
    """What is the same for all jobs of a run."""

    library: Library
    casing: Mapping[str, str]
    ruff_config: Path
    fingerprint: str  # digest of all that decides the outputs besides modules
    cache: Cache | None
    processes: int
    keep_texts: bool = False  # also those of files that are on disk already
    convert: Convert | None = None  # None: the converter's own


class Pool(Protocol):
    """What runs chunks of tasks: this process, or several."""

    @property
    def idle(self) -> int: ...
    def submit(self, chunk: Sequence[Task]) -> None: ...
    def collect(self) -> list[tuple[Sequence[Task], list[Outcome] | None]]: ...


class SameProcess:
    """A pool of no processes: a chunk is worked off when it is collected."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._waiting: list[Sequence[Task]] = []

    @property
    def idle(self) -> int:
        """How many chunks may be submitted now."""
        return 1 - len(self._waiting)

    def submit(self, chunk: Sequence[Task]) -> None:
        """Keep a chunk for the next `collect`."""
        self._waiting.append(chunk)

    def collect(self) -> list[tuple[Sequence[Task], list[Outcome] | None]]:
        """Chunks with their outcomes."""
        done, self._waiting = self._waiting, []
        return [(chunk, self._work(chunk)) for chunk in done]


class Conversions:
    """The state of one run; `outcomes` grows until every job of the family has one."""

    def __init__(self, family: Family, setting: BuildSetting, advance: Callable[[Outcome], None]) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self._family = family
        self._keep_texts = setting.keep_texts
        self._cache = ConversionCache(setting.cache, setting.library, setting.fingerprint)
        self._advance = advance
        self._fresh: dict[str, dict[str, str | None]] = {}  # job -> its modules that will change on disk
        self._queue: list[Job] = []
        self._alone: set[str] = set()  # jobs of a chunk that a worker died over: one of them is the culprit
        self._urgency = urgency({name: len(delta) for name, delta in family.deltas.items()}, family.edges)
        self._sorter = TopologicalSorter(family.edges)
        with suppress(CycleError):  # the sorter still hands out what does not depend on a cycle
            self._sorter.prepare()

    @property
    def unfinished(self) -> int:
        """How many jobs have no outcome yet."""
        return len(self._family.jobs) - len(self.outcomes)

    @property
    def width(self) -> int:
        """At most how many of the unfinished jobs can be under way at once: the longest chain goes one by one."""
        left = {name: int(name not in self.outcomes) for name in self._family.jobs}
        return self.unfinished - max(urgency(left, self._family.edges).values()) + 1

    @property
    def waiting(self) -> bool:
        """Whether there are jobs to convert now."""
        return bool(self._queue)

    def finish_ready(self) -> None:
        """Give an outcome to every job that is ready and needs no conversion; queue the others."""
        while ready := sorted(self._sorter.get_ready()):
            for job in (self._family.jobs[name] for name in ready):
                outcome = self._hopeless(job) or self._cached(job)
                if outcome is None:
                    self._queue.append(job)
                else:
                    self._finish(outcome)

    def work_off(self, pool: Pool, workers: int) -> None:
        """Convert until nothing is left that can be converted."""
        while self._queue or self.unfinished and self._sorter.is_active():
            while self._queue and pool.idle:
                pool.submit([self._task(job) for job in self._take(workers)])
            for chunk, outcomes in pool.collect():
                if outcomes is None:
                    self._died(chunk)
                for outcome in outcomes or ():
                    self._converted(outcome)
            self.finish_ready()

    def give_up(self) -> None:
        """Refuse what could never start: the jobs of a cycle, and those behind one."""
        edges = self._family.edges
        left = [name for name in sorted(edges) if name not in self.outcomes]
        cycles = {name: cycle for name in left if (cycle := find_cycle(name, edges))}
        for name in left:
            outcome = Outcome(self._family.jobs[name], states=self._unknown(name))
            if name in cycles:
                self._finish(refused(outcome, [circular(self._family, cycles[name])]), ready=False)
            else:
                culprit = next(one for one in ancestors(name, edges) if one in cycles)
                self._finish(replace(outcome, blocked_by=culprit), ready=False)

    def _hopeless(self, job: Job) -> Outcome | None:
        """The outcome of a job that cannot be read, or that inherits from one that was refused."""
        outcome = Outcome(job, states={})
        failed = [name for name in self._family.edges[job.name] if self.outcomes[name].failed]
        if job.name in self._family.problems:
            outcome = refused(outcome, self._family.problems[job.name])
        elif failed:
            outcome = replace(outcome, blocked_by=failed[0])
        return replace(outcome, states=self._unknown(job.name)) if outcome.failed else None

    def _cached(self, job: Job) -> Outcome | None:
        return self._cache.find(job, self._family.deltas[job.name], self._changes_before(job), self._keep_texts)

    def _changes_before(self, job: Job) -> dict[str, str | None]:
        """The modules that earlier jobs change, of those alone that this one inherits from: their order is certain."""
        before = ancestors(job.name, self._family.edges)
        return {module: text for name in before for module, text in self._fresh.get(name, {}).items()}

    def _take(self, workers: int) -> list[Job]:
        """The next chunk, most urgent jobs first; smaller towards the end, so that no worker is the last by far."""
        self._queue.sort(key=lambda job: (-self._urgency[job.name], job.name))
        alone = [job for job in self._queue if job.name in self._alone][:1]
        chunk = alone or self._queue[: max(1, min(_CHUNK, len(self._queue) // (2 * workers)))]
        self._queue = [job for job in self._queue if job not in chunk]
        return chunk

    def _task(self, job: Job) -> Task:
        return Task(job, self._family.deltas[job.name], self._changes_before(job))

    def _converted(self, outcome: Outcome) -> None:
        job = outcome.job
        if outcome.failed:
            self._finish(replace(outcome, states=self._unknown(job.name)))
            return
        self._cache.keep(outcome, self._family.deltas[job.name])
        states = survey(job, {name: digest(text.encode()) for name, text in outcome.texts.items()})
        kept = {name: text for name, text in outcome.texts.items() if self._keep_texts or states[name] != State.SAME}
        self._finish(replace(outcome, states=states, texts=kept))

    def _died(self, chunk: Sequence[Task]) -> None:
        """A worker ended over a chunk, for want of memory say. Its jobs are tried again, one at a time."""
        if len(chunk) > 1:
            self._alone.update(task.job.name for task in chunk)
            self._queue += [task.job for task in chunk]
            return
        job = chunk[0].job
        error = RuntimeError("the process that converted this model ended without a word; it may have lacked memory")
        self._finish(crashed(Outcome(job, states=self._unknown(job.name)), error))

    def _finish(self, outcome: Outcome, ready: bool = True) -> None:
        job = outcome.job
        self.outcomes[job.name] = outcome
        states = () if outcome.failed else outcome.states.items()
        changed = {job.module_of(name): outcome.texts.get(name) for name, state in states if state is not State.SAME}
        if changed:
            self._fresh[job.name] = changed
        if ready:
            self._sorter.done(job.name)
        self._advance(outcome)

    def _unknown(self, name: str) -> dict[str, State]:
        return dict.fromkeys(made_before(self._family.jobs[name]), State.UNKNOWN)


def convert_family(family: Family, setting: BuildSetting, advance: Callable[[Outcome], None]) -> list[Outcome]:
    """An outcome for every job of a family, parents first. Reads the disk, and writes nothing but the cache.

    `advance` is called with each outcome as it comes.
    """
    run = Conversions(family, setting, advance)
    run.finish_ready()
    if run.waiting:
        _convert_rest(run, setting)
    run.give_up()
    order = in_order(family.edges)
    order += sorted(set(family.jobs) - set(order))
    return [run.outcomes[name] for name in order]


@contextmanager
def _fewer_collections() -> Iterator[None]:
    """Trees are freed by reference counts; looking for cycles among their many nodes took a tenth of the time."""
    thresholds = gc.get_threshold()
    gc.set_threshold(200_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def _convert_rest(run: Conversions, setting: BuildSetting) -> None:
    # The one place where imports wait: what follows is slow to import, and mostly nothing has to be converted.
    from tempfile import TemporaryDirectory

    from building.expand import Expander

    if (convert := setting.convert) is None:
        from converter.convert import convert as convert_text

        convert = convert_text

    with TemporaryDirectory(prefix="converter-", ignore_cleanup_errors=True) as scratch, _fewer_collections():
        expander = Expander(convert, setting.library, setting.casing, setting.ruff_config, scratch)
        workers = min(setting.processes, run.width)
        if workers <= 1:
            run.work_off(SameProcess(expander.expand), 1)
        else:
            from building.workers import Workers

            with Workers(expander.expand, workers) as pool:
                run.work_off(pool, workers)
    if setting.cache:
        setting.cache.trim()
