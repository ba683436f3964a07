"""Facts are read off the text of generated files: of the four families, and of files made up to be different."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from facts.project import GENERATED, facts_of, generated_models
from facts.read import read_facts
from facts.values import LayerFacts


CONFIGURATION = """
class QualityGateToyBase(PreTrainedConfig):
    vocab_size: int = 32

class QualityGateToyConfig(QualityGateToyBase):
    model_type = "quality_gate_toy"
    base_model_tp_plan = {"layers.*.mlp": "colwise"}
    hidden_size: int = 8
    n_routed_experts: int | None = None

__all__ = ["QualityGateToyConfig"]
"""
MODELING = """
class QualityGateToyScorer(nn.Module):
    pass

class QualityGateToyMixer(nn.Module):
    def forward(self, x, cache):
        return cache.update_conv_state(x)

class QualityGateToyPlainDecoderLayer(nn.Module):
    def __init__(self, config):
        self.mixer = Mixer(config)
    def forward(self, x):
        return self.mixer(x)

class QualityGateToyDecoderLayer(nn.Module):
    def __init__(self, config, layer_idx):
        self.ln = Norm(config)
        self.norm_2 = Norm(config)
        if layer_idx > 3:
            self.mlp = Experts(config)
        else:
            self.mlp = Network(config) if layer_idx else Network(config, 2)
        if layer_idx:
            self.quality_gate = QualityGateToyScorer(config)
    def forward(self, x):
        y = self.ln(x)
        z = self.attention(y)
        y = self.norm_2(z)
        if self.scale_ffn:
            _, ratio = self.quality_gate(y, output_quality_logits)
        return z + ratio * self.mlp(y)

class QualityGateToyPreTrainedModel(PreTrainedModel):
    config: "QualityGateToyConfig"
    _supports_sdpa = True
    _can_record_outputs = {"hidden_states": QualityGateToyDecoderLayer}

class QualityGateToyModel(QualityGateToyPreTrainedModel):
    def __init__(self, config):
        self.layers = [QualityGateToyDecoderLayer(config, 0), QualityGateToyPlainDecoderLayer(config)]
        self.mixer = QualityGateToyMixer()

class QualityGateToyForCausalLM(QualityGateToyPreTrainedModel):
    _tied_weights_keys = ["lm_head.weight"]

__all__ = ["QualityGateToyPreTrainedModel", "QualityGateToyModel", "QualityGateToyForCausalLM", "toy_loss"]
"""
TOY = {"configuration_quality_gate_toy.py": CONFIGURATION, "modeling_quality_gate_toy.py": MODELING}


def test_every_generated_model_is_found() -> None:
    assert {"llama", "qwen3", "gemma3", "gpt_oss"} <= set(generated_models())


def test_llama() -> None:
    facts = facts_of("llama")
    assert (facts.package, facts.prefix, facts.base_prefix) == ("quality_gate_llama", "QualityGateLlama", "Llama")
    assert facts.text_config.model_type == "quality_gate_llama" and facts.text_config.base_name == "LlamaConfig"
    assert facts.text_config.fields["quality_loss_weight"].default == "0.5"
    assert facts.text_config.fields["quality_loss_weight"].annotation == "float | int"
    heads = ["SequenceClassification", "QuestionAnswering", "TokenClassification"]
    assert [each.role for each in facts.models] == ["Model", "ForCausalLM", *(f"For{head}" for head in heads)]
    assert facts.causal_lm.base_name == "LlamaForCausalLM" and facts.causal_lm.tied_weights == ("lm_head.weight",)
    assert facts.gate == "QualityGateLlamaGate" and facts.every_layer_has_a_gate
    assert (facts.layers[0].gated_norm, facts.layers[0].feed_forward) == ("post_attention_layernorm", "mlp")
    assert "layers.*.self_attn.q_proj" in facts.text_config.tp_plan
    can = facts.abilities
    assert can.sdpa and can.flex and can.full_graph and can.records_outputs and can.ties_embeddings
    assert not (
        can.has_experts or can.has_images or can.has_sliding_window or can.has_recurrent_state or can.has_sinks
    )


def test_gemma3_has_a_text_model_and_image_text_models() -> None:
    facts = facts_of("quality_gate_gemma3")
    assert facts.text_config.model_type == "quality_gate_gemma3_text"
    assert facts.text_model.name == "QualityGateGemma3TextModel"
    assert facts.image_config.sub_configs == ("text_config", "vision_config")
    assert [each.base_name for each in facts.text_models] == [
        "Gemma3TextModel",
        "Gemma3ForCausalLM",
        "Gemma3TextForSequenceClassification",
    ]
    roles = [each.role for each in facts.image_models]
    assert roles == ["Model", "ForConditionalGeneration", "ForSequenceClassification"]
    assert facts.layers[0].gated_norm == "pre_feedforward_layernorm"
    assert facts.abilities.has_images and facts.abilities.has_sliding_window
    assert not facts.abilities.has_recurrent_state


def test_gpt_oss_has_experts_and_sinks() -> None:
    can = facts_of("gpt_oss").abilities
    assert can.has_experts and can.has_fused_experts and can.has_router_loss and can.has_sinks and not can.sdpa


def test_layers_without_a_gate_are_told_from_those_with_one() -> None:
    facts = read_facts("toy", TOY)
    bare = LayerFacts("QualityGateToyPlainDecoderLayer", False, False, "", "", ("mixer",))
    gated = LayerFacts(
        "QualityGateToyDecoderLayer", True, True, "norm_2", "mlp", ("ln", "norm_2", "mlp", "quality_gate")
    )
    assert facts.layers == (bare, gated)
    assert not facts.every_layer_has_a_gate
    assert facts.gate == "QualityGateToyScorer"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("self.norm_2 = Norm(config)", "self.norm_2 = Norm(config) if layer_idx else None", ("", "mlp")),
        ("self.mlp = Experts(config)", "pass", ("norm_2", "")),
        ("self.mlp(y)", "self.mlp(y, z)", ("norm_2", "")),
        ("y = self.norm_2(z)", "y = self.norm_2(z) + z", ("", "mlp")),
        (
            "        if self.scale_ffn:",
            "        if z is None:\n            y = self.ln(z)\n        if self.scale_ffn:",
            ("", "mlp"),
        ),
        ("return z + ratio * self.mlp(y)", "return z + self.mlp(y) + self.shared(y)", ("norm_2", "")),
        ("return z + ratio * self.mlp(y)", "y = self.mlp(y)\n        return self.last(y)", ("norm_2", "mlp")),
    ],
)
def test_what_is_not_plain_is_not_guessed(old: str, new: str, expected: tuple[str, str]) -> None:
    assert old in MODELING
    layer = read_facts("toy", TOY | {"modeling_quality_gate_toy.py": MODELING.replace(old, new)}).layers[1]
    assert (layer.gated_norm, layer.feed_forward) == expected


HEAD = """
    def forward(self, input_ids, *, labels=None, **kwargs):
        loss = nn.CrossEntropyLoss()(logits, LABELS)
        return ToyOutput(router_logits=self.router)
