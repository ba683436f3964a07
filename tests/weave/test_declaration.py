"""What a short delta is, and what of its base, its gate and its places cannot be meant."""

from __future__ import annotations

import pytest
from toy_deltas import PLACE, PLAIN, delta, kind, refusal
from weave.declaration import Declaration, gate_of, is_short, mentions, read_declaration, read_delta
from weave.place import Place, Scaled


def read(text: str) -> Declaration:
    return read_declaration(delta(text), kind())


@pytest.mark.parametrize(
    ("text", "short"),
    [
        (PLAIN, True),
        ("from gates.quality.losses import x\n", True),
        ("import gates.quality\n", True),
        ("if a:\n    from gates.quality import QualityGate\n", True),
        ("from gates.quality import (\n", True),  # no Python, and refused as what it was meant to be
        ('"""\nfrom gates.quality import QualityGate\n"""\n', False),
        ("from .gates.quality import QualityGate\n", False),
        ("from gatesby import x\n", False),
        ("", False),
    ],
)
def test_what_is_a_short_delta(text: str, short: bool) -> None:
    assert is_short(delta(text)) is short


def test_a_delta_is_taken_apart() -> None:
    text = PLAIN.replace("\n\n\nclass", "\nfrom gates.quality.losses import quality_loss\nimport math\n\n\nclass")
    found = read(text)
    assert (found.alias, found.base) == ("base", "transformers.models.toy.modeling_toy")
    assert (found.folder, found.model) == ("toy", "toy")
    assert [each.module for each in found.gates] == ["gates.quality", "gates.quality.losses"]
    assert [each.names[0].name for each in found.imports] == ["math"]
    assert [each.attr for each in mentions(found)] == ["ToyDecoderLayer"]
    [layer] = found.classes
    assert (layer.name, layer.parent) == ("QualityGateToyDecoderLayer", "ToyDecoderLayer")
    assert layer.place == Place("self.mlp", "self.mlp") and not layer.says_more
    assert found.places == {"ToyDecoderLayer": layer}


@pytest.mark.parametrize(
    "imported",
    [
        "from transformers.models.toy import modeling_toy as base",
        "import transformers.models.toy.modeling_toy as base",
    ],
)
@pytest.mark.parametrize("alias", ["base", "toy"])
def test_the_base_can_have_any_name_in_a_delta(imported: str, alias: str) -> None:
    text = PLAIN.replace("from transformers.models.toy import modeling_toy as base", imported)
    found = read(text.replace("as base", f"as {alias}").replace("base.", f"{alias}."))
    assert found.alias == alias and found.classes[0].parent == "ToyDecoderLayer"


def test_without_another_name_the_base_is_called_as_its_module() -> None:
    assert read(PLAIN.replace(" as base", "").replace("base.", "modeling_toy.")).alias == "modeling_toy"


@pytest.mark.parametrize(
    "more",
    ["    x = 1\n", "    def f(self): ...\n", '    """Mine."""\n'],
)
def test_a_class_says_more_than_its_place(more: str) -> None:
    assert read(PLAIN + more).classes[0].says_more


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("class Q", "@decorated\nclass Q"),
        ("DecoderLayer)", "DecoderLayer, Mixin)"),
        ("DecoderLayer)", "DecoderLayer, metaclass=M)"),
    ],
)
def test_decorators_and_more_bases_say_more_too(old: str, new: str) -> None:
    assert read(PLAIN.replace(old, new)).classes[0].says_more


def test_words_can_have_other_names_and_be_said_in_order() -> None:
    text = PLAIN.replace("import QualityGate", "import QualityGate as Gate").replace("= QualityGate(", "= Gate(")
    assert read(text.replace("reads=", "").replace("scales=", "")).classes[0].place == Place("self.mlp", "self.mlp")


def test_a_class_that_scales_declares_what() -> None:
    text = PLAIN.replace("import QualityGate", "import QualityGate, Scaled")
    text = text.replace('QualityGate(reads="self.mlp", scales="self.mlp")', 'Scaled("h", into="h + x")')
    assert read(text).classes[0].place == Scaled("h", "h + x")


@pytest.mark.parametrize(
    "text", [PLAIN.replace("\n", "\r\n"), PLAIN.replace("\n", "\r"), "\ufeff" + PLAIN, PLAIN.replace("    ", "\t")]
)
def test_line_ends_tabs_and_byte_order_marks_change_nothing(text: str) -> None:
    assert read(text).places.keys() == {"ToyDecoderLayer"}


def test_anchors_lie_as_they_like() -> None:
    text = PLAIN.replace('reads="self.mlp"', 'reads="""\n        self  # the part\n        .mlp\n    """')
    assert refusal(text.replace(".mlp\n", ".mpl\n")).code == "anchor-misfit"
    assert read(text).classes[0].place.scales == "self.mlp"


def test_the_kind_of_gate() -> None:
    statement, name = gate_of(read_delta(delta(PLAIN)))
    assert (statement.lineno, name) == (4, "quality")


def test_where_an_anchor_is_written() -> None:
    [layer] = read(PLAIN.replace('", scales="self.mlp"', '",\n        scales="self.norm"')).classes
    assert layer.said("self.norm").lineno == 10
    assert layer.said("self.other") is layer.anchor


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ('reads="a"', "does not say what is scaled"),
        ('reads="a", hands="b", scales="c"', "so `scales` would change nothing"),
        ('reads="a", hands="b", tokens="c"', "so `tokens` would change nothing"),
        ('reads="a", scales="b", adds="c"', "is scaled where it is"),
        ('reads="a", scales="a", into="b", adds="c"', "is scaled where it is"),
        ('scales="a"', "does not say `reads`"),
        ("", "does not say `reads`"),
        ('"a", reads="b"', "`reads` is said twice"),
        ('*("a",)', "an anchor is said by its word"),
        ('**{"reads": "a"}', "an anchor is written where it is declared"),
        ('reads="a", scales=3', "`scales` is not a string"),
        ('reads="a", scales=b"a"', "`scales` is not a string"),
        ('reads="a", scales=f"a"', "`scales` is not a string"),
        ('reads="a", scales="a b"', "`a b` is not one Python expression"),
        ('reads="a", scales="a", when="x ="', "`x =` is not one Python expression"),
        ('reads="a", scales="a", normed="("', "is not one Python expression"),
    ],
)
def test_words_that_say_no_place(words: str, message: str) -> None:
    problem = refusal(PLAIN.replace('reads="self.mlp", scales="self.mlp"', words))
    assert (problem.code, problem.line) == ("bad-anchor", 9)
    assert message in problem.message and problem.fix


def test_a_gate_is_declared_under_its_own_name_and_as_a_plain_statement() -> None:
    for old in ("qualty_gate =", "quality_gate: object =", "a = quality_gate ="):
        problem = refusal(PLAIN.replace("    quality_gate =", f"    {old}"))
        assert (problem.code, problem.line) == ("bad-anchor", 9)
        assert problem.fix == "write `quality_gate = QualityGate(reads='self.mlp', scales='self.mlp')`"


def test_a_word_of_the_class_that_is_misspelt() -> None:
    problem = refusal(PLAIN.replace("= QualityGate(", "= QualtyGate("))
    assert (problem.code, problem.line, problem.column) == ("bad-anchor", 9, 20)
    assert problem.fix == "did you mean `QualityGate`?"


def test_two_places_in_one_class() -> None:
    problem = refusal(PLAIN + PLACE)
    assert (problem.code, problem.line) == ("several-gates", 10)
