"""The gated models of this project, in the order in which a pull request brings them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from weave.stage import expanded, gates_of

from converter.casing import read_casing
from converter.jobs import Job
from converter.library import decode, read_bytes, shown
from converter.workspace import PROJECT, find_transformers, project_jobs, select
from upstream.values import Model


_PARENT = re.compile(r"^from generated\.(quality_gate_\w+)", re.MULTILINE)


def find_models(names: Iterable[str], project: Path = PROJECT) -> list[Model]:
    """The models named ("llama", "quality_gate_llama") and those they inherit from, parents first.

    Raises ConversionError: `unknown-model`, `bad-model`, or `nothing-to-convert` where modular/ is empty.
    """
    jobs = project_jobs("", strict=True, project=project)
    known = {job.name: job for job in jobs}
    found: dict[str, Model] = {}
    for job in select(jobs, names, project / "modular"):
        _add(job, known, found, project)
    return list(found.values())


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
    """A model's delta from disk; a short one written out."""
    content, package = read_bytes(job.delta), find_transformers()
    roots = {"transformers": package, "generated": project / "generated", "gates": gates_of(project)}
    text = expanded(job, content, roots, read_casing(package)) or decode(content, job.delta)
    parents = sorted(set(_PARENT.findall(text)) - {job.name})
    return Model(job.name, text, shown(job.delta), tuple(parents))