"""


@pytest.mark.parametrize(("labels", "shifts"), [("labels", False), ("labels[..., 1:]", True)])
def test_what_a_head_does_is_read_off_its_forward(labels: str, shifts: bool) -> None:
    head = '    _tied_weights_keys = ["lm_head.weight"]\n'
    text = MODELING.replace(head, head + HEAD.replace("LABELS", labels))
    facts = read_facts("toy", TOY | {"modeling_quality_gate_toy.py": text})
    can = facts.abilities
    assert facts.causal_lm.arguments == ("input_ids", "labels")
    assert (can.shifts_labels, can.returns_router_logits, can.returns_cache) == (shifts, True, False)
    assert not can.counts_padding and not can.names_whole_layers


def test_bases_without_positions_count_padding_but_for_alibi() -> None:
    assert [facts_of(name).abilities.counts_padding for name in ("llama", "bart", "bloom")] == [False, True, False]
    assert [facts_of(name).abilities.shifts_labels for name in ("llama", "bart", "bloom")] == [True, False, True]
    assert [facts_of(name).abilities.names_whole_layers for name in ("llama", "blenderbot")] == [True, False]
    assert facts_of("zaya").abilities.has_recurrent_state
    assert [facts_of(name).abilities.has_router_loss for name in ("mixtral", "llama", "doge")] == [True, False, False]


def test_what_classes_inherit_counts() -> None:
    facts = read_facts("toy", TOY)
    assert list(facts.text_config.fields) == ["vocab_size", "hidden_size", "n_routed_experts"]
    assert {each.config for each in facts.models} == {"QualityGateToyConfig"}
    can = facts.abilities
    assert can.has_experts and can.sdpa and can.has_recurrent_state
    assert not (can.ties_embeddings or can.records_outputs or can.flash)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(LookupError, match="no modeling_quality_gate_toy.py among configuration_quality_gate_toy.py"):
        read_facts("toy", {"configuration_quality_gate_toy.py": CONFIGURATION})
    with pytest.raises(LookupError, match="no class of the modeling file has a `quality_gate`"):
        read_facts("toy", TOY | {"modeling_quality_gate_toy.py": MODELING.replace(".quality_gate", ".scorer")})
    with pytest.raises(LookupError, match="among no files"):
        facts_of("nothing_of_that_name")


def test_facts_need_no_torch() -> None:
    script = "import sys; sys.modules['torch'] = sys.modules['transformers'] = None\n"
    script += "from facts.project import facts_of; import facts.tiny; print(facts_of('gpt_oss').gate)"
    folder = GENERATED.parent / "utils"
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout == "QualityGateGptOssGate\n"
    assert Path(folder, "facts", "read.py").is_file()
