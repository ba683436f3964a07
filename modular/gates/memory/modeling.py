# SPDX-License-Identifier: Apache-2.0
"""What gates add to the classes of a model, by their roles."""

import torch
from torch import nn

from transformers import initialization as init
from transformers.modeling_utils import PreTrainedModel

from .bank import MemoryBank, states_below
from .configuration import MemoryGateConfig, check_memory_gate_config, memory_layers_of, query_layer_of
from .content import CopyMemoryFusion, MemoryGate, MemoryNorm
from .losses import retrieval_loss
from .original import ProductKeyMemoryGate, SwiGLUMemoryFusion
from .outputs import MemoryGateOutput, loss_function_of_base, reads_memory, returns_memory
from .reading import MemoryReading
from .storage import freeze_backbone, load_explicit_lm, load_memory_gates, save_memory_gates


def norm_for_memory(config: MemoryGateConfig, number: int) -> nn.Module | None:
    """The norm of what the gates of a layer are given, where that writes what was read."""
    return MemoryNorm(config.hidden_size, eps=1e-6) if number in memory_layers_of(config) else None


def gate_of_memory(config: MemoryGateConfig, number: int, gate: type[MemoryGate]) -> nn.Module | None:
    """What finds rows: in the content design of one layer, a `gate`, in the original one of each that writes them."""
    if config.memory_design == "original":
        return ProductKeyMemoryGate(config, number) if number in memory_layers_of(config) else None
    return gate(config) if memory_layers_of(config) and number == query_layer_of(config) else None


def fusion_of_memory(config: MemoryGateConfig, number: int) -> nn.Module | None:
    """What writes them, for each layer of `memory_layers`."""
    if number not in memory_layers_of(config):
        return None
    return SwiGLUMemoryFusion(config, number) if config.memory_design == "original" else CopyMemoryFusion(config)


def add_memory_bank(model: PreTrainedModel) -> None:
    """Give a base model its bank; heads have that of theirs."""
    if model.base_model is model and model.config.get_text_config().use_memory and not hasattr(model, "memory"):
        model.memory = MemoryBank(model.config.get_text_config())


def memory_bank_of(model: PreTrainedModel) -> torch.Tensor:
    """The token ids of the bank, `[knowledge_num, knowledge_length]`. What is written into it is read from then on."""
    return model.base_model.memory.memory_bank


def write_memory(model: PreTrainedModel, rows: torch.Tensor, token_ids: torch.Tensor) -> None:
    """Write rows of tokens, `[rows, knowledge_length]`, into the bank, under the numbers `rows`."""
    model.base_model.memory.write(rows, token_ids)


@torch.no_grad()
def memory_keys(model: PreTrainedModel, token_ids: torch.Tensor) -> torch.Tensor:
    """The vectors of norm 1 by which rows of tokens `[rows, knowledge_length]` are found: `[rows, width]`.

    In the original design, whose keys do not depend on rows, they are the means of the tokens' embeddings.
    """
    base, bank = model.base_model, model.base_model.memory
    token_ids = token_ids.to(bank.memory_bank.device)
    mask = bank.masks(token_ids)
    if model.config.get_text_config().memory_design == "content":
        return content_gate(base).keys(bank.encoded(base, token_ids), mask)
    embedded = base.get_input_embeddings()(token_ids).float() * mask[..., None]
    return nn.functional.normalize(embedded.sum(1), dim=-1)


def content_gate(model: PreTrainedModel) -> nn.Module:
    """The gate that finds rows by content. Raises ValueError where there is none."""
    for each in model.base_model.modules():
        if hasattr(each, "null_similarity"):
            return each
    raise ValueError('Only models with `memory_design="content"` find rows by what they say, and learn to.')


def retrieval_loss_of(
    model: PreTrainedModel,
    states: torch.Tensor,
    memory_targets: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """The retrieval loss alone, of states that `memory_states` gave, `[batch, tokens, hidden_size]`.

    What is below the gate does not learn, so that states may be kept and used in every epoch.

    Args:
        states: of a batch of texts.
        memory_targets: `[batch, tokens]`, as forwards take them.
        attention_mask: `[batch, tokens]`, 0 for padding.

    Raises:
        ValueError: the design has no such loss.
    """
    gate = content_gate(model)
    memory = MemoryReading(model.base_model, attention_mask, targets=memory_targets)
    return retrieval_loss(gate, gate.queries(states, memory), memory)


class MemoryGatePreTrainedModel(PreTrainedModel):
    _keep_in_fp32_modules_strict = ["memory_gate", "gated_memory_fusion", "memory_norm"]
    memory_bank = property(memory_bank_of)
    write_memory = write_memory
    memory_keys = memory_keys
    memory_states = states_below
    retrieval_loss = retrieval_loss_of
    freeze_backbone = freeze_backbone
    save_memory_gates = save_memory_gates
    load_memory_gates = load_memory_gates
    load_explicit_lm = staticmethod(load_explicit_lm)
    loss_function = property(loss_function_of_base, PreTrainedModel.loss_function.fset)

    def __init__(self, config: MemoryGateConfig, *inputs, **kwargs):
        check_memory_gate_config(config)
        super().__init__(config, *inputs, **kwargs)

    def post_init(self):
        add_memory_bank(self)
        super().post_init()

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if hasattr(module, "start_memory"):
            module.start_memory()
        if getattr(module, "starts_at_zero", False):
            init.zeros_(module.weight)


class MemoryGateModel(MemoryGatePreTrainedModel):
    _tp_plan = {  # each device finds and writes all: rows are of the whole vocabulary
        "layers.*.memory_gate.row_weights": "replicate",
        "layers.*.memory_gate.query_weights": "replicate",
        "layers.*.memory_gate.projection": "replicate",
        "layers.*.memory_gate.gate_proj": "replicate",
        "layers.*.gated_memory_fusion.query": "replicate",
        "layers.*.gated_memory_fusion.key": "replicate",
        "layers.*.gated_memory_fusion.previous_key": "replicate",
        "layers.*.gated_memory_fusion.gate_proj": "replicate",
        "layers.*.gated_memory_fusion.up_proj": "replicate",
        "layers.*.gated_memory_fusion.down_proj": "replicate",
    }

    @returns_memory(MemoryGateOutput)
    @reads_memory
    def forward(
        self, *, output_memory: bool | None = None, memory_targets: torch.LongTensor | None = None, **kwargs
    ): ...


class MemoryGateForCausalLM(MemoryGatePreTrainedModel):
    @returns_memory(MemoryGateOutput)
    def forward(self, *, output_memory: bool | None = None, memory_targets: torch.LongTensor | None = None, **kwargs):
        r"""
        Example:

        ```python
        >>> outputs = model(**inputs, output_memory=True)
        >>> rows, alphas = outputs.memory_rows[0], outputs.memory_alphas[0]  # what was found, and how far it was let in
        ```"""
