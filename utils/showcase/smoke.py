"""Run generated models once at a tiny size: forward, gate scores, generation."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from inspect import signature
from typing import cast

import torch
from diagnostics.errors import words_of
from facts.tiny import tiny_fields
from naming.kinds import MEANT
from naming.models import Generates, HasGates
from rich.console import Console

from showcase.scores import good_ratios, score_table
from transformers import PreTrainedModel, logging


PREFIX = MEANT.family
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
        told.print(f"{PREFIX}{model}: {words_of(error, whole=True, kind=True)}", style="red", markup=False)
        return False
    return True


def tiny_model(model: str) -> PreTrainedModel:
    """The causal language model of one generated package, with random weights.

    Raises:
        LookupError: the package exports no causal language model.
        ImportError: there is no such package.
    """
    package = importlib.import_module(f"generated.{PREFIX}{model}")
    modeling = importlib.import_module(f"{package.__name__}.modeling_{PREFIX}{model}")
    name = next((name for name in modeling.__all__ if name.endswith("ForCausalLM")), None)
    if name is None:
        raise LookupError(f"{modeling.__name__} exports no class named ...ForCausalLM: {', '.join(modeling.__all__)}")
    model_class = getattr(package, name)
    config_class = model_class.config_class
    torch.manual_seed(0)
    names = [name for name in dir(config_class) if not isinstance(getattr(config_class, name, None), property)]
    made: PreTrainedModel = model_class(config_class(**tiny_fields(names, model)))
    made.eval()
    return made


def run(model: PreTrainedModel, console: Console) -> None:
    """Forward, scores and generation of one model; an ArithmeticError when a score is missing or no number."""
    prompt = torch.arange(3, 15).reshape(2, 6)
    with torch.inference_mode():
        logits = model(prompt).logits
    scores = good_ratios(model, prompt)
    expected = (len(cast(HasGates, model).quality_layers()), *prompt.shape)
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
    console.print("gate scores (good ratio) over tokens:")
    console.print(score_table(spread))
    console.print(f"generated: {tokens[0, prompt.shape[1] :].tolist()}", markup=False)
