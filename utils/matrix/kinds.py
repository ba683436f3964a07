"""The matrix of another kind of gate: every base scaffolded, converted and proven against itself; no suite is rendered for each."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from building.library import shown
from building.tools import version
from diagnostics.errors import ConversionError
from naming.kinds import GateNames
from proof.command import prove_models
from proof.values import Proof, Verdict
from rendering.render import render
from scaffold.short import short_delta


TEMPLATE = "kind_matrix.md.j2"


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one base."""

    name: str
    verdict: str  # "right", "warns", "differs", "refused"; of what has no delta "no place"
    where: str = ""  # "modeling_bert.py:230"
    why: str = ""


def page_of(names: GateNames) -> str:
    """Where the table of a kind goes."""
    return f"docs/{names.attribute}_bases.md"


def survey(names: GateNames, bases: Iterable[str], project: Path, folder: Path, processes: int) -> list[Row]:
    """Gate each base with this kind, in a project of its own, and prove what comes out: rows by name.

    Args:
        names: the kind of gate.
        bases: models of the installed transformers.
        project: whose kinds of gate are meant, and whose own deltas are taken.
        folder: the project that is made; what is there of an earlier one goes.
        processes: at most so many at a time.
    """
    shutil.rmtree(folder, ignore_errors=True)
    modular = folder / "modular"
    shutil.copytree(project / "modular" / "gates", modular / "gates")
    shutil.copytree(project / "templates", folder / "templates")
    rows = [row for name in bases if (row := _scaffolded(name, names, project, modular))]
    made = [path.stem.removeprefix("modular_") for path in sorted(modular.glob("modular_*.py"))]
    # the home of the gate, that others refer to
    for delta in (project / "modular").glob(f"modular_{names.family}*.py"):
        if not (modular / delta.name).exists():
            shutil.copy(delta, modular)
    proofs = prove_models(made, processes=processes, project=folder).proofs if made else ()
    rows += [_proven(one, names) for one in proofs if one.model in made]
    return sorted(rows, key=lambda row: row.name)


def _scaffolded(name: str, names: GateNames, project: Path, modular: Path) -> Row | None:
    """Write the delta of a base; the row of one that has no place for such a gate."""
    file = f"modular_{names.family}{name}.py"
    if (project / "modular" / file).is_file():
        shutil.copy(project / "modular" / file, modular)
        return None
    try:
        (modular / file).write_text(short_delta(name, gate=names.kind, project=project).text, encoding="utf-8")
    except ConversionError as error:
        problem = error.diagnostics[0]
        return Row(name, "no place", f"{Path(problem.path).name}:{problem.line}", problem.message)
    return None


def _proven(proof: Proof, names: GateNames) -> Row:
    first = proof.findings[0] if proof.findings else None
    where = re.sub(r"^\S*/", "", first.where) if first else ""
    name = proof.model.removeprefix(names.family)
    return Row(name, proof.verdict.value, where, f"{first.check}: {first.what}"[:200] if first else "")


def count(rows: Sequence[Row]) -> dict[str, int]:
    """How many bases came how far, what is best first."""
    found = Counter(row.verdict for row in rows)
    order = [*(verdict.value for verdict in Verdict), "no place"]
    return {verdict: found[verdict] for verdict in order}


def render_kind(rows: Sequence[Row], names: GateNames) -> str:
    """The page: the same text for the same rows."""
    return render(
        TEMPLATE,
        names=names,
        counts=count(rows),
        right=[row.name for row in rows if row.verdict == Verdict.RIGHT.value],
        others=[row for row in rows if row.verdict != Verdict.RIGHT.value],
        transformers=version("transformers"),
        torch=version("torch"),
    )


def write_page(rows: Sequence[Row], names: GateNames, project: Path) -> str:
    """Write the page; where it went."""
    path = project / page_of(names)
    path.write_text(render_kind(rows, names), encoding="utf-8")
    return shown(path)
