"""Deltas of a few lines: which calls of `super()` reach what they say, what stands in for what, and what is told apart."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from diagnostics.errors import ConversionError
from golden import CASING, expand
from syntax.source import Source

from converter.banner import is_edited, is_sealed, render_banner, seal
from converter.convert import convert
from converter.index import index_module
from converter.merge.supers import call_super, explicit_calls
from converter.provenance import find_definition, short, whole
from converter.values import Conversion, Layout, Target


PARENT = """
class ToyModel:
    def __init__(self, config):
        self.size = config.size

    def forward(self, x, *more, scale=1):
        return self.work(x, *more, scale=scale)

    def other(self, x):
        return x
"""
HEAD = "from transformers.models.toy.modeling_toy import ToyModel\n\n\n"
CLASS = HEAD + "class CaseModel(ToyModel):\n"
FORWARD = CLASS + "    def forward(self, x, *more, scale=1):\n        return super().forward({})\n"

# What is handed to the parent's method -> what of it the parent's own text does not see, "" where that says the same.
HANDED = {
    "x": "",
    "x, *more": "",
    "x, *more, scale=scale": "",
    "x, **{}": "",
    "*more": "",
    "2 * x": "2 * x",
    "more": "more",
    "x, scale=2": "scale=2",
    "x, scale=x": "scale=x",
    "x, *more, 3": "3",
}


def case(folder: Path, delta: str, parent: str = PARENT) -> Path:
    """A folder with a delta and its parent, as golden cases are."""
    folder.mkdir()
    (folder / "modular_case.py").write_text(delta)
    (folder / "modeling_toy.py").write_text(parent)
    return folder


@pytest.fixture(scope="module")
def handed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What comes out of each row of HANDED, converted together."""
    root = tmp_path_factory.mktemp("handed")
    made = expand([case(root / f"case{number}", FORWARD.format(given)) for number, given in enumerate(HANDED)])
    return dict(zip(HANDED, made.values(), strict=True))


@pytest.mark.parametrize("given", HANDED)
def test_arguments_of_super_are_refused_where_the_pasted_body_does_not_see_them(
    given: str, handed: dict[str, dict[str, str]]
) -> None:
    refused = handed[given].get("refused.txt", "")
    assert ("super-arguments" in refused) == bool(HANDED[given])
    if HANDED[given]:
        assert f"so `{HANDED[given]}` does not reach it" in refused and "modular_case.py:6:16" in refused
    assert "return self.work(x, *more, scale=scale)" in handed[given]["modeling_case.py"]


def made(delta: str, parent: str = PARENT, strict: bool = True, layout: Layout = Layout.PACKAGE) -> Conversion:
    """A delta on its own, not yet formatted."""
    target = Target("case", layout, "src/transformers/models/case/modular_case.py", "5.24.0", strict)
    texts = {each: Source("modeling_toy.py", each, parent) for each in ("transformers.models.toy.modeling_toy",)}
    return convert(
        Source("modular_case.py", "transformers.models.case.modular_case", delta), target, texts.get, CASING
    )


OWN = '__all__ = ["CaseModel"]\n'


def test_what_went_in_is_told_by_definition() -> None:
    """The lock is made of it: a release that changes one of these changes the model, or what it says instead."""
    method = "    def other(self, x):\n        return 2 * x\n"
    delta = CLASS + method + OWN
    found = made(delta).made_from
    assert set(found.definitions) == {"models.toy.modeling_toy.ToyModel"}
    assert set(found.restated) == {"models.toy.modeling_toy.ToyModel.other"}
    below = "    def __init__(self, config):\n        super().__init__(config)\n        self.more = 1\n"
    called = made(CLASS + below + OWN)
    assert called.made_from.restated == {}  # it has the parent's text
    assert made(delta, PARENT.replace("return x\n", "return 3 * x\n")).made_from.restated != found.restated
    assert made(delta, PARENT.replace("scale=1", "scale=2")).made_from.restated == found.restated
    assert all(len(digest) == 40 for digest in (*found.definitions.values(), *found.restated.values()))


def test_what_a_parent_says_it_is_copied_from_does_not_count_and_other_comments_do() -> None:
    """`# Copied from` names another model, and renaming changes it with every model that inherits."""
    plain = made(CLASS + "    pass\n" + OWN).made_from.definitions
    copied = "# Copied from transformers.models.low.modeling_low.LowModel\nclass ToyModel:"
    assert made(CLASS + "    pass\n" + OWN, PARENT.replace("class ToyModel:", copied)).made_from.definitions == plain
    other = made(CLASS + "    pass\n" + OWN, PARENT.replace("return x\n", "return x  # why\n")).made_from.definitions
    assert other != plain


