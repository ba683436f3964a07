"""Import statements as items: read, chosen, renamed, put behind guards."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest
from syntax.scan import mentions
from syntax.source import Source

from converter.imports import (
    Guard,
    ImportItem,
    ImportLine,
    absolute_module,
    choose_imports,
    import_items,
    map_items,
    put_behind_guards,
    read_imports,
)
from converter.index import index_module


def read(text: str) -> list[ImportLine | Guard]:
    return list(read_imports(index_module(Source("toy.py", "transformers.models.toy.modeling_toy", text))))


def chosen(body: str, *sources: str, provided: frozenset[str] = frozenset()) -> str:
    """The imports that a body gets from some modules."""
    plain, guards = choose_imports([read(source) for source in sources], body, mentions(body), provided)
    return "".join(each.render() for each in (*plain, *guards))


@pytest.mark.parametrize(
    ("statement", "items"),
    [
        ("import torch", [ImportItem("torch", "")]),
        ("import torch.nn as nn, os", [ImportItem("torch.nn", "", "nn"), ImportItem("os", "")]),
        ("from ...utils import a as b, c", [ImportItem("utils", "a", "b", 3), ImportItem("utils", "c", None, 3)]),
        ("from ... import init", [ImportItem("", "init", None, 3)]),
        ("x = 1", []),
    ],
)
def test_a_statement_as_items_and_back(statement: str, items: list[ImportItem]) -> None:
    assert list(import_items(ast.parse(statement).body[0])) == items
    if items and statement.startswith("from"):
        assert ImportLine("# why\n", tuple(items)).render() == f"# why\n{statement}\n"


def test_items_of_a_plain_import_are_written_one_by_one() -> None:
    assert (
        "".join(each.render() for each in read("import torch.nn as nn, os\n")) == "import torch.nn as nn\nimport os\n"
    )


@pytest.mark.parametrize(
    ("item", "binds"),
    [
        (ImportItem("torch.nn", ""), "torch"),
        (ImportItem("torch.nn", "", "nn"), "nn"),
        (ImportItem("a", "b"), "b"),
        (ImportItem("a", "b", "c"), "c"),
    ],
)
def test_the_name_that_an_import_makes_available(item: ImportItem, binds: str) -> None:
    assert item.binds == binds


@pytest.mark.parametrize(
    ("item", "module"),
    [
        (ImportItem("torch.nn", "", "nn"), "torch.nn"),
        (ImportItem("configuration_toy", "ToyConfig", None, 1), "transformers.models.toy.configuration_toy"),
        (ImportItem("llama.modeling_llama", "LlamaModel", None, 2), "transformers.models.llama.modeling_llama"),
        (ImportItem("utils", "logging", None, 3), "transformers.utils"),
        (ImportItem("", "initialization", None, 3), "transformers"),
    ],
)
def test_relative_imports_seen_from_a_model(item: ImportItem, module: str) -> None:
    assert absolute_module(item, "transformers.models.toy.modeling_toy") == module


def test_plain_imports_are_read_before_guarded_ones() -> None:
    text = "if is_x_available():\n    import x\nimport a\n\n# why\nfrom b import (\n    c,  # what\n    d,\n)\n"
    plain, other, guard = read(text)
    assert plain.render() + other.render() == "import a\n\n# why\nfrom b import c, d\n"
    assert isinstance(guard, Guard) and guard.tests == {"is_x_available"}


GUARD = """\
if is_x_available() and not OLD:
    import x
    from y import (
        a,  # first
        b,
    )
elif is_z_available():
    z = None
else:
    from w import a
"""


def test_a_guard_keeps_its_branches_and_drops_what_nobody_needs() -> None:
    (guard,) = read(GUARD)
    assert isinstance(guard, Guard)
    assert guard.tests == {"is_x_available", "OLD", "is_z_available", "and", "not"}
    assert [item.binds for item in guard.items] == ["x", "a", "b", "a"]
    needed = [item for item in guard.items if item.binds == "a"]
    assert guard.only(needed).render() == (
        "if is_x_available() and not OLD:\n    from y import a, b\nelif is_z_available():\n    z = None\n"
        "else:\n    from w import a\n"
    )


def test_the_first_source_that_provides_a_name_provides_it() -> None:
    first, second = "from a import x, y\n", "import z\nfrom b import x, w\n"
    assert chosen("x, w, z", first, second) == "from a import x\nimport z\nfrom b import w\n"
    assert chosen("x, w, z", second, first) == "import z\nfrom b import x, w\n"


def test_what_the_body_defines_is_not_imported() -> None:
    assert chosen("x, y", "from a import x, y\n", provided=frozenset("x")) == "from a import y\n"


def test_a_dotted_import_is_kept_only_where_it_is_spelled_out() -> None:
    source = "import torch\nimport torch.distributed\nimport torch.fx\n"
    assert chosen("torch.distributed.f()", source) == "import torch\nimport torch.distributed\n"


def test_conditions_of_all_guards_count_as_used() -> None:
    first = "from utils import is_x_available, is_y_available\n"
    assert chosen("a", first, "if is_x_available():\n    import x\n") == "from utils import is_x_available\n"


def test_items_are_renamed_wherever_they_stand() -> None:
    line, guard = read("from toy import a\nif is_x_available():\n    from toy import (b,)\n    x = 1\n")

    def rename(item: ImportItem) -> ImportItem:
        return replace(item, module=item.module.replace("toy", "case"))

    assert map_items(line, rename).render() == "from case import a\n"
    assert map_items(guard, rename).render() == "if is_x_available():\n    from case import b\n    x = 1\n"


def guarded(text: str) -> str:
    found = read(text)
    plain = [each for each in found if isinstance(each, ImportLine)]
    plain, guards = put_behind_guards(plain, [each for each in found if isinstance(each, Guard)])
    return "".join(each.render() for each in (*plain, *guards))


def test_torch_goes_behind_its_guard() -> None:
    text = "import math, torch\nfrom torchvision.io import read as look\n"
    assert guarded(text) == (
        "import math\nfrom ...utils import is_torch_available\nfrom ...utils import is_torchvision_available\n"
        "if is_torch_available():\n    import torch\n"
        "if is_torchvision_available():\n    from torchvision.io import read as look\n"
    )


def test_guarded_and_bare_torch_become_one_guard() -> None:
    text = "import torch.nn as nn\nif is_torch_available():\n    import torch\n    from a import b\n"
    assert guarded(text) == (
        "from ...utils import is_torch_available\nif is_torch_available():\n    from a import b\n"
        "if is_torch_available():\n    import torch.nn as nn\n    import torch\n"
    )


def test_without_torch_nothing_changes() -> None:
    assert (
        guarded("import math\nif is_x_available():\n    import x\n")
        == "import math\nif is_x_available():\n    import x\n"
    )
