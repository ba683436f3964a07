"""The original project's `*_router_data.pt`: gates and perplexities of a data set, padded; read as rows of scores."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diagnostics.errors import words_of

from selection.errors import SelectionError
from selection.quality import ALPHA, layer_scores
from selection.table import MEANS, TOKEN_LOGITS, TOKEN_NLL, WEIGHTED
from selection.values import LOGIT, PROB


ENDING = "_router_data.pt"
_TEXTS = ("dataset_name",)
_AGAIN = "give a file of the original project's second stage"


@dataclass(frozen=True, slots=True)
class RouterData:
    """A file of it."""

    path: Path
    dataset: str
    ids: tuple[str, ...]
    gates: torch.Tensor  # [documents, layers, tokens], probabilities
    perplexities: torch.Tensor  # [documents, tokens], 0 where there is padding


def find_files(folder: Path) -> list[Path]:
    """The files of a folder, sorted. Raises SelectionError where there are none."""
    found = sorted(each for each in folder.glob(f"*{ENDING}") if each.is_file())
    if not found:
        raise SelectionError(folder, f"holds no *{ENDING}", "give the folder router_data of an experiment")
    return found


def load_router_data(path: Path, gate_space: str | None = None) -> RouterData:
    """Read a file, and hold it to its form.

    Args:
        path: the file; nothing but tensors and plain values is unpickled.
        gate_space: LOGIT or PROB, where the file does not say (its own word counts where it does).

    Raises:
        SelectionError: it is none, or nobody says whether its gates are logits or probabilities.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        text = words_of(error, whole=True)[:160]
        raise SelectionError(path, f"is not a file of tensors: {text}", _AGAIN) from error
    if not isinstance(found, Mapping):
        raise SelectionError(path, "is not a table of tensors", _AGAIN)
    gates, perplexities = found.get("quality_gates"), found.get("perplexities")
    ids, dataset = found.get("sample_ids"), found.get("dataset_name")
    if not isinstance(gates, torch.Tensor) or gates.ndim != 3:
        raise SelectionError(path, "has no `quality_gates` of three dimensions", _AGAIN)
    if not isinstance(perplexities, torch.Tensor) or perplexities.shape != (gates.shape[0], gates.shape[2]):
        raise SelectionError(path, "has no `perplexities` of the same documents and tokens", _AGAIN)
    if not isinstance(ids, list | tuple) or len(ids) != gates.shape[0]:
        raise SelectionError(path, "has not one of `sample_ids` for every document", _AGAIN)
    space = found.get("gate_space") or gate_space or _evident_space(gates)
    if space not in (LOGIT, PROB):
        message = "does not say whether its gates are logits or probabilities"
        raise SelectionError(path, message, "say it: --gate-space logit (its first release) or prob (its last)")
    values = gates.float()
    name = dataset if isinstance(dataset, str) else path.name.removesuffix(ENDING)
    return RouterData(path, name, tuple(map(str, ids)), values.sigmoid() if space == LOGIT else values, perplexities)


def _evident_space(gates: torch.Tensor) -> str | None:
    """LOGIT where some number can be no probability; otherwise nobody knows."""
    low, high = (float(each) for each in gates.aminmax()) if gates.numel() else (0.0, 0.0)
    return LOGIT if low < 0 or high > 1 else None


def sample_info(data: RouterData, name: str) -> dict[str, Any]:
    """What there is of one document. Raises ValueError where there is none of this name."""
    if name not in data.ids:
        raise ValueError(f"{data.path} has no document {name!r}")
    place = data.ids.index(name)
    return {
        "sample_id": name,
        "dataset_name": data.dataset,
        "quality_gates": data.gates[place],
        "perplexities": data.perplexities[place],
        "position_in_dataset": place,
    }


def rows(data: RouterData, first: int, alpha: float = ALPHA, tokens: bool = False) -> Iterator[dict[str, Any]]:
    """Rows as score_corpus.py writes them.

    Args:
        data: one of the original project's files.
        first: the position of its first document.
        alpha: the power of the perplexity as a token's weight.
        tokens: whether rows hold every token's logits and loss.
    """
    for place, name in enumerate(data.ids):
        perplexities = data.perplexities[place].float().numpy()
        count = max(int((perplexities > 0).sum()), 1)
        ratios, perplexities = data.gates[place, :, :count].numpy(), perplexities[:count]
        scores = layer_scores(ratios, perplexities, alpha)
        nll = np.log(np.maximum(perplexities, 1e-30))
        row = {
            "position": first + place,
            "id": name,
            "source": data.dataset,
            "tokens": count,
            "characters": 0,
            "script": "",
            "perplexity": float(np.exp(nll[1:].mean())) if count > 1 else None,
            "quality": float(scores.mean()),
            WEIGHTED: scores,
            MEANS: layer_scores(ratios, perplexities, 0.0),
        }
        if tokens:
            row[TOKEN_LOGITS] = np.log(ratios / np.maximum(1 - ratios, 1e-30)).ravel()
            row[TOKEN_NLL] = nll
        yield row
