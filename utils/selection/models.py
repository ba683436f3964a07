"""Gated models with their tokenizers: of a training run, of a gated checkpoint, of a base that is gated first."""

from __future__ import annotations

import inspect
import os
import time
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import torch
import yaml
from checkpoints import Options, gate_checkpoint
from checkpoints.documents import read_document
from checkpoints.gating import LATER
from checkpoints.hub import find_folder, named_gguf
from checkpoints.loading import load_model, load_tokenizer
from checkpoints.paths import read_small
from diagnostics.errors import words_of
from files.writing import write_file
from naming.kinds import MEANT
from naming.models import HasGates
from telling.tools import named, typed
from torch import nn

from generated import register_quality_gate
from selection.alignment import aligned_whole
from selection.errors import SelectionError
from selection.values import CONFIG, MODEL
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase


TARGET_ARGUMENTS = ("quality_targets", "quality_labels")  # of `forward`, the one that is meant first
_LARGEST = 1 << 20  # bytes of a configuration


@dataclass(frozen=True, slots=True)
class Loaded:
    """A gated model and what belongs to it."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str  # as it was asked for
    digest: str  # of the gates' weights
    layers: tuple[int, ...]  # those that have a gate

    @property
    def end(self) -> str:
        """What ends an answer."""
        return self.tokenizer.eos_token or ""

    @property
    def longest(self) -> int:
        """Tokens that the model was made for; 4096 where that is more, or is not said."""
        text = self.model.config.get_text_config()
        told = (getattr(text, name, None) for name in ("max_position_embeddings", "n_positions"))
        most = next((each for each in told if isinstance(each, int) and each > 0), 4096)
        return min(most, 4096)

    def tokenize(self, text: str) -> tuple[list[int], list[tuple[int, int]] | None]:
        """Tokens of a text, and the characters that each was made of; None where nothing tells them."""
        found = self.tokenizer(text, return_offsets_mapping=self.tokenizer.is_fast, verbose=False)
        tokens: list[int] = found["input_ids"]
        offsets: list[tuple[int, int]] | None = found.get("offset_mapping")
        return tokens, aligned_whole(text, tokens, self._decode) if offsets is None else offsets

    def _decode(self, tokens: list[int]) -> str:
        return str(self.tokenizer.decode(tokens, clean_up_tokenization_spaces=False))


def target_argument(model: PreTrainedModel) -> str:
    """What `forward` calls the targets of samples."""
    known = inspect.signature(model.forward).parameters
    return next((name for name in TARGET_ARGUMENTS if name in known), TARGET_ARGUMENTS[0])


def load(
    name: str, dtype: str = "float32", device: str = "cpu", base: str | None = None, generated: Path | None = None
) -> Loaded:
    """The model of a run (its base with its gates) or of a gated checkpoint, ready for scoring.

    Args:
        name: the folder of a run of train_gates.py, or a gated checkpoint: a folder, or a name on the Hub.
        dtype: of the weights; gates are float32 always.
        device: "cpu", "cuda:0", ...
        base: for a run, the gated checkpoint that its gates belong to, where that is not where it was.
        generated: a folder of a user's generated models, looked into before those that come with the tools.

    Raises:
        SelectionError: it is none of these, or gates and base do not fit.
        CheckpointError: there is no such checkpoint, it cannot be loaded, or it has no tokenizer.
    """
    folder = find_folder(name)
    is_run = (folder / CONFIG).is_file()
    home = _home(folder, base) if is_run else folder
    model = _model(home, dtype, generated)
    if is_run:
        try:
            cast(HasGates, model).load_quality_gates(folder)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise SelectionError(
                folder, f"its gates do not load: {error}", "give the base that they were trained on"
            ) from error
    cast(nn.Module, model).to(device)  # transformers wraps it, without types
    return loaded_from(model, load_tokenizer(folder if is_run else home), name)


def load_for_training(
    name: str, output: Path, dtype: str = "float32", generated: Path | None = None
) -> tuple[Loaded, str]:
    """A gated checkpoint, or a base, which is gated into `output/model` first; and where the gated checkpoint is.

    Args:
        name: a folder, or a name on the Hub.
        output: the folder of the run. Of several processes, the first one gates, and the others wait.
        dtype: of the weights; gates are float32 always.
        generated: a folder of a user's generated models, looked into before those that come with the tools.

    Raises:
        SelectionError: the first process made none.
        CheckpointError: there is no such checkpoint, it cannot be gated or loaded, or it has no tokenizer.
    """
    folder = find_folder(name)
    home = folder
    if named_gguf(name) or not _is_gated(folder):
        home = output / MODEL
        if int(os.environ.get("RANK", 0)):
            _wait_for(home)  # the first process makes it
        else:
            base = name if named_gguf(name) else folder
            gate_checkpoint(base, home, options=Options(), hashes=LATER, generated=generated)
    return loaded_from(_model(home, dtype, generated), load_tokenizer(home), name), str(home.resolve())


def _wait_for(folder: Path, seconds: float = 3600) -> None:
    """Until another process has made a folder, which it does in one step."""
    end = time.monotonic() + seconds
    while not folder.exists():
        if time.monotonic() > end:
            raise SelectionError(folder, "was not made by the first process", "look at what that one says")
        time.sleep(0.5)


def _home(folder: Path, base: str | None) -> Path:
    """The gated checkpoint that a run's gates belong to."""
    if base is not None:
        return find_folder(base)
    if (folder / MODEL).is_dir():
        return folder / MODEL
    found = read_run(folder).get("gated_model")
    if not isinstance(found, str):
        raise SelectionError(folder / CONFIG, "does not say `gated_model`", "name the gated checkpoint with --base")
    return find_folder(found)


