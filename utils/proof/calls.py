"""The calls that a base and its converted model have to answer alike. Each takes a model and gives tensors by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch

from proof.methods import old_names, parameters
from proof.pair import Pair


BATCH, LENGTH = 2, 9
PADDING = 3  # tokens before the second sample
SPLIT = 6  # tokens before a cached step
NEW = 4  # tokens that are generated
GREEDY = {"max_new_tokens": NEW, "min_new_tokens": NEW, "do_sample": False}

Given = Mapping[str, Any]
Call = Callable[[Any], Given]


class Lacking(Exception):
    """An output or a parameter that a call is about is not there."""


@dataclass(frozen=True, slots=True)
class Check:
    """A call by the name that reports have."""

    name: str
    call: Call


def tokens(model: Any) -> torch.Tensor:
    """Random tokens `[BATCH, LENGTH]`: none of the first three, which are special, nor of the last eight."""
    vocabulary = model.config.get_text_config().vocab_size
    return torch.randint(3, vocabulary - 8, (BATCH, LENGTH), generator=torch.Generator().manual_seed(1))


def padded(model: Any) -> dict[str, torch.Tensor]:
    """A batch whose second sample is padded on the left: `input_ids` and `attention_mask`, each `[BATCH, LENGTH]`."""
    ids = tokens(model)
    mask = torch.ones_like(ids)
    mask[1, :PADDING] = 0
    return {"input_ids": ids.masked_fill(mask == 0, 0), "attention_mask": mask}


def pass_over(model: Any, inputs: Given) -> Given:
    """The outputs for given inputs."""
    with torch.no_grad():
        return _tensors(model(**inputs))


def one_pass(model: Any) -> Given:
    """The outputs for a padded batch."""
    return pass_over(model, padded(model))


def as_tuple(model: Any) -> Given:
    """The outputs for a padded batch as a tuple, tensors by their places in it. Raises Lacking where it is none."""
    with torch.no_grad():
        outputs = model(**padded(model), return_dict=False)
    if not isinstance(outputs, tuple):
        raise Lacking("with `return_dict=False` it gives no tuple")
    return {f"entry {place}": each for place, each in enumerate(outputs) if isinstance(each, torch.Tensor)}


def scored(gate: str) -> Call:
    """The same with everything returned that a model can return. The gates, of the class `gate`, all give scores then."""

    def call(model: Any) -> Given:
        gates = [name for name, each in model.named_modules() if type(each).__name__ == gate]
        asked, said = (
            set[str](),
            set[str](),
        )  # what is not run, attention to an encoder that is not there, need not say
        hooks = []
        for name in gates:
            hooks.append(_owner(model, name).register_forward_pre_hook(lambda *_, name=name: asked.add(name)))
            hooks.append(model.get_submodule(name).register_forward_hook(lambda *_, name=name: said.add(name)))
        outputs = pass_over(model, {**padded(model), "output_router_logits": True})
        for hook in hooks:
            hook.remove()
        if silent := sorted(asked - said) or (gates[:1] if not said else []):
            raise Lacking(f"{silent[0]} gives no scores")
        return outputs

    return call


def _owner(model: Any, name: str) -> Any:
    """The module that runs another: lists of modules run nothing."""
    path = name.split(".")[:-1]
    found = [model.get_submodule(".".join(path[:deep])) for deep in range(len(path) + 1)]
    lists = torch.nn.ModuleList | torch.nn.ModuleDict
    return next(each for each in reversed(found) if not isinstance(each, lists))


def generated(model: Any) -> Given:
    """Texts that go on from a padded batch, and the logits of every token of them."""
    out = model.generate(**padded(model), **GREEDY, return_dict_in_generate=True, output_logits=True)
    return {"sequences": out.sequences, "logits": torch.stack(out.logits)}


def cached(names: Sequence[str], keyword: str, masked: bool) -> Call:
    """A step that goes on from a cache. `names` are the output's for it, of which the first there is counts."""

    def call(model: Any) -> Given:
        inputs = padded(model) if masked else {"input_ids": tokens(model)}
        first = {name: value[:, :SPLIT] for name, value in inputs.items()}
        last = {**inputs, "input_ids": inputs["input_ids"][:, SPLIT:]}
        with torch.no_grad():
            before = model(**first, use_cache=True)
            cache = next((before[name] for name in names if before.get(name) is not None), None)
            if cache is None:
                raise Lacking(f"the output has no `{names[0]}`")
            after = model(**last, use_cache=True, **{keyword: cache})
        steps = {
            f"{step}.{name}": each
            for step, out in (("before", before), ("step", after))
            for name, each in _tensors(out).items()
        }
        return steps | {f"step.{name}": None for name in names[:1] if after.get(name) is not None}

    return call


def renamed(old: str, new: str) -> Call:
    """A pass that gives an input by its old name."""

    def call(model: Any) -> Given:
        inputs = {**padded(model), "labels": tokens(model)}
        if new not in inputs:
            raise Lacking(f"no input here is called `{new}`")
        return pass_over(model, {old if name == new else name: value for name, value in inputs.items()})

    return call


def backward(pair: Pair) -> Call:
    """The loss and its gradients, by the base's names for the weights."""

    def call(model: Any) -> Given:
        model.zero_grad(set_to_none=True)
        loss = model(input_ids=tokens(model), labels=tokens(model)).loss
        if loss is None:
            raise Lacking("there is no loss")
        loss.backward()
        named = ((name, weight.grad) for name, weight in model.named_parameters())
        called = pair.base_name if model is pair.converted else str
        return {"loss": loss.detach()} | {called(name): grad for name, grad in named if grad is not None}

    return call


def cache_name(pair: Pair) -> str:
    """What a base calls its cache: an output that its forward takes as well. "" where it has none."""
    taken = parameters(type(pair.base).forward)
    with torch.no_grad():
        outputs = pair.base(input_ids=tokens(pair.base), use_cache=True)
        with suppress(Exception):  # a first pass may change a model, and both have to be in the same state afterwards
            pair.converted(input_ids=tokens(pair.base), use_cache=True)
    return next((name for name, value in outputs.items() if name in taken and value is not None), "")


def checks_of(pair: Pair, cache: str, gate: str) -> Iterator[Check]:
    """Every call that a language model has to answer as its base.

    Args:
        pair: the base and the converted model.
        cache: what the base calls its cache; "" where it has none.
        gate: the class of gates.
    """
    old = old_names(type(pair.base).forward)
    names = [cache, *(name for name, new in old.items() if new == cache)]
    yield Check("one pass", one_pass)
    yield Check("pass as a tuple", as_tuple)
    yield Check("pass with scores", scored(gate))
    if cache:
        yield Check("cached step", cached(names, cache, masked=False))
        yield Check("cached step with a mask", cached(names, cache, masked=True))
    for name, new in old.items():
        call = cached(names, name, masked=False) if new == cache else renamed(name, new)
        yield Check(f"old keyword {name}=", call)
    yield Check("padded generate", generated)
    yield Check("backward", backward(pair))


def _tensors(outputs: Any) -> dict[str, torch.Tensor]:
    return {name: value for name, value in outputs.items() if isinstance(value, torch.Tensor)}
