"""The families with a select gate at tiny sizes, each beside the base it has to agree with."""

from __future__ import annotations

from typing import Any

import families
import torch

from transformers import PreTrainedModel


class Family(families.Family):
    """One base of experts with a select gate."""

    kind = "select"
    kind_prefix = "SelectGate"

    def gated(self, head: str = "ForCausalLM", attention: str = "eager", **fields: Any) -> PreTrainedModel:
        """A tiny gated model in evaluation mode, the same one at every call."""
        return super().gated(head, attn_implementation=attention, **fields)

    def pair(
        self, head: str = "ForCausalLM", attention: str = "eager", own: dict[str, Any] | None = None, **fields: Any
    ) -> tuple[Any, Any]:
        """A base model, and a gated one with the same weights that starts open; `fields` are both's, `own` the gated's."""
        torch.manual_seed(0)
        base = self.base_class(head)(self.base_config(attn_implementation=attention, **fields)).eval()
        gated_fields = {**fields, "select_gate_init": "open", **(own or {})}
        gated = self.gated_class(head)(self.config(attn_implementation=attention, **gated_fields)).eval()
        # question answering heads of the bases call their base model "transformer"
        weights = {key.replace("transformer.", "model."): value for key, value in base.state_dict().items()}
        loaded = gated.load_state_dict(weights, strict=False)
        assert not loaded.unexpected_keys and all(".select_gate." in key for key in loaded.missing_keys)
        return base, gated


_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2}
FAMILIES = (
    Family("olmoe", "Olmoe", _EXPERTS, heads=()),
    Family("mixtral", "Mixtral", {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 4}),
    Family(
        "qwen3_moe",
        "Qwen3Moe",
        {**_EXPERTS, "num_hidden_layers": 3, "mlp_only_layers": [1], "moe_intermediate_size": 16},
    ),
    Family(
        "gpt_oss",
        "GptOss",
        {"sliding_window": 4, "num_local_experts": 4, "num_experts_per_tok": 2},
        attentions=("eager",),
        heads=("ForSequenceClassification", "ForTokenClassification"),
    ),
)
OLMOE, MIXTRAL, QWEN3_MOE, GPT_OSS = FAMILIES
GATES = 2  # in every family: a layer of Qwen3-MoE has none
EXPERTS = 4


def gates_of(model: PreTrainedModel) -> list[Any]:
    """The gates of a model, in the order of its layers."""
    return [each for name, each in model.named_modules() if type(each).__name__.endswith("Gate") and ".select" in name]


def padded(padding: int = 3) -> dict[str, torch.Tensor]:
    """Two samples of nine tokens, the second one padded on the left."""
    ids, mask = families.left_padded(families.tokens(), padding)
    return {"input_ids": ids, "attention_mask": mask}


def score(model: PreTrainedModel, value: float) -> None:
    """Have each gate give one score, whatever it reads."""
    for gate in gates_of(model):
        gate.gate.register_forward_hook(lambda _, args, out: torch.full_like(out, value))


def ran(model: PreTrainedModel, **inputs: Any) -> tuple[Any, dict[str, torch.Tensor]]:
    """The outputs of a pass, and what the mixture of the first gated layer was given, gave, and what the layer gave."""
    layer, seen = model.get_submodule("model.layers.0"), {}
    layer.mlp.register_forward_pre_hook(lambda _, args: seen.__setitem__("normed", args[0]))
    layer.mlp.register_forward_hook(
        lambda _, args, out: seen.__setitem__("experts", out[0] if isinstance(out, tuple) else out)
    )
    layer.post_attention_layernorm.register_forward_pre_hook(lambda _, args: seen.__setitem__("residual", args[0]))
    layer.register_forward_hook(lambda _, args, out: seen.__setitem__("out", out))
    with torch.no_grad():
        outputs = model(**(inputs or padded()), output_router_logits=True)
    return outputs, seen
