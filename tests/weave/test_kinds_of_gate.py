"""Kinds of gate, read as text from their folder: what the quality gate is, and what none can be declared with."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from building.workspace import PROJECT
from diagnostics.errors import ConversionError
from naming.declared import Declared
from toy_deltas import kind, view
from weave.gate import Argument, Gate, Site, Splice
from weave.kinds import read_kind


FOLDER = PROJECT / "modular" / "gates" / "quality"
DECLARATION = (FOLDER / "__init__.py").read_text()


def test_the_declaration_is_the_value_that_python_makes_of_it() -> None:
    """What is read as text is what an import gives: functions by name, all else equal."""
    scope: dict[str, object] = {}
    exec(compile(DECLARATION, "gates/quality/__init__.py", "exec"), scope)
    made, found = scope["GATE"], kind().gate
    assert isinstance(made, Gate)
    for name in (*Gate.__slots__, *Declared.__slots__):
        if name != "splices":
            assert getattr(found, name) == getattr(made, name), name
    assert [each.site for each in found.splices] == [each.site for each in made.splices]
    assert [each.function.name for each in found.splices] == [each.function.__name__ for each in made.splices]


def test_a_splice_is_its_parameters_and_its_body() -> None:
    spliced = kind().splices[Site.FEED_FORWARD_OUTPUT]
    assert (spliced.name, spliced.parameters) == ("scale", ("output", "good_ratio"))
    assert spliced.text == "if self.scale_ffn:\n    output = good_ratio.to(output.dtype) * output"


def test_words_are_what_deltas_may_declare() -> None:
    assert kind().words == {"Place": "Place", "Scaled": "Scaled", "QualityGate": "Place"}


def test_what_a_kind_is_read_off_its_modules() -> None:
    found = kind()
    assert found.family == "quality_gate_" and found.weights == ["quality_gate.gate.weight"]
    assert found.output_fields == ("lm_loss", "quality_loss", "aux_loss", "quality_logits", "router_logits")
    assert found.plan == {".*.quality_gate.gate": "replicate"}
    assert "output_router_logits=True" in found.example
    assert found.roles <= found.definitions.keys() and not set(found.held) & found.roles
    assert "check_quality_gate_config" in found.of_configurations
    assert "QUALITY_GATE_RANGES" in found.reached(["check_quality_gate_config"])
    assert all(not origin.startswith("gates") for origin, _ in found.imports.values())


def test_definitions_are_named_after_the_model() -> None:
    text = "QualityGate(QualityGateOutput, quality_gate)"
    assert kind().named(text, "GatedToy", "GatedToyGate") == "GatedToyGate(GatedToyOutput, quality_gate)"


def test_decorators_of_a_role_are_named_after_the_output() -> None:
    assert kind().decorators("ForCausalLM", "ToyOutput") == ["returns_quality_scores(ToyOutput)"]


def test_an_unknown_kind_is_told_with_the_nearest() -> None:
    with pytest.raises(LookupError, match="quality"):
        read_kind("qualty", view().load, ["quality", "memory"])


def changed(old: str, new: str) -> str:
    assert old in DECLARATION
    return DECLARATION.replace(old, new)


@pytest.mark.parametrize(
    ("declaration", "message", "line"),
    [
        ("x = 1\n", "declares no `GATE`", 1),
        ("GATE = 3\n", "`GATE` is not a Gate", 1),
        ("from weave.gate import Gate\nGATE = Gate(nothing=1)\n", "`Gate`: ", 2),
        ("GATE = Gate(attribute=len('x'))\n", "cannot be part of a gate's declaration", 1),
        (changed("Splice(Site.LAYER, set_up),", ""), "no splice goes to `Site.LAYER`", 43),
        (
            changed("Splice(Site.LAYER, set_up),", "Splice(Site.LAYER, set_up), Splice(Site.LAYER, set_up),"),
            "two splices go to",
            43,
        ),
        (changed("Site.LAYER,", "Site.NOWHERE,"), "`Site.NOWHERE` cannot be part", 61),
        (changed("def set_up(self, config)", "def set_up(config)"), "`set_up` does not take `self` first", 11),
        (changed("def set_up(self, config)", "def set_up()"), "`set_up` does not take `self` first", 11),
        (
            changed("def set_up(self, config)", "def set_up(self, config=None)"),
            "`set_up` does not take `self` first",
            11,
        ),
        (changed("float32=True,", "float32=1,"), "`float32` is 1", 68),
        (changed("float32=True,", 'marks=(".quality_norm."),'), "`marks` is '.quality_norm.'", 68),
        (changed("float32=True,", 'bank="memory.rows",'), "`bank` names weights that are not of this kind", 68),
        (changed('"losses", ', '"loses", '), "there is no module `loses`", 1),
        (changed('"losses", ', '"../losses", '), "`../losses` is not a name", 1),
        (changed('home="llama"', 'home="a.b"'), "`a.b` is not a name", 1),
        (
            changed('"storage", "modeling")', '"storage")'),
            "no module of this kind defines `QualityGateForCausalLM`",
            43,
        ),
    ],
)
def test_a_declaration_that_is_no_value_is_refused(declaration: str, message: str, line: int) -> None:
    with pytest.raises(ConversionError) as error:
        kind(declaration=declaration)
    [problem] = error.value.diagnostics
    assert problem.code == "bad-gate" and message in problem.message and problem.fix
    assert problem.path.endswith("__init__.py") or problem.path == "gates.quality"
    assert problem.line == line


def test_a_declaration_holds_the_names_that_it_exports() -> None:
    tree = ast.parse(DECLARATION)
    exported = next(
        node for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    names = set(ast.literal_eval(exported.value))
    assert names - {"GATE"} == kind().words.keys() - {"Place"}


def test_values_of_a_gate_say_what_they_are() -> None:
    for value in (Gate, Argument, Splice):
        assert value.__doc__ and not re.search(r"\bTODO\b", value.__doc__)
    page = (Path(__file__).parents[2] / "docs" / "weaving.md").read_text()
    for site in Site:
        assert f"`{site.name}`" in page, site
