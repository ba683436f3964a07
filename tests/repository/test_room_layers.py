"""Rooms see only the rooms below them, in every package of utils/ that has more than three (docs/architecture.md)."""

from __future__ import annotations

from pathlib import Path

import pytest
from layers import UTILS, circle, climbs, imports_of, layers_of, modules_of, rooms_of


MORE_THAN = 3
PACKAGES = sorted(path.parent.name for path in UTILS.glob("*/__init__.py"))
LAYERED = [package for package in PACKAGES if len(modules_of(UTILS / package)) > MORE_THAN]
INNER = ["scaffold/sites"]  # folders of a package that have layers of their own


@pytest.mark.parametrize("package", [*LAYERED, *INNER])
def test_rooms_import_only_lower_layers(package: str) -> None:
    layers = layers_of(package)
    assert layers, (
        f"no page of docs/ has the layers of {package}: a heading with `utils/{package}/`, and a block ```rooms"
    )
    assert climbs(package, layers) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    assert circle(package) == []


PAGE = """
### `utils/toy/`: what it is

```rooms
low   also_low
high
```

## Rooms of `utils/other/`

| layer | room | job |
|---|---|---|
| 0 | `one`, `two/` | `three` |
| 1 | `four` | |

## Of something else

| 0 | `five` | |
"""


def test_layers_are_read_from_blocks_and_tables() -> None:
    pages = {"page.md": PAGE}
    assert layers_of("toy", pages) == [{"low", "also_low"}, {"high"}]
    assert layers_of("other", pages) == [{"one", "two"}, {"four"}]
    assert layers_of("five", pages) == []


@pytest.fixture
def utils(tmp_path: Path) -> Path:
    (tmp_path / "toy").mkdir()
    for room in ("__init__", "low", "also_low", "high"):
        (tmp_path / "toy" / f"{room}.py").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    "statement",
    [
        "import toy.high",
        "from toy.high import thing",
        "from toy import high",
        "from . import high",
        "from .high import thing",
        "def f():\n    from toy.high import thing",
        "if TYPE_CHECKING:\n    import toy.high",
        "def f():\n    return import_module('toy.high').thing",
        "READERS = {1: lambda: importlib.import_module('toy.high')}",
        "__import__('toy.high')",
    ],
)
def test_a_look_up_is_found_however_it_is_written(statement: str, utils: Path) -> None:
    (utils / "toy" / "low.py").write_text(statement)
    assert climbs("toy", [{"low", "also_low"}, {"high"}], utils) == ["`low` looks up or sideways at `high`"]
    assert climbs("toy", [{"high", "also_low"}, {"low"}], utils) == []
    (utils / "toy" / "high.py").write_text("from toy.low import thing")
    assert set(circle("toy", utils)) == {"toy.low", "toy.high"}


def test_rooms_of_one_layer_do_not_see_each_other(utils: Path) -> None:
    (utils / "toy" / "low.py").write_text("from toy import also_low")
    assert climbs("toy", [{"low", "also_low"}, {"high"}], utils) == ["`low` looks up or sideways at `also_low`"]
    assert circle("toy", utils) == []


def test_rooms_without_a_layer_and_layers_without_a_room_are_told(utils: Path) -> None:
    (utils / "toy" / "folder").mkdir()
    (utils / "toy" / "folder" / "inner.py").write_text("from toy.high import thing")
    assert rooms_of(utils / "toy").keys() == {"low", "also_low", "high", "folder"}
    found = climbs("toy", [{"low", "lost"}, {"also_low", "low"}, {"high"}], utils)
    assert found[:3] == ["`folder` is in no layer", "there is no `lost`", "`low` is in two layers"]
    layers = [{"low", "also_low"}, {"folder"}, {"high"}]
    assert climbs("toy", layers, utils) == ["`folder` looks up or sideways at `high`"]


def test_a_package_may_import_its_own_rooms_and_they_it(utils: Path) -> None:
    (utils / "toy" / "__init__.py").write_text("from toy.high import thing")
    (utils / "toy" / "high.py").write_text("import toy.low")
    assert circle("toy", utils) == [] and climbs("toy", [{"low", "also_low"}, {"high"}], utils) == []


def test_what_is_imported_at_the_top_is_told_from_what_comes_later() -> None:
    """By a room that imports torch when a model is read."""
    assert "torch" not in imports_of(UTILS / "checkpoints" / "cli.py", everywhere=False)
    assert "argparse" in imports_of(UTILS / "checkpoints" / "cli.py", everywhere=False)
