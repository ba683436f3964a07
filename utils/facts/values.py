"""The frozen nouns: what is known of a generated model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from naming.kinds import MEANT, GateNames, ungated

from facts.peculiar import spellings


def base_name(name: str) -> str:
    """The class of transformers that a gated one is made from: "QualityGateLlamaModel" -> "LlamaModel"."""
    name = ungated(name)  # names are those of the base otherwise, but for what `modular/peculiar/` has
    return next((base + name[len(ours) :] for ours, base in spellings().items() if name.startswith(ours)), name)


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """One field of a configuration, as its text has it."""

    annotation: str  # "float | int"
    default: str  # "0.02"; "" where it has none


@dataclass(frozen=True, slots=True)
class ConfigFacts:
    """A configuration class."""

    name: str  # "QualityGateLlamaConfig"
    model_type: str  # "quality_gate_llama"
    fields: Mapping[str, FieldFacts]  # of the file's own classes, in their order
    sub_configs: tuple[str, ...] = ()  # "text_config", "vision_config"
    tp_plan: tuple[str, ...] = ()  # the patterns of `base_model_tp_plan`
    pp_plan: tuple[str, ...] = ()
    ep_plan: tuple[str, ...] = ()

    @property
    def base_name(self) -> str:
        """The configuration of transformers that it extends: "LlamaConfig"."""
        return base_name(self.name)

    @property
    def is_composite(self) -> bool:
        """Whether other configurations are its fields."""
        return bool(self.sub_configs)


@dataclass(frozen=True, slots=True)
class ModelClass:
    """A model that the modeling file exports: a base model, or a head on one."""

    name: str  # "QualityGateLlamaForCausalLM"
    role: str  # "ForCausalLM", "Model"
    config: str  # "QualityGateLlamaConfig"
    tied_weights: tuple[str, ...] = ()  # the keys of `_tied_weights_keys`
    arguments: tuple[str, ...] = ()  # of its `forward`: "input_ids", "attention_mask", ...

    @property
    def base_name(self) -> str:
        """The class of transformers that it is a gated version of: "LlamaForCausalLM"."""
        return base_name(self.name)


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """A class of decoder layers."""

    name: str  # "QualityGateLlamaDecoderLayer"
    has_gate: bool  # whether it has the attribute `quality_gate`
    gate_is_conditional: bool  # whether that depends on the configuration or the layer's number
    gated_norm: str  # the attribute whose output is the gate's input: "post_attention_layernorm"; "" where not plain
    feed_forward: str  # the attribute that reads what the gate reads: "mlp"; "" where not plain
    attributes: tuple[str, ...]  # what `__init__` gives it: "self_attn", "mlp", ...


@dataclass(frozen=True, slots=True)
class Abilities:
    """What an architecture has and can do, as far as its text says."""

    sdpa: bool
    flash: bool
    flex: bool
    full_graph: bool  # compiles without a break
    records_outputs: bool  # `capture_outputs` collects hidden states and attentions
    has_experts: bool
    has_fused_experts: bool  # they run as one operation, which compiles without a break
    has_router_loss: bool  # a load balancing loss, added to the loss
    has_sliding_window: bool
    has_recurrent_state: bool  # layers of linear attention or of a state space model
    has_sinks: bool  # attention with a learned logit that attends to nothing
    has_images: bool
    ties_embeddings: bool  # a `tie_word_embeddings` that heads honour
    checkpoints_gradients: bool
    returns_router_logits: bool  # the output of its language model holds those of the experts
    returns_cache: bool  # the output of its language model holds what generation goes on from
    shifts_labels: bool  # its language model compares each token with the one before; else labels are shifted already
    counts_padding: bool  # padding in front moves the positions of what follows
    names_whole_layers: bool  # it says which layers must stay on one device


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One generated package. `text_*` is what holds the decoder layers; for most models there is nothing else."""

    name: str  # "llama": the base's folder in transformers
    package: str  # "quality_gate_llama"
    prefix: str  # "QualityGateLlama"
    base_prefix: str  # "Llama"
    configs: Mapping[str, ConfigFacts]
    text_config: ConfigFacts
    models: tuple[ModelClass, ...]  # in the order of `__all__`, without the abstract one
    text_model: ModelClass
    causal_lm: ModelClass | None
    layers: tuple[LayerFacts, ...]
    gate: str  # "QualityGateLlamaGate"
    cache: str  # what its language model takes a cache as, and gives it back as: "cache"; "" where it gives none
    abilities: Abilities
    names: GateNames = MEANT  # the kind of its gates

    @property
    def image_config(self) -> ConfigFacts | None:
        """The configuration of the image-text models, where there are any."""
        return next((each for each in self.configs.values() if "vision_config" in each.sub_configs), None)

    @property
    def text_models(self) -> tuple[ModelClass, ...]:
        """The models that take tokens alone."""
        return tuple(each for each in self.models if each.config == self.text_config.name)

    @property
    def image_models(self) -> tuple[ModelClass, ...]:
        """The models that take images as well."""
        return tuple(each for each in self.models if each.config != self.text_config.name)

    @property
    def every_layer_has_a_gate(self) -> bool:
        return all(each.has_gate and not each.gate_is_conditional for each in self.layers)
