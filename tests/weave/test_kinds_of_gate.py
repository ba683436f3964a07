"""Kinds of gate, read as text from their folder: what the quality gate is, and what none can be declared with."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from building.workspace import PROJECT
from diagnostics.errors import ConversionError
from naming.declared import Declared
from toy_deltas import PLAIN, kind, problems, view
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


SCALE = "    if self.scale_ffn:\n        output = good_ratio.to(output.dtype) * output"


def changed(old: str, new: str) -> str:
    assert old in DECLARATION
    return DECLARATION.replace(old, new, 1)


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
        (changed("float32=True,", "float32=1,"), "`float32` of `Gate` cannot be `1`", 68),
        (
            changed("float32=True,", 'marks=(".quality_norm."),'),
            "`marks` of `Gate` is `'.quality_norm.'`, and no tuple",
            68,
        ),
        (changed("float32=True,", 'bank="memory.rows",'), "`bank` names weights that are not of this kind", 68),
        (changed('"losses", ', '"loses", '), "there is no module `loses`", 1),
        (changed('"losses", ', '"../losses", '), "`../losses` is not a name", 1),
        (changed('home="llama"', 'home="a.b"'), "`a.b` is not a name", 1),
        (
            changed('"storage", "modeling")', '"storage")'),
            "no module of this kind defines `QualityGateForCausalLM`",
            43,
        ),
        # values of another type than a field takes
        (
            changed('exports=("quality_classification_loss",)', 'exports=("x")'),
            "`exports` of `Gate` is `'x'`, and no",
            49,
        ),
        (
            re.sub(r"splices=\(.*?\n    \),", "splices=(Splice(Site.LAYER, set_up)),", DECLARATION, flags=re.DOTALL),
            "`splices` of `Gate` is `Splice(Site.LAYER, set_up)`, and no tuple",
            60,
        ),
        (changed('exports=("quality_classification_loss",)', 'exports=("x", 1)'), "cannot be `('x', 1)`", 49),
        (changed('balanced="balances_whole_sequences"', "balanced=1"), "`balanced` of `Gate` cannot be `1`", 50),
        (changed("Splice(Site.LAYER, set_up)", 'Splice("layer", set_up)'), "`site` of `Splice` cannot be", 61),
        (changed("Splice(Site.LAYER, set_up)", 'Splice(Site.LAYER, "x")'), "is `'x'`, and no function", 43),
        # bodies of splices
        (changed(SCALE, "    return good_ratio * output"), "`return good_ratio * output` in `scale`", 22),
        (changed(SCALE, "    yield output"), "`(yield output)` in `scale`", 22),
        (changed("self, output, good_ratio):\n    if", "self, outptu, good_ratio):\n    if"), "takes `outptu`", 21),
        (changed("scale(self, output, good_ratio)", "scale(self, output, good_rato)"), "takes `good_rato`", 21),
        (changed("(self, config)", "(self, config, projection)"), "takes `projection`, which `Site.LAYER` does", 11),
        (changed(SCALE, "    output = (lambda output: output + 1)(0.0)"), "`output` of `scale` means", 22),
        (changed(SCALE, "    output = sum(x for x, output in self.parts)"), "`output` of `scale` means", 22),
        (changed(SCALE, "    def own():\n        output = 1"), "`output` of `scale` means", 23),
        (changed(SCALE, "    def output(): ..."), "`output` of `scale` means", 22),
        (
            changed("(self, output, good_ratio):\n    if good", "(self, output):\n    if output"),
            "`scale_handed` is handed one",
            38,
        ),
        (changed(SCALE, "    import x as output"), "`output` of `scale` means", 22),
    ],
)
def test_a_declaration_that_is_no_value_is_refused(declaration: str, message: str, line: int) -> None:
    with pytest.raises(ConversionError) as error:
        kind(declaration=declaration)
    [problem] = error.value.diagnostics
    assert problem.code == "bad-gate" and message in problem.message and problem.fix
    assert problem.path.endswith("__init__.py") or problem.path == "gates.quality"
    assert problem.line == line


@pytest.mark.parametrize("name", ["per_expert", "Scalar", "gate2"])
def test_a_kind_is_called_by_one_word(name: str) -> None:
    with pytest.raises(ConversionError) as error:
        read_kind(name, view({f"gates.{name}": DECLARATION}).load, [name])
    [problem] = error.value.diagnostics
    assert problem.code == "bad-gate" and repr(name) in problem.message and "one word" in problem.message


def test_a_scope_of_its_own_may_use_what_a_site_offers() -> None:
    """A lambda and a comprehension that only read it, and name nothing as it is named."""
    found = kind(
        declaration=changed(SCALE, "    output = sum(map(lambda x: x * output, [output for _ in good_ratio]))")
    )
    assert "lambda x: x * output" in found.splices[Site.FEED_FORWARD_OUTPUT].text
    inner = "    def own():\n        return output\n    output = own()"
    assert "def own()" in kind(declaration=changed(SCALE, inner)).splices[Site.FEED_FORWARD_OUTPUT].text


def test_the_nearest_of_what_a_site_offers_is_told() -> None:
    with pytest.raises(ConversionError) as error:
        kind(declaration=changed("scale(self, output", "scale(self, outptu"))
    assert error.value.diagnostics[0].fix == "did you mean `output`?"


@pytest.mark.parametrize(
    ("old", "new", "message", "fix", "line"),
    [
        ('home="llama"', 'home="lama"', "`home` is 'lama', and no model", "did you mean `llama`?", 47),
        (
            'attribute="quality_gate"',
            'attribute="mlp"',
            "ToyDecoderLayer has a `mlp` of its own",
            "`quality_gate`",
            44,
        ),
    ],
)
def test_what_does_not_go_with_the_bases_is_refused_in_the_declaration(
    old: str, new: str, message: str, fix: str, line: int
) -> None:
    declaration = changed(old, new).replace(
        "self.quality_gate", f"self.{new[11:-1]}" if "mlp" in new else "self.quality_gate"
    )
    text = PLAIN.replace("    quality_gate =", "    mlp =") if "mlp" in new else PLAIN
    [problem] = problems(text, {"gates.quality": declaration})
    assert (problem.code, problem.line) == ("bad-gate", line), problem
    assert problem.path.startswith("gates") or problem.path.endswith("__init__.py"), problem.path
    assert message in problem.message and fix in problem.fix


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


def test_a_helper_that_is_called_as_a_function_of_the_base_is_refused_at_home() -> None:
    """There it would take the place of the base's, without a word."""
    module = (FOLDER / "losses.py").read_text()
    losses = f"{module}\n\ndef rotate_half(x):\n    return x * 0\n"
    used = losses.replace("debug: bool = False,", "debug: bool = False, other=rotate_half,", 1)
    [problem] = problems(PLAIN, {"gates.quality": changed('"llama"', '"toy"'), "gates.quality.losses": used})
    assert (problem.code, problem.line) == ("conflicting-definition", len(losses.splitlines()) - 1)
    assert "`rotate_half` is something else in the base" in problem.message
    assert "modeling_toy" in problem.message and problem.path.endswith("losses.py")
