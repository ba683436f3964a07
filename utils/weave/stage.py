"""Weaving as a stage of conversion: short deltas are written out, and everything else is left to the converter."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from building.jobs import Job
from building.library import Library, decode, shown
from building.stage import Stage
from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from places import GATES, PROJECT, STYLE, TEMPLATES
from syntax.source import Source

from converter.values import Conversion, Loader, Provenance, Target


if TYPE_CHECKING:
    from weave.woven import Woven

_HERE = Path(__file__).parent
_TEMPLATE = TEMPLATES / "woven_delta.py.j2"
_KIND = re.compile(rb"^[ \t]*from[ \t]+gates\.(\w+)(?:\.\w+)?[ \t]+import\b", re.MULTILINE)
_TOP = re.compile(r"(?:async )?(?:class|def) (?P<defined>\w+)|(?P<assigned>\w+)(?:: [^=]+)? = ")
_BASE = re.compile(r"^(?:from|import)\b.*\bmodeling_\w+ as \w+$")
_OF_KINDS = ("bad-gate", "no-splice", "conflicting-definition")  # codes of what is wrong in `gates/<kind>/`
_HOME = re.compile(r"""^    home=["'](\w+)["']""", re.MULTILINE)


def gates_of(project: Path) -> Path:
    """The folder of the kinds of gate: a project's own, or else those that come with the tools."""
    own = project / "modular" / "gates"
    return own if own.is_dir() else GATES


def roots_of(project: Path) -> dict[str, Path]:
    """Where the kinds of gate are read from: a project's own folder, and beside them those that come with the tools."""
    own = gates_of(project)
    others = {f"gates.{kind}": GATES / kind for kind in kinds_in(GATES) if kind not in kinds_in(own)}
    return {"gates": own, **others}


def kinds_of(roots: Mapping[str, Path]) -> tuple[str, ...]:
    """The kinds of gate that are read from there, sorted."""
    others = (name.removeprefix("gates.") for name in roots if name.startswith("gates."))
    return tuple(sorted({*kinds_in(roots["gates"]), *others}))


def weaving(project: Path = PROJECT) -> Stage:
    """The stage for a project."""
    roots = roots_of(project)
    library = Library(roots)

    def stands_on(delta: bytes) -> Iterable[str]:
        for name in {found.decode() for found in _KIND.findall(delta)}:
            declaration = library.path(f"gates.{name}")
            home = _home(declaration) if declaration else None
            if home:
                yield f"generated.{name}_gate_{home}"

    return Stage(
        convert=partial(convert, kinds=kinds_of(roots)),
        stands_on=stands_on,
        roots=roots,
        kinds=kinds_of(roots),
        code=(_HERE, _TEMPLATE),
        expanded=expanded,
    )


def _home(declaration: Path) -> str | None:
    try:
        found = _HOME.search(declaration.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    return found[1] if found else None


def convert(
    delta: Source, target: Target, load: Loader, casing: Mapping[str, str], kinds: Sequence[str] | None = None
) -> Conversion:
    """The converter's pipeline with the weave before it. Imported late: where nothing is converted, nobody needs it.

    Args:
        delta: the modular file, short or not.
        target: what it becomes.
        load: reads a module by its dotted name; None where there is none.
        casing: the release's own table of model names, snake_case -> CamelCase.
        kinds: the kinds of gate that somebody may have meant; those that come with the tools where none are given.

    Raises:
        ConversionError: everything that is wrong with the delta, with lines of it, short or not.
    """
    from converter.convert import convert as expand
    from weave.declaration import is_short

    if not is_short(delta):
        return expand(delta, target, load, casing)
    woven = _woven(delta, target.model, load, casing, kinds_in(GATES) if kinds is None else kinds)
    try:
        found = expand(woven.source, target, load, casing)
        found = replace(found, made_from=_followed(found.made_from, woven.restated))
        if not found.warnings:
            return found
    except ConversionError:
        found = None
    whole = replace(delta, text=styled(woven.source.text))
    try:  # once more, for the lines that `--expand` prints
        again = expand(whole, target, load, casing)
    except ConversionError as error:
        raise ConversionError(*(located(each, delta, whole) for each in error.diagnostics)) from None
    again = replace(again, made_from=_followed(again.made_from, woven.restated))
    return replace(found or again, warnings=tuple(located(each, delta, whole) for each in again.warnings))


def _woven(delta: Source, model: str, load: Loader, casing: Mapping[str, str], kinds: Sequence[str]) -> Woven:
    """The weave; what its base does not say is a problem of the delta, at the import that names the base.

    What its kind of gate cannot mean is told where that is declared.
    """
    from weave.woven import weave

    try:
        return weave(delta, model, load, casing, kinds=kinds)
    except ConversionError as error:
        raise ConversionError(*(_of_delta(each, delta) for each in error.diagnostics)) from None


def _of_delta(problem: Diagnostic, delta: Source) -> Diagnostic:
    if problem.path == delta.path or problem.code in _OF_KINDS:
        return problem
    line, _ = _extent(delta.text.split("\n"), None)
    message = f"{problem.message} ({problem.path}:{problem.line})"
    return replace(problem, path=delta.path, line=line, column=1, message=message)


def kinds_in(gates: Path) -> tuple[str, ...]:
    """The kinds of gate in a folder, sorted."""
    return tuple(sorted(path.parent.name for path in gates.glob("*/__init__.py")))


def _followed(made_from: Provenance, restated: Collection[str]) -> Provenance:
    """What a model was made from, as far as it follows its base: all but the methods that the short delta writes anew."""
    own = {key: found for key, found in made_from.restated.items() if ".".join(key.split(".")[3:]) in restated}
    others = {key: found for key, found in made_from.restated.items() if key not in own}
    return replace(made_from, definitions=dict(sorted(({**made_from.definitions, **others}).items())), restated=own)


def expanded(job: Job, delta: bytes, roots: Mapping[str, Path], casing: Mapping[str, str]) -> str | None:
    """A short delta written out, formatted; None for any other modular file.

    Args:
        job: the job of the modular file.
        delta: the bytes of the file.
        roots: top-level package -> folder that its modules are read from.
        casing: the release's own table of model names, snake_case -> CamelCase.

    Raises:
        ConversionError: the file is not UTF-8, or cannot be woven.
    """
    from weave.declaration import is_short

    source = Source(shown(job.delta), job.module, decode(delta, job.delta))
    if not is_short(source):
        return None
    return styled(_woven(source, job.target.model, Library(roots).load, casing, kinds_of(roots)).source.text)


def styled(text: str) -> str:
    """A text as ruff formats it; as it is, where it is no Python."""
    from building.style import style

    path = "modular/modular_woven.py"
    return style({path: text}, STYLE).texts.get(path, text)


def located(problem: Diagnostic, delta: Source, woven: Source) -> Diagnostic:
    """A problem of the written-out delta at the line of the short one that it comes from.

    That is the same line of the same definition, else the definition's first, else the import of the base, which all that
    the weave writes follows from.
    """
    if problem.path != delta.path:
        return problem
    whole, lines = woven.text.split("\n"), delta.text.split("\n")
    message = f"{problem.message} (line {problem.line} of what `--expand` prints)"
    told = whole[problem.line - 1].strip() if problem.line <= len(whole) else ""
    first, last = _extent(lines, _owner(whole[: problem.line]))
    same = [number for number in range(first, last) if told and lines[number - 1].strip() == told]
    line = same[0] if len(same) == 1 else first
    return replace(problem, line=line, column=1, message=message)


def _owner(above: list[str]) -> str | None:
    """The definition at the margin that the last of some lines belongs to."""
    found = (match for line in reversed(above) if (match := _TOP.match(line)))
    return next((match["defined"] or match["assigned"] for match in found), None)


def _extent(lines: list[str], owner: str | None) -> tuple[int, int]:
    """The lines of a definition of the delta, from 1, the last not included."""
    starts = [(number, _owner([line])) for number, line in enumerate(lines, 1) if _TOP.match(line)]
    for place, (number, name) in enumerate(starts):
        if owner and name == owner:
            return number, starts[place + 1][0] if place + 1 < len(starts) else len(lines) + 1
    base = next((number for number, line in enumerate(lines, 1) if _BASE.search(line)), 1)
    return base, base
