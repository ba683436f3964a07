"""Where the gates of a checkpoint go, and what new ones weigh."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from naming.kinds import MEANT

from checkpoints.architectures import Architecture
from checkpoints.casting import FLOATS
from checkpoints.configs import text_config
from checkpoints.errors import CheckpointError
from checkpoints.forms import is_count
from checkpoints.headers import Tensor
from checkpoints.layout import CONFIG
from checkpoints.modules import made_gates


_GATE = MEANT.weight
_LAYER = re.compile(r"^(.+)\.([0-9]{1,9})\.(\w+)\.")
_LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers", "decoder_layers")
_DRAWN = 1 << 20  # numbers that are drawn at a time
_SMALL_FLOAT = re.compile(r"F[468]_|F4")
_FURTHER = re.compile(r"nextn|mtp")  # what counts layers behind the others, which predict tokens further on
_EMBEDDINGS = ("embed_tokens", "wte", "word_embeddings", "embed_in")
_HIDDEN = ("hidden_size", "d_model", "n_embd")


def gate_tensors(
    folder: Path, names: Mapping[str, Tensor], config: Mapping[str, Any], architecture: Architecture
) -> list[Tensor]:
    """The gates that a base checkpoint is to get, in the order of the layers: `[1, hidden]` in float32.

    Their names go on as those of the base's layers begin, whatever a checkpoint puts before "layers": older image-text
    checkpoints, base models and heads differ.

    Args:
        folder: the base checkpoint, for the text of a refusal.
        names: the base's tensors by name.
        config: the gated configuration.
        architecture: the gated one.

    Raises:
        CheckpointError: a gate is there already, or the layers are not where the configuration says they are.
    """
    kind = architecture.facts.names
    present = next((name for name in names if MEANT.owns(name) or kind.owns(name)), None)
    if present is not None:
        raise CheckpointError(folder, f"holds `{present}`: it is gated already", "give the base it was made from")
    text = text_config(config)
    count, hidden = _size(text, _LAYERS, architecture), _size(text, _HIDDEN, architecture)
    if hidden is None:
        raise CheckpointError(folder / CONFIG, f"does not say `{_HIDDEN[0]}`", "fetch the file again")
    stack, layers = _find_stack(folder, names, architecture, count)
    _refuse_small_floats(folder, names, stack, config)
    _check_amounts(folder, names, stack, config, count, max(layers, default=-1) + 1)
    layers = {number for number in layers if count is None or number < count}
    if kind != MEANT:
        dtype = "F32" if kind.is_float32 else dtype_of_layers(names, stack)
        return made_gates(folder, config, architecture, stack, dtype)
    answers = any(str(head).endswith("ForQuestionAnswering") for head in config.get("architectures") or ())
    if answers and stack.startswith("transformer."):  # the gated heads load what language models load
        message = f"`{stack}.*` are not the names of the gated model's layers, which begin with `model.`"
        raise CheckpointError(folder, message, "gate the language model, and train the head on it")
    norm = _norm(architecture)
    _check_width(folder, names, stack, [f"{stack}.{number}.{norm}.weight" for number in sorted(layers)], hidden)
    if not architecture.facts.every_layer_has_a_gate:
        layers = {number for number in layers if f"{stack}.{number}.{norm}.weight" in names}
    if not layers:
        message = (
            f"the gated {architecture.facts.name} has gates in some layers, and names on disk do not tell in which"
        )
        raise CheckpointError(folder, message, "load the base into the gated class, and save it")
    return [Tensor(f"{stack}.{number}.{_GATE}", "F32", (1, hidden)) for number in sorted(layers)]


def dtype_of_layers(names: Mapping[str, Tensor], stack: str) -> str:
    """The type of most weights in a list of layers: what gates have that are projections like others."""
    types = Counter(tensor.dtype for name, tensor in names.items() if name.startswith(f"{stack}."))
    return next((dtype for dtype, _ in types.most_common() if dtype in FLOATS), "F32")


def _check_width(folder: Path, names: Mapping[str, Tensor], stack: str, norms: list[str], hidden: int) -> None:
    """Raise CheckpointError where layers are not as wide as the gates that they would get."""
    problem = None
    for norm in norms:
        weight = names.get(norm)
        if weight is not None and weight.shape != (hidden,):
            problem = f"`{norm}` has the shape {list(weight.shape)}, but the gates read {hidden} numbers"
            break
    wide = (weight for name, weight in names.items() if name.startswith(f"{stack}."))
    if problem is None and not any(hidden in weight.shape and weight.size for weight in wide):
        problem = f"says that gates read {hidden} numbers, and no weight in `{stack}` has that many"
    if problem is not None:
        raise CheckpointError(folder / CONFIG, problem, "fetch configuration and weights of one model")


def _check_amounts(
    folder: Path, names: Mapping[str, Tensor], stack: str, config: Mapping[str, Any], count: int | None, found: int
) -> None:
    """Raise CheckpointError where there are more layers, or fewer rows of embeddings, than a configuration says.

    Args:
        folder: the base checkpoint, for the text of a refusal.
        names: the base's tensors by name.
        stack: what the names of the layers begin with.
        config: the gated configuration.
        count: of the layers, by the configuration.
        found: how many layers the weights have.
    """
    text = text_config(config)
    said = {name: size for part in (config, text) for name, size in part.items() if is_count(size)}
    others = {size for name, size in said.items() if name.endswith("layers")}  # an encoder's, a decoder's
    further = sum(size for name, size in said.items() if _FURTHER.search(name))
    problem = None
    if count is not None and found > count + further and found not in others:
        problem = f"says {count} layers, and the weights have {found} in `{stack}`"
    vocabulary, path = text.get("vocab_size"), stack.rpartition(".")[0]
    for name in (f"{path}.{each}.weight".lstrip(".") for each in _EMBEDDINGS):
        if name in names and is_count(vocabulary) and names[name].shape[:1] < (vocabulary,):
            problem = f"says `vocab_size` {vocabulary}, and `{name}` has the shape {list(names[name].shape)}"
    if problem is not None:
        raise CheckpointError(folder / CONFIG, problem, "fetch configuration and weights of one model")


def _refuse_small_floats(folder: Path, names: Mapping[str, Tensor], stack: str, config: Mapping[str, Any]) -> None:
    """Floats of 8 bits or fewer are a quantizer's, which has scales for them, and the configuration says which one."""
    weights = (tensor for name, tensor in names.items() if name.startswith(f"{stack}."))
    packed = next((tensor for tensor in weights if _SMALL_FLOAT.match(tensor.dtype)), None)
    if packed is not None and not config.get("quantization_config"):
        message = f"`{packed.name}` is of the type {packed.dtype}, and {CONFIG} names no quantizer that packed it"
        fix = "dequantise the base and save it (bfloat16, float16 or float32), then gate that"
        raise CheckpointError(folder, message, fix)


