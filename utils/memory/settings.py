"""How memory gates are trained, by name: the one table of settings and their defaults, and values for them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from diagnostics.names import nearest

from memory.errors import BankError


RETRIEVAL, FUSION = "retrieval", "fusion"  # the stages
ORDER = (RETRIEVAL, FUSION)


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How gates are trained; with the defaults SmolLM2-135M learns from 1,800 facts in minutes on a processor."""

    retrieval_steps: int = 220
    retrieval_batch: int = 64  # questions that a row answers, in a step
    retrieval_rate: float = 2e-3
    retrieval_decay: float = 0.05
    nothing_share: float = 0.75  # questions that none answers, to each that one does
    begun_share: float = 0.5  # questions that are asked again within their answer, to each that a row answers
    threshold_share: float = 0.1  # of the rows, whose questions set from where a row is let in, and are not trained on
    fusion_steps: int = 220
    fusion_batch: int = 24
    fusion_rate: float = 3e-3
    gain_rate: float = 9e-3
    fusion_decay: float = 0.01
    accumulation: int = 1  # parts that a batch is taken in
    seed: int = 42
    logging_steps: int = 10


DEFAULTS: dict[str, Any] = {each.name: each.default for each in fields(TrainOptions)}
_FROM_ONE = ("retrieval_batch", "fusion_batch", "accumulation", "logging_steps")


def options_of(*given: Mapping[str, Any]) -> TrainOptions:
    """Options of names with values, the later ones before the earlier. Raises BankError for a name or value that is none."""
    return TrainOptions(**{name: _value(name, value) for each in given for name, value in each.items()})


def pairs(words: Sequence[str]) -> dict[str, str]:
    """The settings of a command line. Raises BankError for a word that is no KEY=VALUE."""
    for word in words:
        if "=" not in word:
            raise BankError("settings", f"{word!r} is not KEY=VALUE", "write retrieval_steps=350")
    return dict(word.split("=", 1) for word in words)


def _value(name: str, value: Any) -> Any:
    if name not in DEFAULTS:
        close = nearest(str(name), DEFAULTS)
        fix = f"did you mean `{close}`?" if close else "docs/memory.md lists the settings"
        raise BankError("settings", f"there is no `{name}`", fix)
    kind, said = type(DEFAULTS[name]), f"`{name}` is {value!r}"
    try:
        number = kind(value) if isinstance(value, str) else value
        if isinstance(value, bool) or not isinstance(number, int | float) or kind(number) != number:
            raise ValueError
    except (ValueError, OverflowError):
        raise BankError("settings", said, f"give a {'whole ' * (kind is int)}number") from None
    if name in _FROM_ONE and number < 1:
        raise BankError("settings", said, "give 1 or more")
    if not 0 <= number < float("inf"):
        raise BankError("settings", said, "give 0 or more")
    if name == "threshold_share" and number > 0.5:
        raise BankError("settings", said, "give a share of the rows, from 0 to 0.5")
    return kind(number)