def test_imports_that_a_parent_lends_are_told() -> None:
    parent = "import math\nfrom os import path\n" + PARENT.replace("return x\n", "return math.sin(x)\n")
    found = made(CLASS + "    pass\n" + OWN, parent).made_from.imports
    assert set(found) == {"models.toy.modeling_toy"}
    assert made("import math\n" + CLASS + "    pass\n" + OWN, parent).made_from.imports == {}  # the delta has its own
    assert made(CLASS + "    pass\n" + OWN, parent.replace("from os import path\n", "")).made_from.imports == found


def test_modules_are_named_as_the_lock_names_them() -> None:
    assert short("transformers.models.llama.modeling_llama") == "models.llama.modeling_llama"
    assert (
        short("generated.quality_gate_llama")
        == whole("generated.quality_gate_llama")
        == "generated.quality_gate_llama"
    )
    assert whole("models.llama.modeling_llama") == "transformers.models.llama.modeling_llama"


def test_definitions_and_members_are_found_by_their_names() -> None:
    index = index_module(Source("modeling_toy.py", "toy", PARENT + "\n\nSIZE = 3\n"))
    for name in ("ToyModel", "SIZE"):
        assert find_definition(index, name) is index.definitions[name]
    member = find_definition(index, "ToyModel.forward")
    assert member and member.text.strip().startswith("def forward")
    assert [find_definition(index, name) for name in ("Toy", "ToyModel.back", "SIZE.forward")] == [None] * 3


@pytest.mark.parametrize(
    ("bases", "statement", "called"),
    [
        (["GradientCheckpointingLayer"], "nn.Module.__init__(self)", "super().__init__()"),
        (["nn.Module"], "nn.Module.__init__(self)", "super().__init__()"),
        (["CasePreTrainedModel"], "PreTrainedModel._init_weights(self, x)", "super()._init_weights(x)"),
        (["CasePreTrainedModel"], "CasePreTrainedModel.make(cls, x)", "super().make(x)"),
        (["CaseModel"], "PreTrainedModel._init_weights(self, x)", ""),
        (["CaseModel"], "nn.Module.__init__(self)", ""),
        (["CaseModel"], "other.CaseModel.make(self)", ""),
        (["CaseModel"], "MyCaseModel.make(self)", ""),
        (["CaseModel"], "return CaseModel.make(self, key=self, *rest)  # why", "return super().make(*rest)  # why"),
        ([], "nn.Module.__init__(self)", ""),
    ],
)
def test_a_call_of_a_base_that_is_still_there_is_one_of_super(bases: list[str], statement: str, called: str) -> None:
    line = f"        {statement}\n"
    assert call_super(line, explicit_calls(bases)) == (f"        {called}\n" if called else line)


ALIASED = OWN + '__aliases__ = {{"OtherModel": "{}"}}\n'


@pytest.mark.parametrize(
    ("name", "wrong"), [("CaseModel", ""), ("CaseModle", "did you mean `CaseModel`?"), ("X", "name what")]
)
def test_another_name_is_of_something_that_is_there(name: str, wrong: str) -> None:
    delta = CLASS + "    pass\n" + ALIASED.format(name)
    if not wrong:
        assert "import CaseModel as OtherModel" in made(delta).files["__init__.py"]
        return
    with pytest.raises(ConversionError, match=re.escape(wrong)) as told:
        made(delta)
    assert {each.code for each in told.value.diagnostics} == {"bad-alias"}


@pytest.mark.parametrize("table", ['["CaseModel"]', "{**other}", '{"a b": "CaseModel"}', '{"OtherModel": CaseModel}'])
def test_aliases_are_a_table_of_names(table: str) -> None:
    with pytest.raises(ConversionError, match="`__aliases__` is not a table of names"):
        made(f"{CLASS}    pass\n{OWN}__aliases__ = {table}\n")


def test_a_seal_tells_an_edit_from_what_was_written() -> None:
    target = Target("case", Layout.PACKAGE, "modular/modular_case.py", "5.24.0", strict=True)
    text = seal(render_banner(target) + "SIZE = 3\n")
    assert is_sealed(text) and not is_edited(text) and seal(text) == text
    assert is_edited(text.replace("3", "4")) and is_edited(text + "\n")
    assert "run `python utils/modular_converter.py --model case`" in text and "transformers 5.24.0" in text
    assert "convert it again" in render_banner(replace(target, origin="elsewhere/modular_case.py"))
    tree = render_banner(replace(target, layout=Layout.TREE)) + "SIZE = 3\n"
    assert not is_sealed(tree) and not is_edited(tree) and seal(tree) == tree
    assert "modular_case.py file directly" in tree
