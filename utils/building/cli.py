"""The command line: find the models, convert them, write or compare, report."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from diagnostics.errors import ConversionError
from diagnostics.names import is_name, nearest
from diagnostics.values import Diagnostic
from naming.kinds import GateNames, kind_of
from places import PROJECT
from telling.answers import INTERRUPTED, Answer, answer
from telling.tools import named, typed

from building.arguments import parse
from building.batch import BuildSetting, convert_family
from building.cache import Cache, default_folder
from building.casing import read_casing
from building.jobs import Convert, Job, Outcome, internal_error
from building.library import Library, decode, installed, is_release, read_bytes, shown
from building.lock import FILE as LOCK
from building.lock import Lock, read_lock
from building.order import gather
from building.outputs import made_before, write_all
from building.package_files import template_outcomes
from building.report import Mode, Progress, Report, count_identical, table, texts, unified_diff
from building.stage import Stage
from building.tools import SHIPPED_CONFIG, check_ruff, check_ruff_config, find_ruff_config, fingerprint
from building.workspace import (
    GATE,
    Folders,
    check_folders,
    find_transformers,
    find_tree,
    jobs_along,
    path_jobs,
    project_jobs,
    read_release,
    select,
    tree_jobs,
)


TERMINATED = 143  # what a shell reports of a process that a signal ended
_NO_STAGE = Stage()

# Converted models, what makes them one package, their transformers, how they were made, progress -> what they are worth.
Prove = Callable[[Sequence[Outcome], Sequence[Outcome], Path, BuildSetting, Callable[[Outcome], None]], Any]


@dataclass(frozen=True, slots=True)
class RunSetup:
    """Where a run takes place: its transformers, its models, and what they are formatted under."""

    package: Path
    wanted: list[Job]
    known: list[Job]
    ruff_config: Path
    ready: tuple[Outcome, ...] = ()  # what goes along with the models and needs no conversion
    along: tuple[Job, ...] = ()  # models that come with the tools, made only where one that is known stands on them


def main(
    argv: Sequence[str] | None = None,
    convert: Convert | None = None,
    project: Path = PROJECT,
    stage: Stage = _NO_STAGE,
    prove: Prove | None = None,
) -> int:
    """Run one command line; the exit status.

    Args:
        argv: the words of the command line; those of this process without it.
        convert, project: stand in for the real ones in tests.
        stage: goes before the expansion: it may write modular files that are missing, and write out short ones.
        prove: runs the models of a `--drift` that asks for it.
    """
    try:
        args = parse(argv)
    except SystemExit as end:  # argparse has said what is wrong, or printed the help that was asked for
        return end.code if isinstance(end.code, int) else 0
    report = Report(_mode(args), args.quiet, args.verbose, args.json)
    _speak_utf8()
    stage = replace(stage, convert=convert or stage.convert)
    return answer(args, lambda args: _answered(args, report, project, stage, prove))


def _answered(args: Namespace, report: Report, project: Path, stage: Stage, prove: Prove | None) -> Answer:
    try:
        with _terminable():
            folders = Folders.of(project, args.modular, args.generated)
            _check_gate(args.gate, stage)
            _write_missing(args, report, folders, stage)
            report.status = _run(args, report, stage, folders, prove)
    except ConversionError as error:
        report.refuse(error.diagnostics)
    except KeyboardInterrupt:
        return Answer(INTERRUPTED, heard=False)
    except BrokenPipeError:  # `... | head`: whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        if args.verbose:
            report.note(traceback.format_exc())
        report.refuse([internal_error(named("convert"), error)])
    return report.answer()


def _check_gate(gate: str | None, stage: Stage) -> None:
    """Raises ConversionError (`unknown-gate`) for a kind of gate that is not there, with the nearest."""
    if gate is None or gate in stage.kinds:
        return
    close = nearest(gate, stage.kinds)
    fix = f"did you mean `{close}`?" if close else f"the kinds are {', '.join(stage.kinds) or 'none'}"
    raise ConversionError(Diagnostic("unknown-gate", "--gate", 1, 1, f"there is no kind of gate called {gate!r}", fix))


def _write_missing(args: Namespace, report: Report, folders: Folders, stage: Stage) -> None:
    """Let another tool write the modular files that are asked for and not there: only where a run writes at all."""
    write = stage.write_missing
    if write is None or args.tree or args.drift or report.mode is not Mode.WRITE:
        return
    check_folders(folders)
    for model in filter(is_name, args.model):  # the others are told of by whoever looks for their files
        kind = kind_of(model).kind
        told = write(model, folders.modular, args.gate or (kind if kind in stage.kinds else GATE))
        if told and not args.quiet:
            report.result(told)


def _run(args: Namespace, report: Report, stage: Stage, folders: Folders, prove: Prove | None) -> int:
    check_ruff()
    place = _tree(args) if args.tree else _package(args, folders)
    if args.drift:
        return _drift(args, report, place, stage, folders, prove)
    if args.expand:
        return _expand(report, place, stage, folders)
    # A project's models are made along with the models they inherit from; those of a tree stand on what is there.
    known = [*place.known, *place.along]
    family = gather(place.wanted, known, lambda job: not (args.tree and made_before(job)), stage.stands_on)
    setting = _setting(args, place, stage, folders)
    with Progress(len(family.jobs), not args.quiet) as progress:
        outcomes = [*place.ready, *convert_family(family, setting, progress.advance)]
    if report.mode is Mode.WRITE:
        outcomes = write_all(outcomes, family.edges, args.force)
    if not (args.tree or args.paths or args.stdout):
        live = gather(place.known, known, lambda job: True, stage.stands_on).jobs if args.all else None
        outcomes = Lock(folders.generated, live).update(outcomes, family.deltas, report.mode is Mode.WRITE)
    _report(args, report, place, outcomes)
    return report.status


def _expand(report: Report, place: RunSetup, stage: Stage, folders: Folders) -> int:
    """Print modular files as the converter reads them, short ones written out; the exit status."""
    roots = {**stage.roots, "transformers": place.package, "generated": folders.generated}
    for job in place.wanted:
        delta = read_bytes(job.delta)
        written = stage.expanded(job, delta, roots, read_casing(place.package)) if stage.expanded else None
        text = written if written is not None else decode(delta, job.delta)
        report.models.append({"model": job.name, "text": text, "problems": []})
        report.result(text)
    return report.status


def _drift(
    args: Namespace, report: Report, place: RunSetup, stage: Stage, folders: Folders, prove: Prove | None
) -> int:
    """Compare what the lock knows with another release; the exit status."""
    from building.drift import drift_document, find_drift, render_drift, status_of, unlocked

    recorded = read_lock(folders.generated)
    family = gather(place.wanted, [*place.known, *place.along], lambda job: True, stage.stands_on)
    setting = _setting(args, place, stage, folders)
    with Progress(len(family.jobs), not args.quiet) as progress:
        outcomes = convert_family(family, setting, progress.advance)
    drifts = find_drift(outcomes, family.deltas, recorded, setting.library)
    for outcome in outcomes:
        report.tell(outcome.problems, "")
    report.tell(unlocked(drifts, shown(folders.generated)), "warning: ")
    proven = None
    if args.prove:
        if prove is None:
            fix = f"run it as {typed('convert')}"
            raise ConversionError(Diagnostic("no-proof", "--prove", 1, 1, "nothing here can run models", fix))
        with Progress(len(outcomes), not args.quiet) as progress:
            proven = prove(outcomes, place.ready, place.package, setting, progress.advance)
    status = max(status_of(drifts), proven.status if proven else 0)
    release = read_release(place.package)
    report.document, report.status = drift_document(drifts, release, proven), status
    text = render_drift(drifts, release)
    report.result(f"{text}\n\n{proven.text}" if proven else text)
    return status


def _mode(args: Namespace) -> Mode:
    if args.check:
        return Mode.CHECK
    return Mode.PRINT if args.stdout else Mode.DIFF if args.diff else Mode.WRITE


def _package(args: Namespace, folders: Folders) -> RunSetup:
    """The models of modular/, or files from anywhere."""
    package = _release(args.against) if args.against else find_transformers()
    release = read_release(package)
    config = check_ruff_config(args.ruff_config) if args.ruff_config else SHIPPED_CONFIG
    if args.paths:
        known = path_jobs(args.paths, args.output or Path(), release, args.strict)
        return RunSetup(package, known, known, config)
    known = project_jobs(release, args.strict, folders)
    family = GateNames(args.gate or GATE).family
    wanted = select(known, args.model, folders.modular, family)
    if args.gate:
        wanted = [job for job in wanted if job.name.startswith(family)]
    along = jobs_along(known, release, args.strict, folders)
    return RunSetup(package, wanted, known, config, template_outcomes(folders), along)


def _release(wanted: str) -> Path:
    from building.releases import find_release

    return find_release(wanted)


def _tree(args: Namespace) -> RunSetup:
    """The models of a transformers package."""
    package = _release(str(args.tree)) if is_release(str(args.tree)) else find_tree(args.tree)
    config = check_ruff_config(args.ruff_config) if args.ruff_config else find_ruff_config(package)
    known = tree_jobs(package, read_release(package), args.strict)
    return RunSetup(package, select(known, args.model, package / "models"), known, config)


def _setting(args: Namespace, place: RunSetup, stage: Stage, folders: Folders) -> BuildSetting:
    roots = {**stage.roots, "transformers": place.package, "generated": folders.generated}
    # A tree of a few models may lack the table; the installed one then knows better than no table.
    casing = read_casing(place.package) or read_casing(Path(installed("transformers") or place.package))
    folder = None if args.no_cache else default_folder()
    return BuildSetting(
        library=Library(roots),
        casing=casing,
        ruff_config=place.ruff_config,
        fingerprint=fingerprint(casing, place.ruff_config, stage.code),
        cache=Cache(folder) if folder else None,
        processes=args.jobs,
        keep_texts=args.stdout or args.drift,
        convert=stage.convert,
    )


def _report(args: Namespace, report: Report, place: RunSetup, outcomes: Sequence[Outcome]) -> None:
    """Tell of the models that were asked for, of their parents where they were written, and of all that failed."""
    wanted = {job.name for job in place.wanted} | {outcome.job.name for outcome in place.ready if args.all} | {LOCK}
    asked = [outcome for outcome in outcomes if outcome.job.name in wanted]
    alone = sum(len(outcome.texts) for outcome in asked) == 1
    for outcome in sorted(outcomes, key=lambda one: (one.job.name == LOCK, one.job.name)):
        own = outcome.job.name in wanted
        if own and args.stdout:
            report.result("\n".join(texts(outcome, alone)))
        # Of the lock, what differs is said in a line: its digests tell a reader nothing.
        if own and (args.diff or (args.check and not args.quiet and not args.table and outcome.job.name != LOCK)):
            report.result(unified_diff(outcome))
        if (own and not (args.table and outcome.fresh)) or report.mode is Mode.WRITE or outcome.failed:
            report.add(outcome)
    if args.table:
        report.result(table(asked))
    if args.check:
        report.result("{} of {} files identical".format(*count_identical(asked)))


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the run as Ctrl-C does: through the blocks that remove temporary files and stop workers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _speak_utf8() -> None:
    """Generated files hold what an old terminal cannot show; a diff of them must still be printed."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
