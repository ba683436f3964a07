"""What the rendered tests of all architectures share: inputs, pairs of models, and the quality loss worked out by hand.

Nothing here asserts: what has to hold stands in the tests.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from string import ascii_lowercase
from typing import Any

import tokenizers
import torch
from torch import nn

from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast


BATCH, LENGTH = 2, 9
PADDING = 3  # tokens before the second sample of `padded_batch`
GREEDY = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False}
WITH_LOGITS = {"return_dict_in_generate": True, "output_logits": True}
WAYS_TO_GENERATE = {
    "greedy": {},
    "beams": {"num_beams": 3},
    "sampled": {"do_sample": True, "top_k": 5},
    "penalized": {"repetition_penalty": 1.5},
    "uncached": {"use_cache": False},
    "static cache": {"cache_implementation": "static", "disable_compile": True},
}


def tokens(config: PreTrainedConfig, batch: int = BATCH, length: int = LENGTH, seed: int = 1) -> torch.Tensor:
    """Random tokens `[batch, length]`: none of the first three, which are special, nor of the last eight."""
    generator = torch.Generator().manual_seed(seed)
    vocabulary = config.get_text_config().vocab_size
    return torch.randint(3, vocabulary - 8, (batch, length), generator=generator)


def padded_batch(config: PreTrainedConfig, side: str = "left") -> dict[str, torch.Tensor]:
    """Two samples as inputs of a model, the second one padded on one side."""
    input_ids = tokens(config)
    mask = torch.ones_like(input_ids)
    hidden = slice(None, PADDING) if side == "left" else slice(LENGTH - PADDING, None)
    mask[1, hidden] = 0
    if side == "right":  # the same tokens as on the left
        input_ids[1] = input_ids[1].roll(-PADDING)
    return {"input_ids": input_ids.masked_fill(mask == 0, 0), "attention_mask": mask}


def positions_of(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """The place of every token among those of its sample, `[batch, length]`; padding in front is at 0."""
    return (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)


def seeded(model_class: type[PreTrainedModel], config: PreTrainedConfig, seed: int = 0) -> PreTrainedModel:
    """A model in evaluation mode with random weights, the same ones at every call."""
    torch.manual_seed(seed)
    return model_class(config).eval()


def copy_weights(base: PreTrainedModel, gated: PreTrainedModel) -> tuple[set[str], set[str]]:
    """Give a gated model the weights of its base; the names that the base lacks, and those that the gated one does."""
    old, new = f"{base.base_model_prefix}.", f"{gated.base_model_prefix}."
    weights = {
        new + name.removeprefix(old) if name.startswith(old) else name: weight
        for name, weight in base.state_dict().items()
    }
    missing, unexpected = gated.load_state_dict(weights, strict=False)
    return set(missing), set(unexpected)


def gates(model: nn.Module) -> list[nn.Module]:
    """The gates, in the order of their layers."""
    return [module for name, module in model.named_modules() if name.endswith(".quality_gate")]


def gate_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """The gates' parameters by name."""
    return {name: weight for name, weight in model.named_parameters() if ".quality_gate." in name}


def gate_names(model: nn.Module) -> set[str]:
    """The names of the gates' parameters: all of them, where layers share a gate."""
    return {name for name, _ in model.named_parameters(remove_duplicate=False) if ".quality_gate." in name}


def gated_layers(model: nn.Module) -> list[nn.Module]:
    """The layers that have a gate."""
    return [module for module in model.modules() if isinstance(getattr(module, "quality_gate", None), nn.Module)]


@contextmanager
def watched(modules: Sequence[nn.Module]) -> Iterator[list[tuple[torch.Tensor, Any]]]:
    """What each module takes first and gives inside the block, call by call."""
    calls: list[tuple[torch.Tensor, Any]] = []
    hooks = [each.register_forward_hook(lambda _, taken, given: calls.append((taken[0], given))) for each in modules]
    yield calls
    for hook in hooks:
        hook.remove()


@contextmanager
def good_ratios_of(model: nn.Module, value: float) -> Iterator[None]:
    """Every gate says `value`, 0 for shut and 1 for wide open, inside the block."""
    hooks = [
        each.register_forward_hook(lambda _, __, given: (given[0], given[1] * 0 + value)) for each in gates(model)
    ]
    yield
    for hook in hooks:
        hook.remove()