def read_run(folder: Path) -> dict[str, Any]:
    """The configuration of a run. Raises SelectionError where it is no YAML of names and values."""
    try:
        found = yaml.safe_load(read_small(folder, folder / CONFIG, _LARGEST))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        text = words_of(error, whole=True)[:200]
        raise SelectionError(folder / CONFIG, f"is not YAML: {text}", "train the gates again") from error
    if not isinstance(found, dict):
        raise SelectionError(folder / CONFIG, "is not a run's configuration", f"give a folder of {named('train')}")
    return found


def _is_gated(folder: Path) -> bool:
    if not (folder / "config.json").exists():
        return False  # a GGUF file, which the tools for checkpoints know
    _, config = read_document(folder / "config.json")
    return str(config.get("model_type", "")).startswith(MEANT.family)


def _model(folder: Path, dtype: str, generated: Path | None) -> PreTrainedModel:
    if not _is_gated(folder):
        fix = f"gate it: {typed('gate')} --base ... --output ..., or train gates: {typed('train')}"
        raise SelectionError(folder, f"is neither a gated checkpoint nor a run of {named('train')}", fix)
    register_quality_gate()
    return load_model(folder, dtype, generated=generated, auto=AutoModelForCausalLM)


def loaded_from(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> Loaded:
    """A gated model that is in memory already, with its tokenizer."""
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    digest = sha256()
    for weight_name, weight in sorted(_gates(model)):
        digest.update(weight_name.encode() + weight.detach().float().cpu().numpy().tobytes())
    return Loaded(model, tokenizer, name, digest.hexdigest(), tuple(cast(HasGates, model).quality_layers()))


def _gates(model: PreTrainedModel) -> list[tuple[str, torch.Tensor]]:
    return [(name, weight) for name, weight in model.named_parameters() if MEANT.mark in f".{name}"]


def write_original_gates(model: PreTrainedModel, path: Path) -> None:
    """The gates as `full_rank_weights.pt`, for the original project's readers."""
    weights = {name: weight.detach().float().cpu().clone() for name, weight in _gates(model)}
    document = {
        "full_rank_weights": weights,
        "mode": "parameter",
        "target_patterns": [MEANT.attribute, ".gate.weight"],
        "tokenizer_saved": True,
    }
    packed = BytesIO()
    torch.save(document, packed)
    write_file(path, [packed.getvalue()])


def freeze_all_but_gates(model: PreTrainedModel) -> int:
    """Only gates learn from now on; returns how many there are."""
    gates = {name for name, _ in _gates(model)}
    for name, weight in model.named_parameters():
        weight.requires_grad = name in gates
    return len(gates)
