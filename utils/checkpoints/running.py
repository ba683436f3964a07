"""What a base and a gated model compute. Needs torch, and the memory of one of the two models at a time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from diagnostics.errors import words_of
from naming.kinds import MEANT, GateNames
from naming.models import Generates
from rounding.comparing import rounding_bound
from rounding.layout import lay_out_anew

import transformers
from checkpoints.architectures import architecture_of, is_gated_type
from checkpoints.configs import names_of, text_config
from checkpoints.errors import CheckpointError
from checkpoints.forms import is_count
from checkpoints.homes import OURS, Homes, import_package
from checkpoints.layout import CONFIG, GGUF, Checkpoint
from checkpoints.manifest import read_manifest
from checkpoints.weights import Check
from transformers import AutoTokenizer, PreTrainedModel


NEW_TOKENS = 20
_SHAPE = (2, 16)  # of random tokens
_LONGEST = 512  # tokens of a text
_COMPARED = ("logits", "start_logits", "end_logits", "last_hidden_state")


@dataclass(frozen=True, slots=True)
class ModelOutputs:
    """What one model returned for some tokens."""

    outputs: dict[str, torch.Tensor]
    generated: torch.Tensor | None
    scores: tuple[torch.Tensor, ...] | None  # None of gates that say nothing, and where there are none
    unloaded: list[str]  # names that the checkpoint lacks or the model does not know
    width: int = 0  # of the gates' weights, where there are gates


def compare_runs(
    base: Checkpoint,
    gated: Checkpoint,
    dtype: str,
    text: str | None,
    trust_remote_code: bool = False,
    homes: Homes = OURS,
) -> Iterator[Check]:
    """Checks of outputs, generation and scores; the base's model is gone before the gated one is loaded.

    Args:
        base, gated: the checkpoints.
        dtype: the type that the models run in: "float32", ...
        text: what they read; random tokens without it.
        trust_remote_code: whether code that comes with the checkpoints may be run; nobody is asked.
        homes: the folders of generated models.

    Raises:
        CheckpointError: a model cannot be loaded or run, its code would have to be run, or it has no tokenizer for `text`.
    """
    transformers.logging.set_verbosity_error()
    manifest = read_manifest(gated.folder) or {}
    rounded = manifest.get("dtype", "keep")
    tokens = _tokens(gated, text, trust_remote_code)
    theirs = _run(base, tokens, homes, dtype, rounded, trust_remote_code)
    ours = _run(gated, tokens, homes, dtype, "keep", trust_remote_code)
    for name, run in (("base", theirs), ("gated model", ours)):
        said = "every weight comes from the checkpoint" if not run.unloaded else ", ".join(run.unloaded[:3])
        yield Check(f"the {name} loads completely", not run.unloaded, said)
    yield _check_outputs(theirs, ours, dtype)
    yield _check_generation(theirs, ours)
    names = names_of(gated.config, homes)
    weights = manifest.get("gates", {}).get("tensors", ())
    wanted = 0 if names.bank else len(names.above(weights))  # a gate may be several
    yield _check_scores(ours, wanted, tokens)


def _tokens(gated: Checkpoint, text: str | None, trust_remote_code: bool) -> torch.Tensor:
    """`[batch, tokens]`: those of the text, or random ones that are the same at every call."""
    if text is None:
        size = text_config(gated.config).get("vocab_size")
        generator = torch.Generator().manual_seed(0)
        return torch.randint(0, size if is_count(size) and size else 1000, _SHAPE, generator=generator)
    try:
        tokenizer = AutoTokenizer.from_pretrained(gated.folder, trust_remote_code=trust_remote_code)
    except Exception as error:  # tokenizers raise plain exceptions on a vocabulary that they cannot build
        _refuse_code(gated, error)
        message = "holds no tokenizer to read the text with"
        raise CheckpointError(gated.folder, message, "add the tokenizer's files, or leave out --text") from error
    ids: torch.Tensor = tokenizer(text, return_tensors="pt").input_ids
    return ids[:, :_LONGEST]


def _refuse_code(checkpoint: Checkpoint, error: Exception) -> None:
    """Raise CheckpointError (`remote-code`) where what failed wants to run code that comes with the checkpoint."""
    if isinstance(error, ValueError) and "trust_remote_code" in str(error):
        message = "wants code to be run that comes with it"
        fix = "read that code and give --trust-remote-code, or leave it alone"
        raise CheckpointError(checkpoint.folder, message, fix, code="remote-code") from error


def _run(
    checkpoint: Checkpoint, tokens: torch.Tensor, homes: Homes, dtype: str, rounded: str, trust_remote_code: bool
) -> ModelOutputs:
    with refusing_what_cannot_run(checkpoint):
        return _run_loaded(
            checkpoint,
            tokens,
            names_of(checkpoint.config, homes),
            *_load(checkpoint, homes, dtype, rounded, trust_remote_code),
        )


@contextmanager
def refusing_what_cannot_run(checkpoint: Checkpoint) -> Iterator[None]:
    """A configuration may say anything: what models raise on it is told in a line.

    Raises:
        CheckpointError (`remote-code` where code of the checkpoint would have to be run): whatever a model raises but errors of
            the system.
    """
    try:
        yield
    except (CheckpointError, OSError):
        raise
    except Exception as error:
        _refuse_code(checkpoint, error)
        message = f"transformers cannot load or run it: {words_of(error, kind=True)}"
        raise CheckpointError(checkpoint.folder, message, "correct its configuration, or fetch it again") from error


def _run_loaded(
    checkpoint: Checkpoint, tokens: torch.Tensor, names: GateNames, model: PreTrainedModel, unloaded: list[str]
) -> ModelOutputs:
    mask = torch.ones_like(tokens)
    with torch.inference_mode():
        outputs = model(tokens, attention_mask=mask)
        kept = {name: outputs[name].float() for name in _COMPARED if outputs.get(name) is not None}
        scores = _scores(model, tokens, mask, names) if is_gated_type(checkpoint.config.get("model_type")) else None
        generated = None
        if model.can_generate():
            how = {"max_new_tokens": NEW_TOKENS, "do_sample": False}
            generated = cast(Generates, model).generate(tokens, attention_mask=mask, **how)
    width = max(
        (each.shape[-1] for name, each in model.named_parameters() if each.ndim and names.owns(name)), default=0
    )
    del model, outputs
    gc.collect()
    return ModelOutputs(kept, generated, scores, unloaded, width)


def _scores(
    model: PreTrainedModel, tokens: torch.Tensor, mask: torch.Tensor, names: GateNames
) -> tuple[torch.Tensor, ...] | None:
    """What the gates say of the tokens; None of a kind whose gates say nothing."""
    if not names.declared.scores:
        return None
    asked, told = names.declared.scores
    scores: tuple[torch.Tensor, ...] | None = model(tokens, attention_mask=mask, **{asked: True}).get(told)
    return scores or ()


def _load(
    checkpoint: Checkpoint, homes: Homes, dtype: str, rounded: str, trust_remote_code: bool
) -> tuple[PreTrainedModel, list[str]]:
    """A model in evaluation mode, and what was not loaded. Weights that were rounded for the gated model are here too.

    Weights lie where their files put them until they are laid out anew: after that, in both models alike.
    """
    first = getattr(torch, dtype if rounded == "keep" else rounded)
    more: dict[str, Any] = {"dtype": first, "output_loading_info": True}
    if checkpoint.kind == GGUF:
        more["gguf_file"] = checkpoint.shards[0].name
    if names_of(checkpoint.config) == MEANT and is_gated_type(checkpoint.config.get("model_type")):
        more[MEANT.field("mode")] = "observe"  # gates that scale are meant to change what comes out
    load = class_of(checkpoint, homes).from_pretrained
    model, info = load(checkpoint.folder, trust_remote_code=trust_remote_code, **more)
    unloaded = [f"{kind.removesuffix('_keys')}: {name}" for kind in _NOT_LOADED for name in sorted(info[kind])]
    model = model.to(getattr(torch, dtype)) if rounded != "keep" else model
    return lay_out_anew(model.eval()), unloaded


_NOT_LOADED = ("missing_keys", "unexpected_keys", "mismatched_keys")


def class_of(checkpoint: Checkpoint, homes: Homes) -> Any:
    """The class that the configuration names, from transformers or from generated models.

    Raises:
        CheckpointError: there is no such generated model, or no such class.
    """
    model_type = str(checkpoint.config.get("model_type", ""))
    module, default = transformers, "AutoModelForCausalLM"
    if is_gated_type(model_type):
        try:
            architecture = architecture_of(model_type, homes)
            module = import_package(architecture.folder)
        except (KeyError, ImportError) as error:
            message = f"the gated model type {model_type!r} is not among the generated models"
            fix = "generate it: `make convert`; where it is in another folder, name that: --generated DIR"
            raise CheckpointError(checkpoint.folder / CONFIG, message, fix) from error
        default = next(iter(architecture.heads.values()))
        default = next((name for name in architecture.heads.values() if name.endswith("ForCausalLM")), default)
    name = next(iter(checkpoint.config.get("architectures") or ()), default)
    found = getattr(module, name, None)
    if not isinstance(found, type) or not hasattr(found, "from_pretrained"):
        message = f"names the class {name}, which {module.__name__} does not have"
        raise CheckpointError(checkpoint.folder / CONFIG, message, "update transformers, or correct `architectures`")
    return found


def _check_outputs(theirs: ModelOutputs, ours: ModelOutputs, dtype: str) -> Check:
    """Equal bit by bit in float32: the same operations on weights that lie alike. A gate that observes adds no operation
    in any type, but kernels for half precision differ more from machine to machine: one rounding is let pass."""
    name = "outputs are equal"
    if theirs.outputs.keys() != ours.outputs.keys() or not ours.outputs:
        return Check(name, False, f"{', '.join(theirs.outputs)} of the base, {', '.join(ours.outputs)} of the gated")
    pairs = [(theirs.outputs[key], ours.outputs[key]) for key in ours.outputs]
    if any(one.shape != other.shape for one, other in pairs):
        return Check(name, False, "their shapes differ")
    largest = max(one.abs().max().item() for one, _ in pairs)
    difference = max((one - other).abs().max().item() for one, other in pairs)
    allowed = 0.0 if dtype == "float32" else rounding_bound(ours.width, largest, getattr(torch, dtype))
    finite = all(other.isfinite().all().item() for _, other in pairs)
    said = f"{', '.join(ours.outputs)} {list(pairs[0][0].shape)}: largest difference {difference:.3g}"
    said += f", allowed {allowed:.3g}" if allowed else ", none allowed"
    return Check(name, finite and difference <= allowed, said if finite else f"{said}; some are not numbers")


def _check_generation(theirs: ModelOutputs, ours: ModelOutputs) -> Check:
    name = "greedy generation is equal"
    if theirs.generated is None or ours.generated is None:
        return Check(name, None, "the model does not generate")
    same = torch.equal(theirs.generated, ours.generated)
    return Check(name, same, f"{NEW_TOKENS} tokens after each of {len(ours.generated)} prompts")


def _check_scores(ours: ModelOutputs, wanted: int, tokens: torch.Tensor) -> Check:
    name = "every gate scores every token"
    if ours.scores is None:
        return Check(name, None, "gates of this kind return nothing")
    shapes = {tuple(each.shape) for each in ours.scores}
    passed = {shape[:2] for shape in shapes} == {tuple(tokens.shape)} and len(ours.scores) == (
        wanted or len(ours.scores)
    )
    passed &= all(each.isfinite().all().item() for each in ours.scores)
    said = f"{len(ours.scores)} of {', '.join(str(list(shape)) for shape in shapes)}"
    return Check(name, bool(passed), said)
