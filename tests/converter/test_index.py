"""A module's text falls into statements without loss, and they say what they are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from corpus import sample_modules
from diagnostics.errors import ConversionError
from syntax.source import Source

from converter.index import (
    ClassParts,
    ModuleIndex,
    StatementKind,
    first_line_of,
    index_module,
    method_node,
    take_apart,
)


def index(text: str) -> ModuleIndex:
    return index_module(Source("toy.py", "transformers.models.toy.modeling_toy", text))


def rebuilt(parts: ClassParts) -> str:
    """Everything of a class below its header."""
    return "".join(member.whole for member in parts.members) + parts.footer


@pytest.mark.parametrize("path", sample_modules(), ids=lambda path: path.stem)
def test_nothing_of_a_real_module_is_lost(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = index(text)
    whole = found.header + "".join(each.whole for each in found.statements)
    assert text.startswith(whole)
    assert all(line.strip() == "" or line.startswith("#") for line in text[len(whole) :].splitlines())
    for each in found.of_kind(StatementKind.CLASS):
        assert each.text.endswith(rebuilt(take_apart(each)).lstrip())  # a class on one line gets one more


@pytest.mark.parametrize("path", sample_modules(), ids=lambda path: path.stem)
def test_definitions_of_a_real_module_parse_alone(path: Path) -> None:
    found = index(path.read_text(encoding="utf-8"))
    for name, each in found.definitions.items():
        tree = ast.parse(each.text)
        assert isinstance(tree.body[0], type(each.node)), name
        assert found.source.text.split("\n")[each.line - 1] == each.text.split("\n")[0]


def test_kinds_and_names_of_statements() -> None:
    text = '''\
import os, sys as system
from a import b as c
if is_x_available():
    import x
"""Not the first, but a string alone."""
A, (B, C) = 1, (2, 3)
D: int = 4
A["key"] = 5
A.attribute = 6
@decorated
class E: ...
async def f(): ...
print(A)
'''
    assert [(each.kind.value, each.names) for each in index(text).statements] == [
        ("import", ("os", "system")),
        ("import", ("c",)),
        ("guard", ()),
        ("docstring", ()),
        ("assignment", ("A", "B", "C")),
        ("assignment", ("D",)),
        ("update", ("A",)),
        ("update", ("A",)),
        ("class", ("E",)),
        ("function", ("f",)),
        ("other", ()),
    ]


def test_the_header_ends_with_the_first_statement() -> None:
    found = index("# one\n\n# two\nimport a\n# three\nimport b\n")
    assert found.header == "# one\n\n# two\n"
    assert [each.lead for each in found.statements] == ["", "# three\n"]
    assert index("# only\n").header == "# only\n"
    assert index("").statements == ()


def test_comments_belong_below_unless_they_are_deeper() -> None:
    found = index("class A:\n    x = 1\n    # of A\n\n# of B\nclass B:\n    pass\n")
    assert [each.text for each in found.statements] == ["class A:\n    x = 1\n    # of A\n", "class B:\n    pass\n"]
    assert found.definitions["B"].lead == "\n# of B\n"


def test_the_last_definition_of_a_name_wins_and_updates_travel() -> None:
    found = index('A = 1\nA = {}\nA["k"] = 2\nB["k"] = 3\n# why\nA.x = 4\n')
    assert list(found.definitions) == ["A"]
    assert found.definitions["A"].text == 'A = {}\nA["k"] = 2\n# why\nA.x = 4\n'


def test_statements_on_one_line_are_several() -> None:
    statements = index("a = 1; b = 2\nc = 3\n").statements
    assert [each.text for each in statements] == ["a = 1\n", "b = 2\n", "c = 3\n"]


def test_lines_are_those_of_the_file_also_where_statements_shared_one() -> None:
    found = index("a = 1; b = 2\n\nc = 3\n")
    lines = [found.source.problem(each.node.lineno, 1, "", "", "").line for each in found.statements]
    assert lines == [1, 1, 3]


def test_mentions_of_a_definition() -> None:
    assert index("def f(x):\n    return g(x).y\n").mentions["f"] == {"def", "f", "x", "return", "g"}


def test_a_last_line_without_its_end_gets_one() -> None:
    assert index("a = 1").statements[0].text == "a = 1\n"


def test_a_class_taken_apart() -> None:
    text = '''\
# above
@first
@second(
    1
)
class A(
    B,
    C.D, metaclass=E,
):  # behind
    """Doc."""

    # of x
    x = {1: 2}

    @property
    def f(self): return 1
    # below
'''
    parts = take_apart(index("import b\n" + text).definitions["A"])
    assert (parts.lead, parts.decorators) == ("# above\n", "@first\n@second(\n    1\n)\n")
    assert (parts.name, parts.bases) == ("A", ("B", "C.D", "metaclass=E"))
    assert (parts.header_comment, parts.footer) == ("  # behind", "    # below\n")
    assert [(each.kind.value, each.names, each.lead) for each in parts.members] == [
        ("docstring", (), ""),
        ("assignment", ("x",), "\n    # of x\n"),
        ("function", ("f",), "\n"),
    ]
    assert parts.members[-1].text == "    @property\n    def f(self): return 1\n"


def test_a_class_on_one_line() -> None:
    parts = take_apart(index("class A(B): x = 1  # why\n").definitions["A"])
    assert [each.text for each in parts.members] == ["    x = 1  # why\n"]
    assert (parts.header_comment, parts.footer) == ("", "")


def test_a_class_taken_apart_under_another_name() -> None:
    parts = take_apart(
        index("class Toy(ToyBase):\n    toy = 1  # Toy\n").definitions["Toy"],
        lambda text: text.replace("Toy", "Case").replace("toy", "case"),
    )
    assert (parts.name, parts.bases, parts.members[0].names) == ("Case", ("CaseBase",), ("case",))
    assert parts.members[0].text == "    case = 1  # Case\n"


def test_what_is_not_python_is_refused_with_its_place() -> None:
    with pytest.raises(ConversionError) as caught:
        index("a = 1\nb = (\n")
    problem = caught.value.diagnostics[0]
    assert (problem.code, problem.path, problem.line, problem.column) == ("syntax-error", "toy.py", 2, 5)


def test_a_statement_gives_the_node_of_its_kind_alone() -> None:
    text = "import os\nif os.name:\n    import sys\nclass A:\n    def f(self): ...\n"
    imported, guard, owner = index(text).statements
    [method] = take_apart(owner).members
    assert imported.imported.names[0].name == "os" and isinstance(guard.guard.test, ast.Attribute)
    assert (owner.owner.name, method.function.name) == ("A", "f")
    for each, other in ((imported, "guard"), (guard, "owner"), (owner, "function"), (method, "imported")):
        with pytest.raises(AssertionError):
            getattr(each, other)


@pytest.mark.parametrize("decorated", ["", "    @first\n    @second(1)\n", "    @property\n"])
def test_the_node_of_a_method_has_its_decorators_and_lines_from_two(decorated: str) -> None:
    node = method_node(f"{decorated}    def f(self): ...\n")
    assert (node.name, len(node.decorator_list)) == ("f", decorated.count("@"))
    assert first_line_of(node) == 2 and node.lineno == 2 + decorated.count("\n")
