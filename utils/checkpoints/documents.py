"""JSON of strangers, read in bounded time and memory: headers, indexes, configurations, manifests.

A few megabytes of JSON can become gigabytes of objects. So what a text would become is estimated from the marks in it
before it is parsed: no model's documents come near the limit, which keeps a process under 300 MiB.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from checkpoints.errors import CheckpointError
from checkpoints.paths import TOO_LARGE, is_there, read_small


LARGEST = 48 << 20  # bytes of a document: what describes a model of 100,000 tensors has less
_BUDGET = 230 << 20  # bytes of memory that the objects may take, and the text with them
# Bytes of memory that a mark stands for, at most: an object, a list, one more element, an entry of an object
_COSTS = ((b"{", 80), (b"[", 180), (b",", 68), (b":", 190))
_DEEPEST = 100  # objects and lists inside each other; beyond a thousand, Python's own json gives up
_AGAIN = "fetch the file again"


def read_document(path: Path) -> tuple[str, dict[str, Any]]:
    """The text of a file of JSON, and the object in it. Raises CheckpointError where there is none."""
    if not is_there(path):
        raise CheckpointError(path, "is missing", "fetch the file, or the whole checkpoint")
    try:
        text, found = parse(read_small(path.parent, path, LARGEST))
    except UnicodeDecodeError as error:
        raise CheckpointError(path, "is not text", _AGAIN) from error
    except ValueError as error:
        raise CheckpointError(path, f"is not JSON: {error}", _AGAIN) from error
    except OverflowError as error:
        raise CheckpointError(path, str(error), _AGAIN, code=TOO_LARGE) from error
    if not isinstance(found, dict):
        raise CheckpointError(path, "is not a JSON object", _AGAIN)
    return text, found


def encode_document(document: Mapping[str, Any]) -> bytes:
    """An object as files of JSON have it."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def parse(data: bytes) -> tuple[str, Any]:
    """JSON as text, and what it says, in bounded time and memory.

    Raises:
        ValueError: it is no JSON, names something twice, is deeper than anything sensible, or holds half a character.
        OverflowError: it would take more memory than any model's document does.
    """
    if (cost := _cost(data)) > _BUDGET:
        raise OverflowError(f"would take {cost >> 20:,} MiB of memory to read, and {_BUDGET >> 20} are the most")
    text = data.decode()
    try:
        found = json.loads(text, object_pairs_hook=_unique_keys)
    except RecursionError:
        raise ValueError("it is too deep") from None
    _check(found, "\\ud" in text or "\\uD" in text)
    return text, found


def _cost(data: bytes) -> int:
    """How many bytes of memory a text takes as bytes, as characters and as objects, at most."""
    width = 1 if data.isascii() and b"\\u" not in data else 4
    return len(data) * (1 + 2 * width) + sum(data.count(mark) * cost for mark, cost in _COSTS)


def _check(found: Any, may_have_halves: bool) -> None:
    """ValueError where a document is too deep, or has a text that cannot be written in UTF-8."""
    level, depth = [found], 0
    while level:
        if (depth := depth + 1) > _DEEPEST:
            raise ValueError(f"it is more than {_DEEPEST} levels deep")
        if may_have_halves:
            for text in (text for each in level for text in _texts(each)):
                _refuse_halves(text)
        level = [value for each in level for value in _values(each) if type(value) in (dict, list)]


def _values(value: Any) -> Iterable[Any]:
    if type(value) is dict:
        return value.values()
    return value if type(value) is list else ()


def _texts(value: Any) -> Iterator[str]:
    if type(value) is dict:
        yield from value
    yield from (each for each in _values(value) if isinstance(each, str))
    if isinstance(value, str):
        yield value


def _refuse_halves(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"it has half a character in {ascii(text)[:80]}") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """ValueError where a key is there twice, which json alone lets pass."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"`{twice}` is there twice")
    return found
