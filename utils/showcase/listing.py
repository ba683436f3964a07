"""Every gated architecture, as a table or as JSON: what is gated, by which kind of gate, and where."""

from __future__ import annotations

import argparse
import ast
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from diagnostics.errors import UnknownName
from diagnostics.names import nearest
from facts.project import generated_models, package_of, packages_of_others
from naming.kinds import kind_of
from places import GENERATED, HOME
from rich.console import Console
from rich.table import Table
from syntax.edits import source_of
from syntax.queries import assignments, classes, last_name
from syntax.trees import tree_of
from telling.answers import Answer, answer
from telling.grammar import Parser
from telling.refusals import refused
from telling.tools import PROGRAM


@dataclass(frozen=True, slots=True)
class Listed:
    """One gated architecture."""

    model: str  # "quality_gate_llama", as `model_type` and as a package of generated/
    kind: str  # "quality"
    base: str  # "llama"
    gates: tuple[str, ...]  # 'LlamaDecoderLayer: QualityGate(reads="self.mlp", scales="self.mlp")'
    release: str  # of the transformers that it was made from; "" where nobody has written it down
    suite: str  # the test suite that proves it, from the folder of the project; "" where none is there


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 listed, 2 there is no such kind of gate."""
    parser = Parser(
        prog=f"{PROGRAM} list", description="List every gated architecture: its kind of gate, its base, where."
    )
    parser.add_argument("--gate", metavar="KIND", help="list models with this kind of gate alone")
    return answer(parser.parse_args(argv), _answered)


def _answered(args: argparse.Namespace) -> Answer:
    every = listed()
    kinds = sorted({each.kind for each in every})
    if args.gate not in (None, *kinds):
        close = nearest(args.gate, kinds)
        fix = f"did you mean `{close}`?" if close else f"the kinds are {', '.join(kinds)}"
        message = f"there is no kind of gate called {args.gate!r}"
        return refused(UnknownName("unknown-gate", message, fix))
    found = [each for each in every if args.gate in (None, each.kind)]
    return Answer(result="" if args.json else _table(found), document=found)


def _table(found: Sequence[Listed]) -> str:
    table = Table("model", "kind", "base", "gates")
    for each in found:
        table.add_row(each.model, each.kind, each.base, "\n".join(each.gates))
    there = Console()
    console = Console(width=there.width if there.is_terminal else 160, highlight=False, markup=False)
    with console.capture() as printed:
        console.print(table)
    return printed.get().rstrip("\n")


def listed(home: Path = HOME, generated: Path = GENERATED) -> list[Listed]:
    """All of them, sorted by name."""
    names = [*map(package_of, generated_models(generated)), *packages_of_others(generated)]
    releases = _releases(generated / "lock.json")
    found = []
    for name in sorted(names):
        names_ = kind_of(name)
        delta = home / "modular" / f"modular_{name}.py"
        gates = tuple(anchors(delta.read_text(encoding="utf-8"))) if delta.is_file() else ()
        suite = f"tests/models/{name}" if (home / "tests" / "models" / name).is_dir() else ""
        base = name.removeprefix(names_.family)
        found.append(Listed(name, names_.kind, base, gates, releases.get(name, ""), suite))
    return found


def anchors(delta: str) -> Iterator[str]:
    """The gates that a delta declares: the class of the base, and the declaration."""
    for owner in classes(tree_of(delta)):
        calls = [value for _, value in assignments(owner.body) if isinstance(value, ast.Call)]
        yield from (f"{last_name(owner.bases[0])}: {source_of(delta, call)}" for call in calls if owner.bases)


def _releases(lock: Path) -> dict[str, str]:
    """The release that each model was made from, as far as a lock file tells: it may be torn."""
    try:
        found = json.loads(lock.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    models = found.get("models") if isinstance(found, dict) else None
    if not isinstance(models, dict):
        return {}
    return {name: str(entry.get("transformers", "")) for name, entry in models.items() if isinstance(entry, dict)}
