"""A gated checkpoint as a model and its tokenizer, ready to read texts. Needs torch."""

from __future__ import annotations

from pathlib import Path

import torch
from naming.kinds import is_gated
from telling.tools import typed

from checkpoints.errors import CheckpointError, refusing_what_the_system_refuses
from checkpoints.homes import OURS, find_homes
from checkpoints.hub import find_folder
from checkpoints.layout import CONFIG, open_checkpoint
from checkpoints.running import class_of, refusing_what_cannot_run
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase


def load_gated(
    place: str | Path, dtype: str = "float32", trust_remote_code: bool = False, generated: Path | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model of a gated checkpoint in evaluation mode, and its tokenizer.

    Args:
        place: a folder, or a name on the Hub.
        dtype: the type that the model runs in; gates stay in float32.
        trust_remote_code: whether code that comes with the checkpoint may be run; nobody is asked.
        generated: a folder of a user's generated models, looked into before those that come with the tools.

    Raises:
        CheckpointError: there is no such checkpoint, it is not gated, it cannot be loaded, or it has no tokenizer.
    """
    folder = find_folder(place)
    model = load_model(folder, dtype, trust_remote_code, generated)
    return model, load_tokenizer(folder, trust_remote_code)


def load_model(
    folder: Path,
    dtype: str = "float32",
    trust_remote_code: bool = False,
    generated: Path | None = None,
    auto: type[AutoModelForCausalLM] | None = None,
) -> PreTrainedModel:
    """The model of a gated checkpoint in evaluation mode.

    Args:
        folder: of the checkpoint.
        dtype: the type that the model runs in; gates stay in float32.
        trust_remote_code: whether code that comes with the checkpoint may be run; nobody is asked.
        generated: a folder of a user's generated models, looked into before those that come with the tools.
        auto: what chooses the class, where the models are those that come with the tools and are registered; the class that
            the configuration names without it.

    Raises:
        CheckpointError: it is not gated, or cannot be loaded.
    """
    checkpoint = open_checkpoint(folder)
    if not is_gated(checkpoint.config.get("model_type")):
        fix = f"gate it first: {typed('gate')}"
        raise CheckpointError(folder / CONFIG, "is the configuration of a model without gates", fix)
    homes = find_homes(generated, folder)
    with refusing_what_the_system_refuses(folder), refusing_what_cannot_run(checkpoint):
        chosen = class_of(checkpoint, homes) if auto is None or homes != OURS else auto
        model: PreTrainedModel = chosen.from_pretrained(
            folder, dtype=getattr(torch, dtype), trust_remote_code=trust_remote_code
        )
    model.eval()
    return model


def load_tokenizer(folder: Path, trust_remote_code: bool = False) -> PreTrainedTokenizerBase:
    """The tokenizer in a folder. Raises CheckpointError where there is none that can be read."""
    try:
        found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except Exception as error:  # tokenizers raise plain exceptions on a vocabulary that they cannot build
        message = "holds no tokenizer that can be read"
        raise CheckpointError(folder, message, "add the tokenizer's files to the folder") from error
    return found
