"""The families with an attention gate at tiny sizes, each beside the base it has to agree with."""

from __future__ import annotations

from typing import Any

import families
import torch

from transformers import PreTrainedConfig, PreTrainedModel


class Family(families.Family):
    """One base architecture with an attention gate."""

    kind = "attention"
    kind_prefix = "AttentionGate"

    def gated(self, head: str = "ForCausalLM", attention: str = "eager", **fields: Any) -> PreTrainedModel:
        """A tiny gated model in evaluation mode, the same one at every call."""
        return super().gated(head, attn_implementation=attention, **fields)

    def pair(
        self, head: str = "ForCausalLM", attention: str = "eager", mode: str = "headwise", **fields: Any
    ) -> tuple[Any, Any]:
        """A base model, and a gated one with the same weights whose gates start at 1; `fields` are both's."""
        torch.manual_seed(0)
        base = self.base_class(head)(self.base_config(attn_implementation=attention, **fields)).eval()
        own = {"attention_gate_mode": mode, "attention_gate_init": "identity"}
        gated = self.gated_class(head)(self.config(attn_implementation=attention, **own, **fields)).eval()
        loaded = gated.load_state_dict(base.state_dict(), strict=False)
        assert not loaded.unexpected_keys and all(".attention_gate." in key for key in loaded.missing_keys)
        return base, gated


FAMILIES = tuple(
    Family(
        each.name,
        each.prefix,
        each.sizes,
        each.heads,
        each.attentions if each.name == "gpt_oss" else (*each.attentions, "flex_attention"),
        each.config_name,
        each.model_name,
        each.has_experts,
    )
    for each in families.FAMILIES
)


def padded(config: PreTrainedConfig, padding: int = 3) -> dict[str, torch.Tensor]:
    """Two samples of nine tokens, the second one padded on the left."""
    ids = torch.randint(3, config.vocab_size - 8, (2, 9), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, :padding] = 0
    return {"input_ids": ids.masked_fill(mask == 0, 0), "attention_mask": mask}
