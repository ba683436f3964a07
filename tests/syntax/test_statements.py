"""Statements as lines: left out, replaced and put above each other, all in one pass."""

from __future__ import annotations

import pytest
from syntax.modules import module_of
from syntax.queries import calls
from syntax.statements import (
    above,
    class_of,
    edited,
    first_line,
    imported,
    instead,
    members_past_super,
    replaced,
    text_of,
    with_changes,
    without,
)


TEXT = """\
import os
from . import a

# of the first
@once
class First:
    pass


# of the second

# directly above it
class Second:
    def method(self):
        return super().method(self, "ü", one)
"""


def test_a_definition_goes_with_its_decorators_its_comment_and_the_blank_line_above() -> None:
    module = module_of(TEXT)
    first, second = module.classes.values()
    assert first_line(first) == 4 and text_of(module, first) == "@once\nclass First:\n    pass"
    assert edited(module, [without(module, first)]).source.text == TEXT.replace(
        "\n# of the first\n@once\nclass First:\n    pass\n", ""
    )
    assert edited(module, [without(module, second)]).source.text.endswith("# of the second\n")


def test_edits_of_one_tree_are_made_at_once() -> None:
    module = module_of(TEXT)
    first, second = module.classes.values()
    edits = [replaced(second, "second = 2"), above(second, "above = 1"), instead(module, first, "first = 1")]
    assert edited(
        module, [*edits, *imported(module, ["from .c import c", "from .b import b", "from .b import b"])]
    ) == (
        module_of(
            "import os\nfrom .b import b\nfrom .c import c\nfrom . import a\nfirst = 1\n\n\n"
            "# of the second\n\n# directly above it\nabove = 1\nsecond = 2\n"
        )
    )


def test_nothing_to_edit_leaves_the_module_itself() -> None:
    module = module_of(TEXT)
    assert edited(module, imported(module, [])) is module and class_of(module, "Third") is None


def test_imports_stand_above_the_first_where_none_is_relative() -> None:
    module = module_of("'''docs'''\nimport os\nimport sys\n")
    assert edited(module, imported(module, ["from .a import b"])).lines[:2] == ["'''docs'''", "from .a import b"]


@pytest.mark.parametrize("text", [TEXT, TEXT.replace("super().method(self, ", "super().method(\n            self,\n")])
def test_expressions_are_changed_where_they_stand(text: str) -> None:
    module = module_of(text)
    (call, *_) = [each for each in calls(module.tree) if each.args]
    edit = with_changes(module, call.lineno - 1, call.end_lineno or 0, {call.func: "past", call.args[1]: "'ä'"})
    assert edited(module, [edit]).source.text == text.replace("super().method", "past").replace('"ü"', "'ä'")


@pytest.mark.parametrize(
    ("call", "new"),
    [
        ("super().go(x, y=1)", "Owner.go(self, x, y=1)"),
        ("super().go()", "Owner.go(self)"),
        ("super().go(y = 1, **z)", "Owner.go(self, y=1, **z)"),
        ("super().go(\n            *x,\n        )", "Owner.go(\n            self, *x,\n        )"),
        ("super().other(x)", "super().other(x)"),
        ("self.go(x)", "self.go(x)"),
    ],
)
def test_an_inherited_method_is_called_by_the_class_that_has_it(call: str, new: str) -> None:
    member = "    @once\n    def go(self, x):\n        return {}  # as above\n"
    assert members_past_super(member.format(call), "go", "Owner") == member.format(new)
