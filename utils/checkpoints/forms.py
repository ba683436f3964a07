"""What documents must look like before anything is taken out of them: a stranger may have written each."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from naming.kinds import MEANT

from checkpoints.errors import CheckpointError
from checkpoints.paths import file_inside, is_plain


BAD_MANIFEST, BAD_CONFIG = "bad-manifest", "bad-config"
_SHARD = re.compile(r"[\w.\-]+\.safetensors")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HOWS = ("hard", "symlink", "copy")

_TEXT = "text_config"
# What a configuration says of how many or how large, and what a gate is drawn with
_COUNTS = (
    "num_hidden_layers",
    "n_layer",
    "num_layers",
    "n_layers",
    "decoder_layers",
    "hidden_size",
    "d_model",
    "n_embd",
)
_NUMBERS = (MEANT.field("init_mean"), MEANT.field("init_std"))
_MODULES = re.compile(r"(num|n|encoder|decoder)_(\w+_)?(layers?|experts|blocks)")  # of which a model makes so many

Form = Callable[[Any], bool]  # whether a value is what it should be


def is_count(value: Any) -> bool:
    """A whole number from 0 on, and of those that files and tensors can have."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def is_shard_name(value: Any) -> bool:
    """The name of a file of weights, as this project names and links them."""
    return is_plain(value) and bool(_SHARD.fullmatch(value))


def check_config(path: Path, config: Mapping[str, Any]) -> None:
    """Hold the fields of a configuration that are read here to their kinds; they may be missing.

    Raises CheckpointError (`bad-config`).
    """
    for part, place in ((config, ""), (config.get(_TEXT), f"{_TEXT}.")):
        if part is None:
            continue
        problem = next(_wrong(part, _CONFIG, place), None)
        if problem is not None:
            value = part.get(problem.removeprefix(place)) if isinstance(part, Mapping) else part
            message = f"`{problem}` is {repr(value)[:200]}"
            raise CheckpointError(path, message, "fetch the file again, or correct it", code=BAD_CONFIG)


def check_promises(path: Path, config: Mapping[str, Any], weights: int) -> None:
    """Raise CheckpointError (`bad-config`) where a model would be built of more modules than there are weights."""
    parts = (config, *(part for part in config.values() if isinstance(part, Mapping)))
    for name, value in ((name, value) for part in parts for name, value in part.items()):
        if isinstance(value, int) and value > max(weights, 1000) and _MODULES.fullmatch(name):
            message = f"`{name}` is {value:,}, and there are {weights:,} weights"
            raise CheckpointError(path, message, "fetch configuration and weights of one model", code=BAD_CONFIG)


def check_manifest(folder: Path, path: Path, found: Mapping[str, Any]) -> None:
    """Hold a manifest to the form it was written in.

    Raises:
        CheckpointError: `bad-manifest` where a part is missing or of another kind; `outside-folder` where what it names
            is no file of the folder.
    """
    for name in _each(found, "files", _is_object):
        file_inside(folder, name, path)
    problem = next(_problems(found), None)
    if problem is not None:
        message = (
            f"is not a manifest as these commands write it: {problem} is missing, or has something else in its place"
        )
        raise CheckpointError(path, message, "gate the base again, or remove the manifest", code=BAD_MANIFEST)


def _problems(found: Mapping[str, Any]) -> Iterator[str]:
    """The places where a manifest is not what it should be."""
    yield from _wrong(found, _MANIFEST, "")
    yield from _wrong(_of(found, "base"), _BASE, "base.")
    yield from _wrong(_of(found, "gates"), _GATES, "gates.")
    names = []
    for name, entry in _of(found, "files").items():
        yield from _wrong(entry, _FILE, f"files[{name!r}].")
        names += [entry["from"]] if "from" in entry else []
    if len(set(names)) != len(names):
        yield "a `from` of its own for every file"
    for name, entry in _of(found, "tensors").items():
        yield from _wrong(entry, _TENSOR, f"tensors[{name!r}].")


def _wrong(entry: Any, forms: Mapping[str, tuple[Form, bool]], place: str) -> Iterator[str]:
    if not isinstance(entry, Mapping):
        yield place.rstrip(".")
        return
    for field, (form, needed) in forms.items():
        if field in entry and not form(entry[field]) or needed and field not in entry:
            yield f"{place}{field}"


def _each(found: Mapping[str, Any], field: str, form: Form) -> Iterator[Any]:
    value: Any = found.get(field)
    return iter(value) if form(value) else iter(())


def _of(found: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    value = found.get(field)
    return value if isinstance(value, Mapping) else {}


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_texts_by_name(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_text, value.values()))


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_count, value))


def _is_digest(value: Any) -> bool:
    return value is None or isinstance(value, str) and bool(_SHA256.fullmatch(value))


def _are_parts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_part, value))


def _is_part(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 3 or not _is_text(value[0]) or not is_count(value[1]):
        return False
    return value[2] is None or is_count(value[2])


def _or_none(form: Form) -> Form:
    return lambda value: value is None or form(value)


def _is_no_wild_number(value: Any) -> bool:
    """Other kinds are told about where they are used: some configurations have lists there."""
    if isinstance(value, bool):
        return False
    return not isinstance(value, int | float) or is_count(value)


def _is_finite(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value) or isinstance(value, int) and abs(value) < 1 << 63


# field -> what it must be, and whether it must be there
_CONFIG: dict[str, tuple[Form, bool]] = {
    "architectures": (_or_none(_are_texts), False),
    "quantization_config": (_or_none(_is_object), False),
    **dict.fromkeys(_COUNTS, (_is_no_wild_number, False)),
    **dict.fromkeys(_NUMBERS, (_or_none(_is_finite), False)),
}
_MANIFEST: dict[str, tuple[Form, bool]] = {
    **dict.fromkeys(("fingerprint", "method", "model_type", "dtype", "experts"), (_is_text, True)),
    **dict.fromkeys(("base", "gates", "files", "tensors"), (_is_object, True)),
}
_BASE: dict[str, tuple[Form, bool]] = {
    **dict.fromkeys(("source", "model_type", "format"), (_is_text, True)),
    "files": (_are_texts_by_name, True),
    "left_out": (_is_object, True),
}
_GATES: dict[str, tuple[Form, bool]] = {"file": (is_shard_name, True), "tensors": (_are_texts, True)}
_FILE: dict[str, tuple[Form, bool]] = {
    "size": (is_count, True),
    "sha256": (_is_digest, True),
    "from": (is_shard_name, False),
    "modified": (is_count, False),
    "how": (lambda value: value in _HOWS, False),
}
_TENSOR: dict[str, tuple[Form, bool]] = {
    "file": (is_shard_name, True),
    "dtype": (_is_text, True),
    "shape": (_are_counts, True),
    "from": (is_shard_name, False),
    "cast_from": (_is_text, False),
    "parts": (_are_parts, False),
}
