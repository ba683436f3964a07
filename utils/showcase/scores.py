"""Gate scores of a forward pass, and a table of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from naming.kinds import MEANT, kind_of
from rich.table import Table

from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class Says:
    """What the gates of one kind say: how a forward is asked for it, where it stands in the output, what it is."""

    argument: str
    field: str  # of the output: a tensor for each gate, `[batch, tokens, ...]`
    words: str
    ratio: Callable[[torch.Tensor], torch.Tensor]  # that tensor -> `[batch, tokens]`


def _open(logits: torch.Tensor) -> torch.Tensor:
    return logits.squeeze(-1).float().sigmoid()


def _of_heads(gates: torch.Tensor) -> torch.Tensor:
    return gates.float().flatten(2).mean(-1)


SAYS = {
    "quality": Says("output_router_logits", "quality_logits", "gate scores (good ratio)", _open),
    "select": Says("output_router_logits", "quality_logits", "gate scores (share of the experts' output)", _open),
    "attention": Says("output_attention_gates", "attention_gates", "attention gates (mean of heads)", _of_heads),
    "memory": Says("output_memory", "memory_alphas", "memory gates (how far memory is let in)", torch.Tensor.float),
}


def said_by(model: PreTrainedModel) -> Says:
    """What the gates of a model say. Raises LookupError for a kind of gate that nothing here knows of."""
    kind = kind_of(model.config.model_type).kind
    if kind not in SAYS:
        raise LookupError(f"{type(model).__name__} has {kind} gates; what they say is known of {', '.join(SAYS)}")
    return SAYS[kind]


def good_ratios(model: PreTrainedModel, input_ids: torch.Tensor) -> torch.Tensor:
    """Score of every token in every layer, [layers, batch, tokens]; 0 is a closed quality gate, 1 an open one."""
    return _asked(model, input_ids, SAYS[MEANT.kind])


def gate_scores(model: PreTrainedModel, input_ids: torch.Tensor) -> torch.Tensor:
    """What the gates of any kind say of every token, [gates, batch, tokens]; 0 is a closed gate.

    Raises LookupError for a kind of gate that nothing here knows of.
    """
    return _asked(model, input_ids, said_by(model))


def _asked(model: PreTrainedModel, input_ids: torch.Tensor, says: Says) -> torch.Tensor:
    with torch.no_grad():
        outputs = model(input_ids, **{says.argument: True})
    return torch.stack([says.ratio(each) for each in getattr(outputs, says.field)])


def score_table(columns: Mapping[str, torch.Tensor]) -> Table:
    """One row a layer; `columns` holds one score a layer, `[layers]`, under each heading.

    Raises ValueError where they differ in length.
    """
    table = Table()
    table.add_column("layer", justify="right")
    for heading in columns:
        table.add_column(heading, justify="right")
    for layer, row in enumerate(zip(*(scores.tolist() for scores in columns.values()), strict=True)):
        table.add_row(str(layer), *(f"{score:.4f}" for score in row))
    return table