def draw_gates(tensors: list[Tensor], mean: float, std: float, seed: int) -> Iterator[Iterator[bytes]]:
    """The bytes of new gates, one after the other: normal numbers, the same for one seed on every machine and in every
    numpy, however many are drawn at a time. Each has to be taken before the next.

    Args:
        tensors: the gates.
        mean, std: of the normal distribution.
        seed: of all numbers, 0 to 2^32 - 1.
    """
    random = np.random.RandomState(seed)  # the one generator whose stream numpy promises never to change
    for tensor in tensors:
        yield _draw(random, mean, std, math.prod(tensor.shape))


def empty_gates(tensors: list[Tensor]) -> Iterator[Iterator[bytes]]:
    """The bytes of gates of zeros, one after the other."""
    for tensor in tensors:
        yield (bytes(min(_DRAWN, tensor.size - start)) for start in range(0, tensor.size, _DRAWN))


def _draw(random: np.random.RandomState, mean: float, std: float, count: int) -> Iterator[bytes]:
    for start in range(0, count, _DRAWN):
        yield random.normal(mean, std, min(_DRAWN, count - start)).astype("<f4").tobytes()


def _find_stack(
    folder: Path, names: Mapping[str, Tensor], architecture: Architecture, count: int | None
) -> tuple[str, set[int]]:
    """What the names of the text model's layers begin with: the list of modules most like the gated layer class.

    Some configurations tell `count` by a list of their own: then it is how many layers there are.
    """
    wanted = {name for layer in architecture.facts.layers for name in layer.attributes}
    parts: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for name in names:
        if found := _LAYER.match(name):
            parts[found[1]][int(found[2])].add(found[3])
    likeness = {
        stack: len(wanted & {name for layer in layers.values() for name in layer})
        for stack, layers in parts.items()
        if _are_all_there(layers, len(layers) if count is None else count)
    }
    outer, most = _outermost(likeness), max(likeness.values(), default=0)
    # Some bases have names of their own on disk for every part of a layer: then the outermost list it is.
    best = [stack for stack, score in likeness.items() if score == most and (score or stack in outer)]
    if len(best) != 1:
        number = "" if count is None else f"{count} "
        some = ", ".join(sorted(best)[:9])
        lists = f"{len(best):,} lists of {number}layers ({some})" if best else f"no {number}layers"
        message = f"holds {lists} like those of the gated {architecture.facts.name}, which {CONFIG} promises"
        raise CheckpointError(folder, message, "fetch configuration and weights of one model")
    return best[0], set(parts[best[0]])


def _are_all_there(layers: Mapping[int, object], count: int) -> bool:
    """Whether layers 0 to `count` - 1 are among these. A configuration may promise any number of them."""
    return count <= len(layers) and all(number in layers for number in range(count))


def _outermost(stacks: Iterable[str]) -> set[str]:
    """Those of some lists of modules that are in none of the others."""
    found: set[str] = set()
    last = None
    for stack in sorted(stacks, key=lambda name: name.replace(".", "\0")):  # what is in a list comes right behind it
        if last is None or not stack.startswith(f"{last}."):
            found.add(stack)
            last = stack
    return found


def _norm(architecture: Architecture) -> str:
    return next((layer.gated_norm for layer in architecture.facts.layers if layer.gated_norm), "")


def _size(text: Mapping[str, Any], names: tuple[str, ...], architecture: Architecture) -> int | None:
    """A size of the text model: from the checkpoint, else from the defaults of the architecture's configuration."""
    for name in names:
        if isinstance(size := text.get(name), int):
            return size
    fields = architecture.facts.text_config.fields
    defaults = (fields[name].default for name in names if name in fields)
    return next((int(default) for default in defaults if default.isdecimal()), None)