@contextmanager
def silenced(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Each module gives zeros inside the block: those that give several things, zeros as the first."""

    def zeros(_: nn.Module, __: Any, given: Any) -> Any:
        return (given[0] * 0, *given[1:]) if isinstance(given, tuple) else given * 0

    hooks = [each.register_forward_hook(zeros) for each in modules]
    yield
    for hook in hooks:
        hook.remove()


def first_layer_output(model: nn.Module, **inputs: torch.Tensor) -> torch.Tensor:
    """The hidden states that the first gated layer hands on; of one that ends in a norm, those that the norm takes."""
    layer = gated_layers(model)[0]
    leaves = (module for module in layer.modules() if not list(module.children()))
    norms = [module for module in leaves if "Norm" in type(module).__name__]
    with watched([layer]) as calls, watched(norms) as normed, torch.no_grad():
        model(**inputs)
    given = calls[0][1][0] if isinstance(calls[0][1], tuple) else calls[0][1]
    return next((taken for taken, norm_output in normed if norm_output is given), given)


def untyped(fields: dict[str, Any]) -> dict[str, Any]:
    """A configuration's fields without `model_type`, its own and those of the configurations inside."""
    return {
        name: untyped(value) if isinstance(value, dict) else value
        for name, value in fields.items()
        if name != "model_type"
    }


def tensors(outputs: Any) -> dict[str, torch.Tensor]:
    """The tensors of an output by field name."""
    return {name: value for name, value in outputs.items() if isinstance(value, torch.Tensor)}


def cross_entropy_by_hand(logits: torch.Tensor, labels: torch.Tensor, shift: int = 1) -> float:
    """The mean over all labels of minus the log of the probability that the token `shift` places before gives them."""
    costs = [
        -torch.log_softmax(logits[row, place].double(), -1)[label].item()
        for row, sample in enumerate(labels.tolist())
        for place, label in enumerate(sample[shift:])
        if label != -100
    ]
    return statistics.fmean(costs)


def quality_loss_by_hand(
    scores: Sequence[torch.Tensor],
    mask: torch.Tensor,
    kind: str = "linear",
    by_sample: bool = True,
    labels: Sequence[int] | None = None,
    balance: float = 1,
) -> float:
    """The mean over layers of what `docs/gates.md` defines, one number at a time. Defaults are the configuration's."""
    return statistics.fmean(_loss_of_layer(layer, mask, kind, by_sample, labels, balance) for layer in scores)


def _loss_of_layer(
    layer: torch.Tensor,
    mask: torch.Tensor,
    kind: str,
    by_sample: bool,
    labels: Sequence[int] | None,
    balance: float,
) -> float:
    ratios = layer.detach().double().sigmoid().squeeze(-1).tolist()
    samples = [[ratio for ratio, valid in zip(*row) if valid] for row in zip(ratios, mask.tolist())]
    everything = [ratio for sample in samples for ratio in sample]
    mean = statistics.fmean(everything)
    if kind == "beta_moment_matching":
        return (mean - 0.5) ** 2 + (statistics.variance(everything) - 0.05) ** 2
    if kind == "mean_variance_regularization":
        return (mean - 0.5) ** 2 - 0.1 * statistics.variance(everything)
    power = 2 if kind == "mse" else 1
    if not by_sample:
        return statistics.fmean(ratio**power for ratio in everything)
    costs: list[Callable[[float], float]] = [
        (lambda ratio: ratio**power)
        if label is None
        else (lambda ratio: (2 - balance) * (1 - ratio) ** power)
        if label
        else (lambda ratio: balance * ratio**power)
        for label in labels or [None] * len(samples)
    ]
    return statistics.fmean(statistics.fmean(map(cost, sample)) for cost, sample in zip(costs, samples))


def word_tokenizer(config: PreTrainedConfig) -> PreTrainedTokenizerFast:
    """A tokenizer with a word for every token of a vocabulary: a, b, ..., z, aa, ab, ..."""
    letters = ["", *ascii_lowercase]
    words = [first + second for first in letters for second in letters[1:]][: config.vocab_size - 4]
    numbers = {word: number for number, word in enumerate(["<pad>", "<s>", "</s>", "<unk>", *words])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(numbers, unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    names = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
