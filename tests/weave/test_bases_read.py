"""A base read off its text: its modules, stack, heads, outputs, configuration, and what these reach."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest
from diagnostics.errors import ConversionError
from syntax.modules import read_module
from syntax.queries import assigned_calls, is_super_call, names_in
from syntax.source import Source
from toy_deltas import base, module, view
from weave.base import Base
from weave.classes import annotated_config, returned
from weave.configs import read_config
from weave.dependencies import circular, other_configs, reached
from weave.heads import handing_on, head_part, model_part
from weave.limits import check_imports, left_out
from weave.mappings import gate_restored, mapped_names
from weave.names import names_of
from weave.outputs import needs_mixin, output_classes
from weave.stack import is_head, read_stack, with_heads


def changed(*edits: tuple[str, str], configuration: tuple[str, str] = ("", "")) -> Base:
    """The toy with other texts in it."""
    toy = base()
    text = toy.modeling.source.text
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    other = (
        toy.configuration.source.text.replace(*configuration) if configuration[0] else toy.configuration.source.text
    )
    return replace(
        toy,
        modeling=read_module(replace(toy.modeling.source, text=text)),
        configuration=read_module(replace(toy.configuration.source, text=other)),
    )


def test_gated_names() -> None:
    toy = base()
    assert toy.gated("ToyModel") == "QualityGateToyModel"
    assert toy.gated("ToyLMHeadModel") == "QualityGateToyForCausalLM"
    assert toy.gated("Block") == "QualityGateBlock" and "Block" not in toy.gated_names
    assert base("my_gate").gated("ToyConfig") == "MyGateConfig"


def test_the_stack_of_a_base() -> None:
    stack = read_stack(base())
    assert (stack.causal.name, stack.model.name, stack.pretrained.name) == (
        "ToyForCausalLM",
        "ToyModel",
        "ToyPreTrainedModel",
    )
    assert [each.name for each in stack.layers] == ["ToyDecoderLayer"] and stack.layers_name == "layers"
    assert (stack.config, stack.output, stack.prefix, stack.whole) == (
        "ToyConfig",
        "BaseModelOutputWithPast",
        "Toy",
        "ToyModel",
    )
    assert [(each.node.name, each.inner, each.generic) for each in stack.heads] == [
        ("ToyForCausalLM", "self.model", None),
        ("ToyForSequenceClassification", None, "GenericForSequenceClassification"),
    ]


@pytest.mark.parametrize(
    "loop",
    ["for layer in self.layers[: self.config.num_hidden_layers]:", "for layer, kind in zip(self.layers, self.kinds):"],
)
def test_layers_are_called_in_a_loop_over_them_and_what_else_there_is(loop: str) -> None:
    assert len(read_stack(changed(("for layer in self.layers:", loop))).layer_calls) == 1


def test_names_are_other_than_usual_where_the_base_has_them() -> None:
    toy = base()
    assert names_of(toy, read_stack(toy)).module == "QualityGateToyGate"
    other = changed(
        ("class ToyNorm(", "class ToyGate(nn.Module):\n    pass\n\n\nclass ToyOutput:\n    pass\n\n\nclass ToyNorm(")
    )
    names = names_of(other, read_stack(other))
    assert (names.module, names.output) == ("QualityGateToyScoreGate", "QualityGateToyGateOutput")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("ToyForCausalLM", "ToyForSeveral", "no-language-model"),
        ("self.layers = nn.ModuleList(", "self.layers = list(", "no-layers"),
        ("self.model = ToyModel(config)", "self.model = AutoModel.from_config(config)", "no-base-model"),
        ("config: ToyConfig\n    base", "base", None),
        (
            "def forward(self, input_ids=None, **kwargs: Unpack[TransformersKwargs]) -> Base",
            "def forward(self, patches, **kwargs) -> Base",
            "no-samples",
        ),
    ],
)
def test_a_base_that_does_not_say_enough(old: str, new: str, code: str | None) -> None:
    toy = changed((old, new))
    if code is None:
        assert read_stack(toy).config == "ToyConfig"  # of the constructor
        return
    with pytest.raises(ConversionError) as error:
        read_stack(toy)
    assert [each.code for each in error.value.diagnostics] == [code]


EMBEDS = "        hidden_states = self.embed(input_ids)\n"
CALLS = "            hidden_states = layer(hidden_states, **kwargs)\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            EMBEDS,
            f"        input_ids = input_ids.reshape(-1, self.num_codebooks, input_ids.shape[-1])\n{EMBEDS}",
            "are codebooks",
        ),
        (
            EMBEDS,
            f"{EMBEDS}        hidden_states = torch.cat([self.prefix, hidden_states], dim=1)\n",
            "sets other positions beside",
        ),
        (
            EMBEDS,
            f"{EMBEDS}        hidden_states = torch.cat((self.prefix, hidden_states), 1)\n",
            "sets other positions beside",
        ),
        (
            "def forward(self, input_ids=None, **kwargs: Unpack[TransformersKwargs]) -> BaseModelOutputWithPast:\n",
            "def forward(self, input_ids=None, attention_mask=None, **kwargs) -> BaseModelOutputWithPast:\n"
            "        if attention_mask is not None:\n            warn()\n",
            "takes an attention mask and ignores it",
        ),
        (CALLS, f"            if self.skip:\n                continue\n{CALLS}", "leaves out layers for some inputs"),
        (
            f"        for layer in self.layers:\n{CALLS}",
            f"        for _ in range(2):\n            for layer in self.layers:\n    {CALLS}",
            "runs its layers several times",
        ),
    ],
)
def test_a_base_whose_scores_would_be_of_no_token_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(ConversionError) as error:
        read_stack(changed((old, new)))
    assert message in error.value.diagnostics[0].message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            EMBEDS,
            f"{EMBEDS}        hidden_states = hidden_states.reshape(-1, self.num_heads, 4).reshape(hidden_states.shape)\n",
        ),
        (EMBEDS, f"{EMBEDS}        widths = torch.cat([self.widths, hidden_states], dim=-1)\n"),
        (EMBEDS, f"{EMBEDS}        steps = torch.cat([self.steps, self.more], dim=1)\n"),
        (
            CALLS,
            f"            layerdrop = self.layerdrop\n            if layerdrop:\n                continue\n{CALLS}",
        ),
    ],
)
def test_what_looks_alike_and_keeps_every_token_is_let_be(old: str, new: str) -> None:
    assert read_stack(changed((old, new))).config == "ToyConfig"


def test_a_model_around_the_language_model_is_a_head_where_it_is_asked_for() -> None:
    text = "class ToyForConditionalGeneration(ToyPreTrainedModel):\n    def forward(self, input_ids=None, **kwargs) -> CausalLMOutputWithPast:\n        return self.model(input_ids, **kwargs)\n\n\nclass ToyForSequence"
    toy = changed(("class ToyForSequence", text))
    stack = read_stack(toy)
    assert is_head(toy, stack, "ToyForConditionalGeneration") and not is_head(toy, stack, "ToyMLP")
    assert not is_head(toy, stack, "ToyModel") and not is_head(toy, stack, "nothing")
    more = with_heads(toy, stack, ["ToyForConditionalGeneration"])
    assert [each.node.name for each in more.heads][-1] == "ToyForConditionalGeneration"
    assert with_heads(toy, stack, ["ToyForCausalLM"]).heads == stack.heads


def test_the_base_model_hands_on_what_it_is_asked() -> None:
    toy = base()
    part = model_part(toy, read_stack(toy), "ToyOut")
    assert part.decorators[:2] == ("returns_quality_scores(ToyOut)", "records_quality_scores") and part.text == ""
    assert part.plan == '{"layers.*.quality_gate.gate": "replicate"}'
    older = changed(("hidden_states = layer(hidden_states, **kwargs)", "hidden_states = layer(hidden_states)"))
    assert (
        "layer(hidden_states, output_quality_logits=output_quality_logits)"
        in model_part(older, read_stack(older), "ToyOut").text
    )


def test_heads_hand_on_the_rest() -> None:
    toy = base()
    stack = read_stack(toy)
    causal = head_part(toy, stack, stack.heads[0], "ToyOut", "Example:")
    assert causal.decorators == ("returns_quality_scores(ToyOut)", "auto_docstring") and causal.text == ""
    older = changed(("outputs = self.model(input_ids, **kwargs)", "outputs = self.model(input_ids)"))
    stack = read_stack(older)
    assert "self.model(input_ids, **kwargs)" in head_part(older, stack, stack.heads[0], "ToyOut", "Example:").text
    forward = older.modeling.method(older.modeling.classes["ToyMLP"], "forward")
    assert "def forward(self, x, output_quality_logits: bool = False, **kwargs)" in handing_on(
        older, stack, forward, {"self.up_proj"}
    )


def test_outputs_are_mixed_or_get_fields() -> None:
    toy = base()
    stack = read_stack(toy)
    found = output_classes(toy, stack, names_of(toy, stack))
    assert {name: (each.name, each.kind) for name, each in found.items()} == {
        "BaseModelOutputWithPast": ("QualityGateToyModelOutputWithPast", "mixed"),
        "CausalLMOutputWithPast": ("QualityGateToyCausalLMOutputWithPast", "mixed"),
        "SequenceClassifierOutputWithPast": ("QualityGateToySequenceClassifierOutputWithPast", "mixed"),
    }
    assert needs_mixin(tuple(found.values()))
    own = changed(
        (
            "class ToyNorm(",
            '@dataclass\nclass CausalLMOutputWithPast(ModelOutput):\n    """\n    loss (`float`):\n        It.\n    """\n\n\nclass ToyNorm(',
        )
    )
    stack = read_stack(own)
    output = output_classes(own, stack, names_of(own, stack))["CausalLMOutputWithPast"]
    assert (output.kind, output.documentation, output.decorates) == ("fields", "loss (`float`):\n    It.", False)


def test_the_configuration_of_a_base() -> None:
    model = read_stack(base()).model
    config = read_config(base(), "ToyConfig", model)
    assert (config.model_type, config.decorators) == ("toy", ("auto_docstring(checkpoint='toys/toy')", "strict"))
    assert config.documentation.startswith("toy_scale (`float`") and "Example" not in config.documentation
    assert config.ignored[0] == "past_key_values" and not config.returns
    with pytest.raises(ConversionError, match="no-config-class"):
        read_config(base(), "ToyVisionConfig", model)


def test_what_classes_return_and_are_made_from() -> None:
    toy = base().modeling
    assert returned(toy, toy.classes["ToyForCausalLM"]) == "CausalLMOutputWithPast"
    assert annotated_config(toy, toy.classes["ToyModel"]) == "ToyConfig"
    assert annotated_config(toy, toy.classes["ToyNorm"]) is None
    with pytest.raises(ConversionError, match="no-output-class"):
        returned(toy, toy.classes["ToyMLP"])


def test_what_definitions_reach() -> None:
    toy = base()
    assert list(reached(toy.modeling, ["ToyAttention"])) == ["ToyAttention", "rotate_half"]
    assert other_configs(toy, ["ToyModel"], "ToyConfig") == []
    around = changed(
        (
            "class ToyPreTrainedModel(PreTrainedModel):\n",
            "class ToyPreTrainedModel(PreTrainedModel):\n    _kinds = [ToyModel]\n",
        )
    )
    assert (
        circular(around, "ToyPreTrainedModel", []) == ["ToyModel"]
        and circular(around, "ToyPreTrainedModel", ["ToyModel"]) == []
    )


def test_a_function_that_imports_from_beside_would_not_stand_alone() -> None:
    toy = module("def f(x):\n    from .other import g\n    return g(x)\n\n\ndef h(x):\n    return x\n")
    check_imports(toy, ["h"])
    with pytest.raises(ConversionError, match="no-standalone"):
        check_imports(toy, ["f"])


def test_layers_that_some_inputs_leave_out() -> None:
    text = """\
