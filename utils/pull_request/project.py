"""The gated models of this project, in the order in which a pull request brings them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from building.jobs import Job
from building.library import decode, read_bytes, shown
from building.workspace import jobs_along, project_jobs, select
from naming.kinds import MEANT
from places import PROJECT, TEMPLATES
from weave.stage import weaving

from pull_request.values import Model, kind_in, refuse


_PARENT = re.compile(r"^from generated\.(\w+)", re.MULTILINE)


def find_models(names: Iterable[str], project: Path = PROJECT) -> list[Model]:
    """The models named ("llama", "quality_gate_llama") and those they inherit from, parents first.

    A parent that a user's project lacks is the one that comes with the tools.

    Raises ConversionError: `unknown-model`, `bad-model`, `nothing-to-convert` where modular/ is empty, or `no-templates`
    where nothing is written for transformers about its kind of gate.
    """
    jobs = project_jobs("", strict=True, project=project)
    known = {job.name: job for job in (*jobs, *jobs_along(jobs, "", strict=True, project=project))}
    found: dict[str, Model] = {}
    for job in select(jobs, names, project / "modular"):
        _check_kind(job)
        _add(job, known, found, project)
    return list(found.values())


def _check_kind(job: Job) -> None:
    """Refuse a model whose kind of gate has no page and no tests for transformers: those of another kind would be wrong."""
    kind = kind_in(job.name) or MEANT.kind
    if kind == MEANT.kind or (TEMPLATES / "pull_request" / kind).is_dir():
        return
    message = (
        f"a pull request with {kind} gates has no page and no tests yet: those there are describe {MEANT.kind} gates"
    )
    raise refuse("no-templates", shown(job.delta), message, f"write them in templates/pull_request/{kind}/")


def wanted_names(names: Iterable[str], project: Path = PROJECT) -> list[str]:
    """The full names of the models named, sorted."""
    return [job.name for job in select(project_jobs("", strict=True, project=project), names, project / "modular")]


def _add(job: Job, known: dict[str, Job], found: dict[str, Model], project: Path) -> None:
    model = read_model(job, project)
    for parent in model.parents:
        if parent not in found and parent in known:
            _add(known[parent], known, found, project)
    found.setdefault(model.name, model)


def read_model(job: Job, project: Path = PROJECT) -> Model:
    """A model's delta from disk, and the gated models that it needs: the home of its gate, and those that it names."""
    content = read_bytes(job.delta)
    text = decode(content, job.delta)
    stands_on = (module.rpartition(".")[2] for module in weaving(project).stands_on(content))
    parents = {*stands_on, *_PARENT.findall(text)} - {job.name}
    return Model(job.name, text, shown(job.delta), tuple(sorted(parents)), project)
