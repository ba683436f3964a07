"""A gated checkpoint as a model and its tokenizer, ready to read texts. Needs torch."""

from __future__ import annotations

from pathlib import Path

import torch
from naming.kinds import is_gated

from checkpoints.errors import CheckpointError
from checkpoints.homes import find_homes
from checkpoints.hub import find_folder
from checkpoints.layout import CONFIG, open_checkpoint
from checkpoints.running import class_of, refusing_what_cannot_run
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase


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
    checkpoint = open_checkpoint(find_folder(place))
    if not is_gated(checkpoint.config.get("model_type")):
        fix = "gate it first: python utils/gate_checkpoint.py"
        raise CheckpointError(checkpoint.folder / CONFIG, "is the configuration of a model without gates", fix)
    with refusing_what_cannot_run(checkpoint):
        load = class_of(checkpoint, find_homes(generated, checkpoint.folder)).from_pretrained
        model = load(checkpoint.folder, dtype=getattr(torch, dtype), trust_remote_code=trust_remote_code)
    try:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint.folder, trust_remote_code=trust_remote_code)
    except Exception as error:  # tokenizers raise plain exceptions on a vocabulary that they cannot build
        message = "holds no tokenizer that can be read"
        raise CheckpointError(checkpoint.folder, message, "add the tokenizer's files to the folder") from error
    return model.eval(), tokenizer