class Model:
    def __init__(self, config):
        for i in range(3):
            if i in self.cross:
                layer = CrossLayer(config)
            else:
                layer = PlainLayer(config)

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            if i in self.cross and x is None:
                continue
            x = layer(x)
        return x


class CrossLayer: ...


class PlainLayer: ...
"""
    toy = module(text)
    calls = [node for node in ast.walk(toy.tree) if isinstance(node, ast.Call) and ast.unparse(node) == "layer(x)"]
    assert left_out(toy, toy.classes["Model"], calls) == {"CrossLayer"}


CONVERSIONS = """\
def build():
    mapping = {
        "toy": [WeightRenaming(".gate.", ".router.")],
        "ToyModel": [WeightRenaming(source_patterns="a", target_patterns="b")],
    }
    mapping["other"] = mapping["toy"]
    return mapping
"""


def test_conversions_that_would_rename_gates() -> None:
    conversions = module(CONVERSIONS, "conversion_mapping")
    assert mapped_names(conversions) == {"toy", "ToyModel", "other"} and mapped_names(None) == frozenset()
    assert gate_restored(conversions, "toy", "quality_gate.gate.weight") == [
        ("quality.router.gate.weight", "quality_gate.gate.weight")
    ]
    assert gate_restored(conversions, "ToyModel", "weight.c") == []


def test_modules_are_read_and_never_executed() -> None:
    text = "import torch.nn as nn\nfrom ...utils import x as y\n\nZ: int = 1\nA = B = raise_()\n\nasync def f(): ...\n\nif Z:\n    C = 1\n"
    toy = read_module(Source("m.py", "transformers.models.toy.m", text))
    assert set(toy.definitions) == {"Z", "A", "B", "f", "C"}
    assert toy.imports == {"nn": ("torch.nn", None), "y": ("transformers.utils", "x")}
    assert names_in(ast.parse("a.b = c")) == {"a", "c"}
    with pytest.raises(ConversionError, match="unreadable-base"):
        read_module(Source("m.py", "m", "x = ="))


def test_what_constructors_build() -> None:
    toy = base().modeling
    init = toy.own_method(toy.classes["ToyDecoderLayer"], "__init__")
    assert {name: ast.unparse(call.func) for name, call, _ in assigned_calls(init)} == {
        "self_attn": "ToyAttention",
        "mlp": "ToyMLP",
        "norm": "ToyNorm",
    }
    assert init is not None and is_super_call(init.body[0], "__init__") and not is_super_call(init.body[1], "__init__")
    assert view().load("transformers.models.nowhere") is None
