"""Gate scores of a forward pass, and a table of them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from rich.table import Table

from transformers import PreTrainedModel


def good_ratios(model: PreTrainedModel, input_ids: torch.Tensor) -> torch.Tensor:
    """Score of every token in every layer, [layers, batch, tokens]; 0 is a closed gate, 1 an open one."""
    with torch.inference_mode():
        outputs = model(input_ids, output_router_logits=True)
    return torch.stack(outputs.quality_logits).squeeze(-1).float().sigmoid()


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
