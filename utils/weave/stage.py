"""Weaving as a stage of conversion: short deltas are written out, and everything else is left to the converter."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from converter.diagnostics import ConversionError, Diagnostic
from converter.jobs import Job
from converter.library import Library, decode, shown
from converter.source import Source
from converter.stage import Stage
from converter.values import Conversion, Loader, Provenance, Target
from converter.workspace import PROJECT


_HERE = Path(__file__).parent
_TEMPLATE = PROJECT / "templates" / "woven_delta.py.j2"
_STYLE = PROJECT / "pyproject.toml"
_KIND = re.compile(rb"^[ \t]*from[ \t]+gates\.(\w+)(?:\.\w+)?[ \t]+import\b", re.MULTILINE)
_HOME = re.compile(r"""^    home=["'](\w+)["']""", re.MULTILINE)


def gates_of(project: Path) -> Path:
    """The folder of the kinds of gate: a project's own, or else those that come with the tools."""
    own = project / "modular" / "gates"
    return own if own.is_dir() else PROJECT / "modular" / "gates"


def weaving(project: Path = PROJECT) -> Stage:
    """The stage for a project."""
    gates = gates_of(project)

    def stands_on(delta: bytes) -> Iterable[str]:
        for name in {found.decode() for found in _KIND.findall(delta)}:
            home = _home(gates / name / "__init__.py")
            if home:
                yield f"generated.{name}_gate_{home}"

    return Stage(
        convert=convert,
        stands_on=stands_on,
        roots={"gates": gates},
        code=(_HERE, _TEMPLATE),
        expanded=expanded,
    )


def _home(declaration: Path) -> str | None:
    try:
        found = _HOME.search(declaration.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    return found[1] if found else None


def convert(delta: Source, target: Target, load: Loader, casing: Mapping[str, str]) -> Conversion:
    """The converter's pipeline with the weave before it. Imported late: where nothing is converted, nobody needs it."""
    from converter.convert import convert as expand
    from weave.declaration import is_short

    if not is_short(delta.text.encode()):
        return expand(delta, target, load, casing)
    from weave.woven import weave

    woven = weave(delta, target.model, load, casing)
    try:
        conversion = expand(woven.source, target, load, casing)
        return replace(conversion, made_from=_followed(conversion.made_from, woven.restated))
    except ConversionError:
        whole = replace(delta, text=styled(woven.source.text))
    try:  # once more, for the lines that `--expand` prints
        return expand(whole, target, load, casing)
    except ConversionError as error:
        raise ConversionError(*(_located(each, delta, whole) for each in error.diagnostics)) from None


def _followed(made_from: Provenance, restated: Collection[str]) -> Provenance:
    """What a model was made from, as far as it follows its base: all but the methods that the short delta writes anew."""
    own = {key: found for key, found in made_from.restated.items() if ".".join(key.split(".")[3:]) in restated}
    others = {key: found for key, found in made_from.restated.items() if key not in own}
    return replace(made_from, definitions=dict(sorted((made_from.definitions | others).items())), restated=own)


def expanded(job: Job, delta: bytes, roots: Mapping[str, Path], casing: Mapping[str, str]) -> str | None:
    """A short delta written out, formatted; None for any other modular file. Raises ConversionError."""
    from weave.declaration import is_short
    from weave.woven import weave

    if not is_short(delta):
        return None
    source = Source(shown(job.delta), job.module, decode(delta, job.delta))
    return styled(weave(source, job.target.model, Library(roots).load, casing).source.text)


def styled(text: str) -> str:
    """A text as ruff formats it; as it is, where it is no Python."""
    from converter.style import style

    path = "modular/modular_woven.py"
    return style({path: text}, _STYLE).texts.get(path, text)


def _located(problem: Diagnostic, delta: Source, woven: Source) -> Diagnostic:
    """A problem of the written-out delta at the line of the short one that it comes from."""
    if problem.path != delta.path:
        return problem
    above = woven.text.split("\n")[: problem.line]
    owner = next((found[1] for line in reversed(above) if (found := re.match(r"(?:class|def) (\w+)", line))), None)
    lines = delta.text.split("\n")
    line = next(
        (number for number, each in enumerate(lines, 1) if owner and re.match(rf"(?:class|def) {owner}\b", each)), 1
    )
    message = f"{problem.message} (line {problem.line} of what `--expand` prints)"
    return replace(problem, line=line, column=1, message=message)
