"""Deltas of a few lines and what is said of each, at which line: refused when strict, else a warning; and its neighbours that are fine."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from diagnostics.errors import ConversionError
from golden import CASING
from syntax.source import Source

from converter.convert import convert
from converter.plan import Draft, copy_definitions
from converter.values import Conversion, Layout, Target


PARENT = '''
import math

SCALE = 2


def helper(x):
    return math.sin(x) * SCALE


class ToyPreTrainedModel(Base):
    """Of all."""

    names = ["a"]

    def _init_weights(self, module):
        module.weight = 0


class ToyModel(ToyPreTrainedModel):
    size = 1

    def __init__(self, config):
        self.width = config.width
        self.deep = 1
        self.norm = helper(config)
        self.post_init()

    def forward(self, x, *more, scale=1):
        y = self.norm(x) + self.deep
        return y

    def prepare(self, x):
        self.norm = x
        self.kept = self.norm

    def split(self, x):
        y = x
        if y:
            x, y = y

    @property
    def wide(self):
        return self.width

    @wide.setter
    def wide(self, value):
        self.width = value


def deep(x):
    return x


class ToyPart(nn.Module):
    def forward(self, x):
        return deep(x)


class ToyBlock(nn.Module):
    if True:
        flag = 1

    def forward(self, x):
        return x
'''
CONFIG = "class ToyConfig(PreTrainedConfig):\n    size: int = 1\n"
HEAD = "from transformers.models.toy.modeling_toy import ToyModel\n"
MODULES = {
    "transformers.models.toy.modeling_toy": "from ...utils import nn, Base\n" + PARENT,
    "transformers.models.toy.configuration_toy": "from ...utils import PreTrainedConfig\n" + CONFIG,
    "transformers.models.low.modeling_low": "from ...utils import nn\nclass LowMLP(nn.Module):\n    pass\nSCALE = 3\n",
    "transformers.utils": "nn = Base = PreTrainedConfig = is_x_available = 1\n",
    "transformers.initialization": "",
}


def convert_text(text: str, layout: Layout = Layout.PACKAGE, strict: bool = True, **modules: str) -> Conversion:
    target = Target("case", layout, "src/transformers/models/case/modular_case.py", "5.24.0", strict)
    every: Mapping[str, str] = {**MODULES, **modules}
    texts = {name: Source(name.rpartition(".")[2] + ".py", name, text) for name, text in every.items()}
    return convert(Source("modular_case.py", "transformers.models.case.modular_case", text), target, texts.get, CASING)


def findings(text: str, **options: object) -> list[str]:
    """The refusals of a text when strict, as "line: code"."""
    try:
        convert_text(text, **options)  # type: ignore[arg-type]
    except ConversionError as error:
        return [f"{each.line}: {each.code}" for each in error.diagnostics]
    return []


def delta(body: str, more: str = "", head: str = "", exported: str = '"CaseModel"') -> str:
    """A modular file whose one class, at line 4, has a body, which begins at line 5."""
    return f"{HEAD}{head}\n\nclass CaseModel(ToyModel):\n{body}\n{more}\n__all__ = [{exported}]\n"


FINE = "    pass\n"

IN_CLASSES = [  # the body of the class, what is found
    (FINE, []),
    ("    size = 2\n    more: int = 3\n", []),
    ("    'Said.'\n    'said again'\n    ...\n", []),
    # statements that merging does not know
    ("    print(1)\n", ["5: dropped-statement"]),
    ("    if True:\n        size = 3\n", ["5: dropped-statement"]),
    ("    class Inner:\n        pass\n", ["5: dropped-statement"]),
    ("    size += 1\n", ["5: dropped-statement"]),
    # super() somewhere else than as a statement
    ("    def forward(self, x, *more, scale=1):\n        return super().forward(x)\n", []),
    ("    def forward(self, x, *more, scale=1):\n        super().forward(x)\n", []),
    ("    def forward(self, x, *more, scale=1):\n        z = super().forward(x)\n", ["6: nested-super"]),
    ("    def forward(self, x, *more, scale=1):\n        return super().prepare(x)\n", ["6: nested-super"]),
    ("    def forward(self, x, *more, scale=1):\n        return super().elsewhere(x)\n", []),
    (
        "    def forward(self, x, *more, scale=1):\n        f = super()\n        return f.forward(x)\n",
        ["6: nested-super"],
    ),
    ("    def forward(self, x, *more, scale=1):\n        return __class__, x\n", ["6: nested-super"]),
    ("    def forward(self, x, *more, scale=1):\n        return super(CaseModel, self).forward(x)\n", []),
    (
        "    def forward(self, x, *more, scale=1):\n        return super(ToyModel, self).forward(x)\n",
        ["6: nested-super"],
    ),
    (
        "    def forward(self, x, *more, scale=1):\n        if x:\n            return super().forward(x)\n",
        ["7: nested-super"],
    ),
    # what is handed to it
    ("    def forward(self, x, *more, scale=1):\n        return super().forward(x + 1)\n", ["6: super-arguments"]),
    (
        "    def forward(self, x, *more, scale=1):\n        return super().forward(x, scale=2)\n",
        ["6: super-arguments"],
    ),
    (
        "    def forward(self, x, *more, scale=1):\n        x = x + 1\n        return super().forward(x, scale=scale)\n",
        [],
    ),
    # what stands below it
    (
        "    def forward(self, x, *more, scale=1):\n        super().forward(x)\n        print(x)\n",
        ["7: unreachable-statement"],
    ),
    ("    def forward(self, x, *more, scale=1):\n        super().forward(x)\n        y = 3\n", []),
    ("    def __init__(self, config):\n        super().__init__(config)\n        self.more = 3\n", []),
    (
        "    def __init__(self, config):\n        super().__init__(config)\n        print(1)\n        print(1)\n",
        ["8: dropped-statement"],
    ),
    (
        "    def __init__(self, config):\n        super().__init__(config)\n        self.post_init()\n        self.post_init()\n",
        [],
    ),
    (
        "    def __init__(self, config):\n        super().__init__(config)\n        self.norm = 1\n        self.norm = 1\n",
        [],
    ),
    # del
    ("    def prepare(self, x):\n        super().prepare(x)\n        del self.kept\n", []),
    (
        "    def __init__(self, config):\n        super().__init__(config)\n        del self.none\n",
        ["7: vain-deletion"],
    ),
    (
        "    def __init__(self, config):\n        super().__init__(config)\n        self.a = 1\n        del self.a\n",
        ["8: vain-deletion"],
    ),
    (
        "    def __init__(self, config):\n        super().__init__(config)\n        del self.deep\n",
        ["7: dangling-attribute"],
    ),
    (
        "    def __init__(self, config):\n        super().__init__(config)\n        del self.deep\n\n    def new(self):\n        self.deep += 1\n",
        ["7: dangling-attribute"],
    ),
    ("    def new(self, x):\n        del x\n", []),
    # assignments that take the place of the parent's
    (
        "    def __init__(self, config):\n        super().__init__(config)\n        self.norm = helper(self.norm)\n",
        ["7: misplaced-assignment"],
    ),
    ("    def __init__(self, config):\n        super().__init__(config)\n        self.norm = lambda: self.norm\n", []),
    ("    def __init__(self, config):\n        super().__init__(config)\n        self.norm = self.width\n", []),
    (
        "    def __init__(self, config):\n        super().__init__(config)\n        self.width = self.deep\n",
        ["7: misplaced-assignment"],
    ),
    (
        "    def __init__(self, config):\n        super().__init__(config)\n        wide = 2\n        self.deep = wide\n",
        ["8: misplaced-assignment"],
    ),
    (
        "    def __init__(self, config):\n        super().__init__(config)\n        self.register_buffer('more', config)\n        self.deep = self.more\n",
        ["8: misplaced-assignment"],
    ),
    (
        "    def __init__(self, config):\n        super().__init__(config)\n        self.deep = [wide for wide in config.many]\n        self.more = [wide for wide in config.more]\n",
        [],
    ),
    (
        "    def __init__(self, config):\n        super().__init__(config)\n        self.norm *= 2\n        self.other = self.norm\n",
        [],
    ),
    # locals and parameters that the parent's body assigns too
    ("    def prepare(self, y):\n        x = y\n        super().prepare(x)\n        print(x)\n", []),
    (
        "    def split(self, x):\n        y = 1\n        super().split(x)\n        self.both = x, y\n",
        ["8: overwritten-local"],
    ),
    ("    def split(self, x):\n        super().split(x)\n        self.both = x\n", ["7: overwritten-local"]),
    ("    def split(self, x):\n        super().split(x)\n        x = 1\n        self.both = x\n", []),
    ("    def split(self, x):\n        super().split(x)\n        self.both = y\n", []),
    # assignments that reach other methods
    (
        "    def __init__(self, config):\n        super().__init__(config)\n        self.norm = 2\n\n    def prepare(self, x):\n        super().prepare(x)\n        self.more = x\n",
        ["7: leaking-assignment"],
    ),
    (
        "    def __init__(self, config):\n        super().__init__(config)\n        self.norm = 2\n\n    def prepare(self, x):\n        super().prepare(x)\n        self.norm = 3\n",
        [],
    ),
    (
        "    def __init__(self, config):\n        super().__init__(config)\n        self.norm = 2\n\n    def prepare(self, x):\n        return x\n",
        [],
    ),
    # stubs
    ("    size = 2\n\n    def prepare(self, x):\n        raise AttributeError()\n", []),
    ("    def prepare(self, x):\n        raise AttributeError('gone')\n", ["5: stub-kept"]),
    ("    size = 2\n\n    @once\n    def prepare(self, x):\n        raise AttributeError()\n", ["8: stub-kept"]),
    ("    def new(self, x):\n        raise NotImplementedError\n", []),
    # two of one name
    (
        "    @once\n    def new(self):\n        return 1\n\n    def new(self):\n        return 2\n",
        ["6: dropped-statement"],
    ),
    (
        "    @property\n    def wide(self):\n        return 1\n\n    @wide.setter\n    def wide(self, value):\n        pass\n",
        [],
    ),
]


@pytest.mark.parametrize(("body", "found"), IN_CLASSES, ids=range(len(IN_CLASSES)))
def test_what_is_wrong_in_a_class_is_found_at_its_line(body: str, found: list[str]) -> None:
    assert findings(delta(body, head="from transformers.utils import once")) == found


@pytest.mark.parametrize(("body", "found"), [each for each in IN_CLASSES if each[1]])
def test_what_is_silently_wrong_is_a_warning_where_nothing_is_strict(body: str, found: list[str]) -> None:
    made = convert_text(delta(body, head="from transformers.utils import once"), strict=False)
    assert [f"{each.line}: {each.code}" for each in made.warnings] == found and all(each.fix for each in made.warnings)


AT_THE_MARGIN = [  # what stands below the class from line 7 on, the head in line 2, what is found
    ("", "", []),
    ("print(1)\n", "", ["7: dropped-statement"]),
    ("'a text'\n", "", []),
    ("for x in y:\n    pass\n", "", ["7: dropped-statement"]),
    ("@once\ndef alone():\n    pass\n", "", ["8: dropped-statement"]),
    ("__all__ += ['CaseMore']\n", "", ["7: dropped-statement"]),
    ("table[0] = 1\n", "", ["7: dropped-statement"]),
    ("a.b = 1\n", "", ["7: dropped-statement"]),
    ("", "SCALE = 3", ["2: ignored-assignment"]),
    ("", "SCALE = 2", []),
    ("", "from transformers import initialization as init", []),
    ("", "from transformers import Llama", ["2: top-level-import"]),
    ("", "from transformers.models.toy.modeling_toy import ToyMdel", ["2: unknown-name"]),
    ("", "from transformers.models.tow.modeling_tow import TowModel", ["2: unknown-module"]),
    ("", "from .....utils import x", ["2: bad-relative-import"]),
    ("", "from ...utils import nn", []),
    (
        "class Two(ToyModel, LowMLP):\n    pass\n",
        "from transformers.models.low.modeling_low import LowMLP",
        ["7: two-parents"],
    ),
    ("class Two(Nowhere):\n    pass\n", "", ["7: unknown-base"]),
    ("class Two(nn.Module):\n    pass\n", "from transformers.utils import nn", []),
    ("class Two(dict):\n    pass\n", "", []),
    (
        "class CaseBlock(ToyBlock):\n    pass\n",
        "from transformers.models.toy.modeling_toy import ToyBlock",
        ["7: dropped-statement"],
    ),
    ("class CasemodelMLP(ToyModel):\n    pass\n", "", []),
    ("class CASEBlock(ToyModel):\n    pass\n", "", ["7: mixed-capitals"]),
]


@pytest.mark.parametrize(("more", "head", "found"), AT_THE_MARGIN, ids=range(len(AT_THE_MARGIN)))
def test_what_is_wrong_at_the_margin_is_found_at_its_line(more: str, head: str, found: list[str]) -> None:
    assert findings(delta(FINE, more, head)) == found


@pytest.mark.parametrize(
    ("exported", "found"),
    [
        ('"CaseModel"', []),
        ('"CaseModel", "CaseModle"', ["8: unknown-export"]),
        ('"CaseModel", *more', ["8: bad-all"]),
        ("CaseModel", ["8: bad-all"]),
        ("1", ["8: bad-all"]),
    ],
)
def test_exports_are_names_of_what_is_there(exported: str, found: list[str]) -> None:
    assert findings(delta(FINE, exported=exported)) == found


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"{HEAD}\n\nclass CaseModel(ToyModel):\n    pass\n", "missing-all"),
        (delta(FINE, "def alone():\n    pass\n"), "unused-definition"),
    ],
)
def test_what_may_be_meant_is_a_warning_even_when_strict(text: str, code: str) -> None:
    assert [each.code for each in convert_text(text).warnings] == [code]


def test_all_that_is_wrong_is_told_in_the_order_of_the_file() -> None:
    body = "    def forward(self, x, *more, scale=1):\n        return super().prepare(x)\n    print(2)\n"
    text = delta(body, "print(1)\n", "SCALE = 3")
    assert findings(text) == [
        "2: ignored-assignment",
        "6: nested-super",
        "7: dropped-statement",
        "9: dropped-statement",
    ]


@pytest.mark.parametrize("text", ["class (", "a = 1\0", "def f():\nreturn"])
def test_what_is_no_python_is_refused(text: str) -> None:
    assert [each.partition(": ")[2] for each in findings(text)] == ["syntax-error"]


def test_a_parent_that_is_no_python_is_refused_at_its_own_place() -> None:
    with pytest.raises(ConversionError) as error:
        convert_text(delta(FINE), **{"transformers.models.toy.modeling_toy": "class ToyModel:\n    x = (\n"})
    (problem,) = error.value.diagnostics
    assert (problem.path, problem.code) == ("modeling_toy.py", "syntax-error")


MERGED = [  # the body of the class, a text that comes out, one that does not
    (FINE, "class CaseModel(CasePreTrainedModel):\n    size = 1\n", "ToyModel"),
    ("    size = 2\n", "    size = 2\n", "size = 1"),
    ("    size = AttributeError()\n", "class CaseModel(CasePreTrainedModel):\n", "size"),
    ("    size = 2\n\n    def prepare(self, x):\n        raise AttributeError()\n", "size = 2", "def prepare"),
    ("    def prepare(self, x):\n        return x\n", "    def prepare(self, x):\n        return x\n", "self.kept"),
    ("    prepare = None\n", "    prepare = None\n", "def prepare"),
    ("    def wide(self):\n        return 2\n", "    def wide(self):\n        return 2\n", "return self.width"),
    (
        "    def __init__(self, config):\n        super().__init__(config)\n        self.more = 3\n",
        "        self.norm = helper(config)\n        self.more = 3\n        self.post_init()\n",
        "super().__init__(config)",
    ),
    (
        "    def __init__(self, config):\n        self.first = 0\n        super().__init__(config)\n        del self.norm\n"
        "\n    def forward(self, x, *more, scale=1):\n        return x\n\n    def prepare(self, x):\n        self.norm = x\n",
        "        self.first = 0\n        self.width = config.width\n        self.deep = 1\n        self.post_init()\n",
        "helper(config)",
    ),
    (
        "    def forward(self, x, *more, scale=1):\n        super().forward(x)\n        y = 3\n",
        "        y = 3\n        return y\n",
        "y = self.norm",
    ),
    ("    def new(self):\n        return super().new()\n", "        return super().new()\n", "nothing at all"),
]


@pytest.mark.parametrize(("body", "there", "gone"), MERGED, ids=range(len(MERGED)))
def test_a_class_and_its_parent_become_one(body: str, there: str, gone: str) -> None:
    text = convert_text(delta(body)).files["modeling_case.py"]
    merged = text[text.index("class CaseModel(") :].partition("\n\n\n")[0]
    assert there in merged + "\n" and gone not in merged


def test_what_a_class_needs_comes_along_and_nothing_else() -> None:
    text = convert_text(delta(FINE)).files["modeling_case.py"]
    assert (
        text.index("import math") < text.index("SCALE = 2") < text.index("def helper") < text.index("class CaseModel")
    )
    assert "ToyBlock" not in text and "CaseBlock" not in text and "class CasePreTrainedModel(Base):" in text
    body = "    def __init__(self, config):\n        self.width = 1\n"
    assert "helper" not in convert_text(delta(body)).files["modeling_case.py"]


def test_a_definition_of_the_delta_stands_in_for_the_parents() -> None:
    made = convert_text(delta(FINE, head="def helper(x):\n    return -x")).files["modeling_case.py"]
    assert made.count("def helper") == 1 and "return -x" in made and "SCALE" not in made and "import math" not in made


def test_imports_are_relative_in_a_tree_and_absolute_elsewhere() -> None:
    text = delta(FINE, head="from transformers.utils import is_x_available").replace(
        "    pass", "    x = is_x_available"
    )
    assert "from transformers.utils import" in convert_text(text).files["modeling_case.py"]
    tree = convert_text(text.replace("from transformers.models.toy", "from ..toy"), Layout.TREE)
    assert "from ...utils import" in tree.files["modeling_case.py"] and "__init__.py" not in tree.files


def test_each_kind_of_class_has_its_file() -> None:
    config = (
        "from transformers.models.toy.configuration_toy import ToyConfig\n\n\nclass CaseConfig(ToyConfig):\n    pass\n"
    )
    made = convert_text(delta(FINE, "class CaseProcessor(dict):\n    pass\n", config, '"CaseModel", "CaseConfig"'))
    assert set(made.files) == {"__init__.py", "configuration_case.py", "modeling_case.py", "processing_case.py"}
    assert (
        '"CaseConfig"' in made.files["configuration_case.py"]
        and "CaseModel" not in made.files["configuration_case.py"]
    )
    assert made.reads == tuple(sorted(made.reads)) and "transformers.models.toy.modeling_toy" in made.reads


def test_what_a_class_needs_brings_what_that_needs() -> None:
    """A part of another class, with a function of its own."""
    parent = PARENT.replace("self.deep = 1", "self.deep = ToyPart()")
    made = convert_text(
        delta(FINE), **{"transformers.models.toy.modeling_toy": "from ...utils import nn, Base\n" + parent}
    )
    text = made.files["modeling_case.py"]
    assert text.index("def deep(x)") < text.index("class CasePart(nn.Module)") < text.index("self.deep = CasePart()")


COPIED = {"SIZE": "SIZE = 3\n", "one": "def one():\n    return SIZE\n", "two": "def two():\n    return one()\n"}


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"A": "class A:\n    x = two()\n"}, ["SIZE", "one", "two", "A"]),
        ({"X": "X = 1\n", "A": "class A:\n    x = one()\n"}, ["X", "SIZE", "one", "A"]),
        ({"one": "def one():\n    return 0\n", "A": "class A:\n    x = two()\n"}, ["two", "one", "A"]),
        ({"A": "class A:\n    def one(self):\n        return 1\n"}, ["A"]),  # of its own, below the top level
        ({"A": "class A:\n    x = 'two'  # one\n"}, ["A"]),
        ({}, []),
    ],
)
def test_a_file_that_stands_alone_holds_copies_of_what_it_names(body: dict[str, str], names: list[str]) -> None:
    draft = Draft("image_processing_pil", dict(body))
    copy_definitions(Draft("image_processing", dict(COPIED)), draft)
    assert list(draft.body) == names and all(draft.body[name] == body.get(name, COPIED.get(name)) for name in names)
