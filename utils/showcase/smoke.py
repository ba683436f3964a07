"""Run generated models once at a tiny size: forward, gate scores, generation."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from inspect import signature
from typing import cast

import torch
from diagnostics.errors import words_of
from facts.project import package_of
from facts.tiny import tiny_fields
from naming.kinds import kind_of
from naming.models import Generates
from rich.console import Console

from showcase.scores import gate_scores, said_by, score_table
from transformers import PreTrainedModel, logging


NEW_TOKENS = 8


def failing(models: Sequence[str], quiet: bool = False) -> list[str]:
    """The models that did not run. Prints what each said, or with `quiet` what went wrong alone."""
    logging.set_verbosity_error()
    console = Console(soft_wrap=True, highlight=False, quiet=quiet)
    return [model for model in models if not passes(model, console)]


def passes(model: str, console: Console) -> bool:
    try:
        run(tiny_model(model), console)
    except Exception as error:  # generated code may fail in any way, and the other models should still run
        told = Console(soft_wrap=True, highlight=False)
        told.print(f"{package_of(model)}: {words_of(error, whole=True, kind=True)}", style="red", markup=False)
        return False
    return True


def tiny_model(model: str) -> PreTrainedModel:
    """The causal language model of one generated package, with random weights.

    Raises:
        LookupError: the package exports no causal language model.
        ImportError: there is no such package.
    """
    names = kind_of(package_of(model))
    package = importlib.import_module(f"generated.{package_of(model)}")
    modeling = importlib.import_module(f"{package.__name__}.modeling_{package_of(model)}")
    name = next((name for name in modeling.__all__ if name.endswith("ForCausalLM")), None)
    if name is None:
        raise LookupError(f"{modeling.__name__} exports no class named ...ForCausalLM: {', '.join(modeling.__all__)}")
    model_class = getattr(package, name)
    config_class = model_class.config_class
    torch.manual_seed(0)
    fields = [name for name in dir(config_class) if not isinstance(getattr(config_class, name, None), property)]
    sizes = tiny_fields(fields, package_of(model).removeprefix(names.family))
    made: PreTrainedModel = model_class(config_class(**sizes, **names.tiny))
    made.eval()
    return made


def gate_count(model: PreTrainedModel) -> int:
    """How many gates a model has: the layers' attribute of its kind."""
    attribute = kind_of(model.config.model_type).attribute
    return sum(name.rpartition(".")[2] == attribute for name, _ in model.named_modules())


def run(model: PreTrainedModel, console: Console) -> None:
    """Forward, scores and generation of one model; an ArithmeticError when a score is missing or no number."""
    prompt = torch.arange(3, 15).reshape(2, 6)
    with torch.no_grad():  # as `generate` does
        logits = model(prompt).logits
    scores = gate_scores(model, prompt)
    expected = (gate_count(model), *prompt.shape)
    if tuple(scores.shape) != expected or not scores.isfinite().all():
        raise ArithmeticError(f"expected finite scores of shape {expected}, got {tuple(scores.shape)}: {scores}")
    # a decoder of another model's hidden states writes nothing alone
    writes = "backbone_last_hidden_state" not in signature(model.forward).parameters
    tokens = prompt
    if writes:
        how = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS, "do_sample": False}
        tokens = cast(Generates, model).generate(prompt, **how)

    parameters = sum(weight.numel() for weight in model.parameters())
    console.print(
        f"{type(model).__name__}: {parameters:,} random parameters, logits {list(logits.shape)}", markup=False
    )
    spread = {"mean": scores.mean((1, 2)), "min": scores.amin((1, 2)), "max": scores.amax((1, 2))}
    console.print(f"{said_by(model).words} over tokens:")
    console.print(score_table(spread))
    console.print(f"generated: {tokens[0, prompt.shape[1] :].tolist()}", markup=False)
