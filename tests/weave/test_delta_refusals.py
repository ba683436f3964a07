"""Everything that a short delta may get wrong: refused with a code, at the delta's own line, with what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from building.library import decode
from toy_deltas import PLACE, PLAIN, converted, problems


LAYER = "class QualityGateToyDecoderLayer(base.ToyDecoderLayer):\n"
TOP = PLAIN + "\n\n{}\n"
MEMBER = PLAIN + "{}\n"
BASE = "from transformers.models.toy import modeling_toy as base"
GATE = "from gates.quality import QualityGate\n"
CONFIG = TOP.format("class QualityGateToyConfig(base.ToyConfig):\n    {}")


def put(old: str, new: str) -> str:
    """The plain delta with something else in it."""
    assert old in PLAIN
    return PLAIN.replace(old, new)


# what is wrong -> the delta, the code, the line, a part of the message, a part of the remedy
CASES = {
    # the text
    "no Python": (put("DecoderLayer):", "DecoderLayer)"), "syntax-error", 8, "not Python", "correct the syntax"),
    "a null byte": (PLAIN + "\0", "syntax-error", None, "not Python", "correct the syntax"),
    # the gate
    "an unknown kind": (put("gates.quality", "gates.qualty"), "unknown-gate", 4, "called 'qualty'", "`gates.quality`"),
    "no kind like it": (put("gates.quality", "gates.zzz"), "unknown-gate", 4, "called 'zzz'", "modular/gates/zzz/"),
    "an unknown word": (put("import Q", "import P"), "unknown-word", 4, "has no `PualityGate`", "`QualityGate`"),
    "all words": (put("import QualityGate", "import *"), "unknown-word", 4, "has no `*`", "it declares Place, Qual"),
    "a module": (put(GATE, "import gates.quality\n"), "no-gate", 4, "by its words", "from gates.<kind> import"),
    "the folder": (put(GATE, "from gates import quality\n"), "no-gate", 4, "by its words", "from gates.<kind>"),
    "under an if": (put(GATE, f"if True:\n    {GATE}"), "no-gate", 5, "at the top", "from gates.<kind>"),
    "two kinds": (put(GATE, f"{GATE}from gates.memory import M\n"), "several-gates", 5, "quality and memory", "one kind"),
    "no module of it": (put(GATE, f"{GATE}from gates.quality.loses import x\n"), "unknown-word", 5, "`loses`", "`losses`"),
    "no name in it": (put(GATE, f"{GATE}from gates.quality.losses import quality_classification_los\n"), "unknown-word", 5, "`quality_classification_los`", "`quality_classification_loss`"),
    "another name": (put(GATE, f"{GATE}from gates.quality.modeling import QualityGate as Q\n"), "aliased-import", 5, "as `Q`", "own name"),
    "a role": (put(GATE, f"{GATE}from gates.quality.modeling import QualityGateModel\n"), "unknown-word", 5, "stands for a class", "`QualityGateToyModel`"),
    # the base
    "no base": (put(BASE, "import math"), "no-base", 1, "does not say which base", "as base"),
    "its names alone": (put(BASE, "from transformers.models.toy.modeling_toy import ToyDecoderLayer"), "no-base", 5, "does not say", "as base"),
    "its configuration": (put("modeling_toy", "configuration_toy"), "no-base", 5, "does not say", "as base"),
    "without a name": (put(BASE, "import transformers.models.toy.modeling_toy"), "no-base", 5, "does not say", "as base"),
    "a generated one": (put("transformers.models.toy", "generated.toy"), "no-base", 5, "is not the modeling file", "as base"),
    "two bases": (put(BASE, f"{BASE}\nfrom transformers.models.llama import modeling_llama as b"), "several-bases", 6, "two bases", "by name"),
    "no such folder": (put("models.toy", "models.toi"), "unknown-base", 5, "no transformers.models.toi", "`toy`"),
    "no such file": (put("modeling_toy", "modeling_toi"), "unknown-base", 5, "modeling_toi", "`modeling_toy`"),
    # classes
    "its name": (put("QualityGateToyDecoderLayer", "QualityGateToyDecoderLayr"), "unknown-class", 8, "would change nothing", "`QualityGateToyDecoderLayer`"),
    "its parent": (put("base.ToyDecoderLayer", "base.ToyDecoderLayr"), "unknown-class", 8, "no class `ToyDecoderLayr`", "`ToyDecoderLayer`"),
    "another prefix": (TOP.format("class MyToyMLP(base.ToyMLP):\n    x = 1"), "unknown-class", 12, "would change nothing", "`QualityGateToyMLP`"),
    "no parent": (TOP.format("class QualityGateToyModel:\n    x = 1"), "unknown-class", 12, "is made from", "(base.ToyModel)"),
    "a bare parent": (TOP.format("class QualityGateToyModel(ToyModel):\n    x = 1"), "unknown-class", 12, "is made from", "(base.ToyModel)"),
    "near and no parent": (TOP.format("class QualityGateToyModl:\n    x = 1"), "no-effect", 12, "overrides nothing", "`QualityGateToyModel`"),
    "the base's own name": (TOP.format("class ToyMLP:\n    x = 1"), "unknown-class", 12, "is called `QualityGateToyMLP`", "(base.ToyMLP)"),
    "two parents": (put("DecoderLayer)", "DecoderLayer, base.ToyMLP)"), "two-parents", 8, "two classes", "restate"),
    "one class twice": (TOP.format(LAYER + "    x = 1"), "repeated-name", 12, "from line 8 already", "say it once"),
    "a name imported too": (TOP.format("QualityGate = 3"), "repeated-name", 12, "from line 4 already", "say it once"),
    # places
    "nowhere": (put(PLACE, "    x = 1\n"), "no-place", 4, "says nowhere", "class QualityGateToyDecoderLayer(base.ToyDecoderLayer):"),
    "two places": (PLAIN + PLACE, "several-gates", 10, "2 places", "one place"),
    "in a part": (PLAIN.replace("DecoderLayer", "MLP"), "no-place", 9, "ToyMLP is not a layer", "ToyDecoderLayer"),
    "in the model": (PLAIN.replace("DecoderLayer", "Model"), "no-place", 9, "ToyModel is not a layer", "ToyDecoderLayer"),
    "in a configuration": (PLAIN.replace("DecoderLayer", "Config"), "no-place", 9, "computes nothing", "ToyDecoderLayer"),
    "without a base": (put("(base.ToyDecoderLayer)", ""), "unknown-class", 8, "not in which class", "(base.<Layer>)"),
    "nobody handed": (put(', scales="self.mlp"', ', hands="self.mlp"'), "no-place", 9, "no class takes it", "base.ToyMLP"),
    "nobody hands": (put(GATE, GATE.replace("Q", "Scaled, Q")).replace('Gate(reads="self.mlp", scales="self.mlp")', 'Gate("a", "a")').replace("= QualityGate(", "= Scaled("), "no-place", 9, "no layer of this delta hands", 'hands="self.output"'),
    # anchors
    "a slip": (put('reads="self.mlp"', 'reads="self.mpl"'), "anchor-misfit", 9, "no call of `self.mpl`", "`self.mlp`"),
    "gone": (put('scales="self.mlp"', 'scales="self.drop"'), "anchor-misfit", 9, "no `self.drop` behind", "did you mean"),
    "no word": (put("reads=", "read="), "unknown-word", 9, "has no `read`", "`reads`"),
    "no string": (put('reads="self.mlp"', "reads=self.mlp"), "bad-anchor", 9, "is not a string", "quote"),
    "no input normed": (put('scales="self.mlp"', 'scales="self.mlp", normed="self.nrm"'), "anchor-misfit", 9, "has no `nrm`", "`self.norm`"),
    "no condition": (put('scales="self.mlp"', 'scales="self.mlp", when="self.layer_id > 0"'), "anchor-misfit", 9, "has no `layer_id`", "own words"),
    "no name there": (put('scales="self.mlp"', 'scales="self.mlp", when="depth > 0"'), "anchor-misfit", 9, "has no `depth`", "own words"),
    "no shape": (put('scales="self.mlp"', 'scales="self.mlp", tokens="shape"'), "anchor-misfit", 9, "`shape` is not a name", "own words"),
    # members
    "a method": (MEMBER.format("\n    def forwrd(self):\n        pass"), "unknown-member", 11, "no `forwrd`", "`forward`"),
    "of super": (MEMBER.format("\n    def extra(self):\n        return super().forwrd(1)"), "unknown-member", 12, "no method `forwrd`", "super().forward("),
    "an attribute": (TOP.format('class QualityGateToyPreTrainedModel(base.ToyPreTrainedModel):\n    base_model_prefx = "m"'), "unknown-member", 13, "`base_model_prefx`", "`base_model_prefix`"),
    "a field": (CONFIG.format("quality_los_weight: float = 1.0"), "unknown-member", 13, "`quality_los_weight`", "`quality_loss_weight`"),
    "no type": (CONFIG.format("toy_scale = 2.0"), "bad-field", 13, "has no type", "`toy_scale: float = 2.0`"),
    "no default": (CONFIG.format("toy_scale: float"), "bad-field", 13, "has no default", "`toy_scale: float = ...`"),
    # names
    "none of the base": (MEMBER.format("\n    def extra(self):\n        return base.ToyFoo"), "unknown-name", 12, "no `ToyFoo`", "did you mean"),
    "an ungated class": (MEMBER.format("\n    def extra(self):\n        return base.ToyMLP"), "unknown-name", 12, "in its place", "`QualityGateToyMLP`"),
    "the base itself": (MEMBER.format("\n    def extra(self):\n        return base"), "unknown-name", 12, "not there in the model", "`base.<Class>`"),
    "its name again": (TOP.format("base = 3"), "repeated-name", 12, "from line 5", "say it once"),
    "what the base imports": (TOP.format("def can_return_tuple(f):\n    return f"), "shadowed-name", 12, "the base imports", "another name"),
    # statements
    "an expression": (TOP.format('print("hi")'), "no-effect", 12, "would be left out", "leave it out"),
    "an if": (TOP.format("if True:\n    X = 1"), "no-effect", 12, "would be left out", "leave it out"),
    "a try": (TOP.format("try:\n    import x\nexcept ImportError:\n    x = None"), "no-effect", 12, "would be left out", "leave"),
    "a loop": (TOP.format("for x in ():\n    pass"), "no-effect", 12, "would be left out", "leave it out"),
    "a second docstring": (TOP.format('"""More."""'), "no-effect", 12, "would be left out", "leave it out"),
    "two names": (TOP.format("A, B = 1, 2"), "no-effect", 12, "would be left out", "leave it out"),
    "an attribute set": (TOP.format("QualityGateToyModel.x = 1"), "no-effect", 12, "would be left out", "leave it out"),
    "two on a line": (put("\n    quality", "\n    x = 1; quality"), "no-effect", 9, "share this line", "its own line"),
    "a future": (put(GATE, f"from __future__ import annotations\n{GATE}"), "no-effect", 4, "__future__", "leave it out"),
    "an unused class": (TOP.format("class Extra:\n    x = 1"), "no-effect", 12, "nothing uses it", "use it"),
    "an unused function": (TOP.format("def rotate_hal(x):\n    return x"), "no-effect", 12, "nothing uses it", "`rotate_half`"),
    "an unused name": (TOP.format("SIZE = 1"), "no-effect", 12, "nothing uses it", "use it"),
    "in a class": (MEMBER.format("    if True:\n        x = 1"), "no-effect", 10, "would be left out", "out of the class"),
    "a nested class": (MEMBER.format("    class Inner:\n        pass"), "no-effect", 10, "would be left out", "out of the class"),
    # a class whose gate is made and never asked
    "a vain gate": (MEMBER.format("\n    def forward(self, hidden_states, **kwargs):\n        return self.mlp(hidden_states)"), "no-effect", 11, "never asks `self.quality_gate`", "`super().forward(...)`"),
    "no gate made": (MEMBER.format("\n    def __init__(self, config, layer_idx):\n        self.mlp = None"), "no-effect", 11, "never makes `self.quality_gate`", "`super().__init__(...)`"),
    # exports
    "more exports": (TOP.format('__all__ += ["x"]'), "no-effect", 12, "as a whole", "__all__ = [...]"),
    "no such export": (TOP.format('__all__ = ["QualityGateToyModl"]'), "unknown-export", 12, "`QualityGateToyModl`", "`QualityGateToyModel`"),
    "no list": (TOP.format("__all__ = [*names]"), "bad-all", 12, "not a list of strings", "write the names out"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_slip_is_refused_where_it_is(name: str) -> None:
    text, code, line, message, fix = CASES[name]
    first = problems(text)[0]
    assert (first.code, first.path) == (code, "modular/modular_quality_gate_toy.py"), first
    assert line is None or first.line == line, first
    assert message in first.message and fix in first.fix, first


def test_several_slips_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = TOP.format(
        "if True:\n    pass\n\n\nclass QualityGateToyMLQ(base.ToyMLP):\n    def forwrd(self):\n        pass"
    )
    assert [(each.code, each.line) for each in problems(text)] == [
        ("no-effect", 12),
        ("unknown-class", 16),
        ("unknown-member", 17),
    ]


def test_what_the_base_does_not_say_is_told_at_the_line_that_names_it() -> None:
    modules = {"transformers.models.toy.modeling_toy": "class ToyModel:\n    pass\n"}
    [problem] = problems(PLAIN.replace("DecoderLayer", "Model"), modules)
    assert (problem.code, problem.line) == ("no-language-model", 5)
    assert problem.message.endswith("(transformers.models.toy.modeling_toy:1)")


def test_a_class_without_a_feed_forward_part() -> None:
    [problem] = problems(PLAIN.replace('"self.mlp"', '"self.ffn"'))
    assert (problem.code, problem.line) == ("anchor-misfit", 9) and "no call of `self.ffn` in it" in problem.message


@pytest.mark.parametrize(
    "body",
    ["return super().forward(x)", "return base.ToyDecoderLayer.forward(self, x)", "return self.quality_gate(x)"],
)
def test_a_forward_that_goes_on_or_asks_the_gate_is_taken(body: str) -> None:
    assert "no-effect" not in [
        each.code for each in problems(MEMBER.format(f"\n    def forward(self, x):\n        {body}"))
    ]


def test_near_names_that_are_meant_are_let_be() -> None:
    """A slip is alike, begins alike, and nothing else uses it: names that differ in a number, or are used, are names."""
    converted(
        CONFIG.format("toy_scale_2: float = 1.0\n    toy_scalee: float = 1.0")
        + "\n\nclass QualityGateToyMLP(base.ToyMLP):\n    def extra(self, config):\n        return config.toy_scalee\n"
    )


def test_a_class_that_is_named_alone_is_let_be() -> None:
    text = TOP.format("class QualityGateToyMLP(base.ToyMLP):\n    pass")
    named, plain = converted(text), converted()
    assert {name: sorted(made.split("\n")) for name, made in named.items()} == {
        name: sorted(made.split("\n")) for name, made in plain.items()
    }


def test_a_file_that_is_not_utf8_is_refused_at_its_byte() -> None:
    with pytest.raises(Exception, match="not-utf8"):
        decode(PLAIN.replace("every", "évery").encode("latin-1"), Path("modular_x.py"))


def test_every_code_of_weaving_has_a_case_and_is_listed() -> None:
    page = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
    [section] = re.findall(r"^## What a short delta says[^#]*", page, re.MULTILINE)
    listed = set(re.findall(r"^\| ((?:`[\w-]+`(?:, )?)+)", section, re.MULTILINE))
    codes = set(re.findall(r"[\w-]+", " ".join(listed)))
    shown = {code for _, code, *_ in CASES.values()}
    assert codes - {"bad-gate", "no-splice"} == shown - {
        "syntax-error",
        "unknown-export",
        "bad-all",
        "aliased-import",
        "two-parents",
    }
