"""Where gates on mixtures of experts go: which layers have experts, and on what condition."""

from __future__ import annotations

from textwrap import indent

import pytest
from diagnostics.errors import ConversionError
from scaffold.feedforward import feed_forward_names
from scaffold.short import short_delta
from scaffold.sites.experts_output import find_experts_output
from scaffold.sites.values import Found, NoPlace
from syntax.modules import read_module
from syntax.source import Source
from test_places_of_bases import BY_BASE, module_of
from toy_layers import said


LAYER = """\
class ToyExperts(nn.Module): ...
class ToyMLP(nn.Module):
    def __init__(self, config):
        self.up = nn.Linear(1, 1)
class ToyMoE(nn.Module):
    def __init__(self, config):
        self.shared_experts = ToyMLP(config)
        self.experts = ToyExperts(config)
class ToyTable(nn.Module):
    def __init__(self, config):
        self.num_experts = config.num_experts
        self.up_embed = nn.Embedding(1, 1)
class ToyInside(nn.Module):
    def __init__(self, config):
        self.part = ToyMoE(config)
class ToyAttention(nn.Module):
    def __init__(self, config):
        self.experts = ToyExperts(config)
KINDS = {{"dense": ToyMLP, "sparse": ToyMoE}}
class Layer(nn.Module):
    def __init__(self, config, layer_idx):
        self.attention = ToyAttention(config)
{made}
    def forward(self, x):
        x = x + self.attention(x)
        residual = x
{forward}
        return residual + x
"""
CALL = "x = self.mlp(x)"
SOME = 'hasattr(self.mlp, "experts")'


def find(made: str, forward: str = CALL) -> Found | None:
    text = LAYER.format(made=indent(made, " " * 8), forward=indent(forward, " " * 8))
    module = read_module(Source("toy.py", "toy", text))
    layer = module.classes["Layer"]
    return find_experts_output(module, layer, feed_forward_names(module, layer))


@pytest.mark.parametrize(
    ("made", "when"),
    [
        ("self.mlp = ToyMoE(config)", None),
        ("self.mlp = ToyMoE(config) if layer_idx else ToyMLP(config)", SOME),
        ("if layer_idx:\n    self.mlp = ToyMoE(config)\nelse:\n    self.mlp = ToyMLP(config)", SOME),
        (
            "if layer_idx:\n    self.mlp = ToyMoE(config)\nelif config:\n    self.mlp = ToyMoE()\nelse:\n    self.mlp = ToyMLP()",
            SOME,
        ),
        ("if layer_idx:\n    self.mlp = ToyMoE(config)\nelse:\n    self.mlp = ToyMoE()", None),
        ("kind = ToyMoE if layer_idx else ToyMLP\nself.mlp = kind(config)", SOME),
        ("self.mlp = KINDS[config.kind](config)", SOME),
        ("self.mlp = ToyTable(config)", None),
        ("self.mlp = ToyMLP(config) if layer_idx else ToyTable(config)", 'hasattr(self.mlp, "num_experts")'),
        ("self.mlp = ToyInside(config)", None),
        ("self.mlp = ToyInside(config) if layer_idx else ToyMLP(config)", 'hasattr(self.mlp, "part")'),
        ("self.mlp = ToyMoE(config) if layer_idx else None", 'getattr(self, "mlp", None) is not None'),
    ],
)
def test_layers_with_experts_have_a_place(made: str, when: str | None) -> None:
    [(name, place)] = find(made).declared.items()
    told = f"reads=self.mlp, scales=self.mlp{f', when={when}' if when else ''}"
    assert name == "Layer" and said(place) == told


def test_experts_beside_a_dense_part_are_its_condition() -> None:
    made = "self.mlp = ToyMLP(config)\nif config.sparse:\n    self.moe_experts = ToyMoE(config)"
    forward = "x = self.mlp(x)\nif self.sparse:\n    x = x + self.moe_experts(residual)\nx = self.norm(x)"
    [place] = find(made, forward).declared.values()
    assert place.when == 'getattr(self, "moe_experts", None) is not None' and place.reads == "self.mlp"


@pytest.mark.parametrize("made", ["self.mlp = ToyMLP(config)", "self.mlp = nn.Linear(1, 1)"])
def test_dense_layers_have_none(made: str) -> None:
    assert find(made) is None  # whatever their attention is made of


def test_a_mixture_whose_result_goes_nowhere_is_refused() -> None:
    with pytest.raises(NoPlace) as refused:
        find("self.mlp = ToyMoE(config)", "y = x")
    assert refused.value.line > 1


MIXTURES = {
    *("afmoe", "aria", "axk1", "axk2", "bailing_hybrid", "beam", "cohere2_moe", "dbrx", "deepseek_v2", "deepseek_v3"),
    *(
        "deepseek_v32",
        "deepseek_v4",
        "doge",
        "dots1",
        "dots3_note",
        "ernie4_5_moe",
        "exaone_moe",
        "flex_olmo",
        "flint",
    ),
    *("gemma4", "glm4_moe", "glm4_moe_lite", "glm_moe_dsa", "gpt_oss", "granitemoe", "granitemoe_swa"),
    *("granitemoehybrid", "granitemoeshared", "hunyuan_v1_moe", "hy_v3", "hy_v4", "inkling", "inkling2", "jamba"),
    *("jetmoe", "kimi_linear", "kolibri1", "laguna", "lara_mini", "lfm2_moe", "llama4", "longcat_flash", "mellum"),
    *(
        "mimo_v2_flash",
        "minimax",
        "minimax_m2",
        "minimax_m3_vl",
        "mistral4",
        "mixtral",
        "nemotron_h",
        "olmoe",
        "phimoe",
    ),
    *("qwen2_moe", "qwen3_5_moe", "qwen3_moe", "qwen3_next", "qwen4_exp", "solar_open", "zaya"),
}


@pytest.mark.parametrize("base", BY_BASE)
def test_bases_with_experts_are_told_from_dense_ones(base: str) -> None:
    module = module_of(base)
    layers = [module.classes[row["layer"]] for row in BY_BASE[base] if row["layer"] in module.classes]
    found = [find_experts_output(module, layer, feed_forward_names(module, layer)) for layer in layers]
    assert [each is not None for each in found] == [base in MIXTURES] * len(layers)


@pytest.mark.parametrize("base", ["llama", "gpt2", "bert"])
def test_dense_bases_are_refused_at_the_line_of_their_layer(base: str) -> None:
    with pytest.raises(ConversionError) as refused:
        short_delta(base, gate="select")
    [problem] = refused.value.diagnostics
    assert problem.code == "no-experts" and problem.path.endswith(f"modeling_{base}.py")
    assert problem.line == module_of(base).classes[BY_BASE[base][0]["layer"]].lineno
    assert "has a mixture of experts that a gate could be put on" in problem.message and problem.fix
