"""The rooms that find places see only the rooms below them."""

from __future__ import annotations

import ast
from itertools import chain
from pathlib import Path


SITES = Path(__file__).resolve().parents[2] / "utils" / "scaffold" / "sites"
LAYERS = (
    ("syntax", "values"),
    ("fit", "flat", "joins"),
    ("residual",),
    ("attention_output", "branch", "chunk", "layer_output", "single"),  # a finder each: none knows another
    ("experts_output",),  # the feed-forward part of layers that have experts
    ("table",),
)


def seen(room: str) -> set[str]:
    """The rooms of this folder that a room imports from."""
    tree = ast.parse((SITES / f"{room}.py").read_text())
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {name.rpartition(".")[2] for name in names if name.startswith("scaffold.sites.")}


def test_every_room_has_one_layer() -> None:
    assert sorted(chain.from_iterable(LAYERS)) == sorted(path.stem for path in SITES.glob("[!_]*.py"))


def test_rooms_import_only_lower_layers() -> None:
    for height, rooms in enumerate(LAYERS):
        below = set(chain.from_iterable(LAYERS[:height]))
        for room in rooms:
            assert seen(room) <= below, f"{room} looks up or sideways at {sorted(seen(room) - below)}"


def test_finding_reads_code_as_a_tree_and_changes_none() -> None:
    for path in SITES.glob("*.py"):
        names = {alias.name for node in ast.walk(ast.parse(path.read_text())) for alias in getattr(node, "names", ())}
        assert not names & {"libcst", "NodeTransformer", "textwrap"}, path
