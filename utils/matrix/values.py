"""The frozen nouns: an architecture on its way from a name to a row of the table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class Subset(Enum):
    """How much of an architecture's test suite is run."""

    FAST = "fast"  # parity, gradients, generation, saving and loading
    FULL = "full"


class State(Enum):
    """How far an architecture came."""

    GATED = "gated"  # every test passes
    FAILING = "failing"  # it is converted, and some tests fail
    STUCK = "stuck"  # there is a delta, and no model or no tests came of it
    REFUSED = "refused"  # there is no delta: the scaffolder says why


@dataclass(frozen=True, slots=True)
class Made:
    """What there is of an architecture before any test is run."""

    name: str  # "llama": the folder in transformers
    state: State  # GATED stands for: as far as it came without tests
    reason: str = ""
    places: tuple[str, ...] = ()  # "modeling_llama.py:310": the statements of the base that gates stand before
    own_delta: bool = False  # its delta is in modular/, and was not written now
    key: str = ""  # digest of everything that the tests depend on


@dataclass(frozen=True, slots=True)
class Tally:
    """What a test run said."""

    passed: int = 0
    skipped: int = 0
    failures: tuple[tuple[str, str], ...] = ()  # test, what it says
    layers: int | None = None  # with a gate, at the default configuration
    parameters: int | None = None  # of those gates
    seconds: float = 0.0
    subset: str = ""  # what was run: "full" or "fast"


@dataclass(frozen=True, slots=True)
class Common:
    """What the tests said that transformers has for all of its models."""

    passed: int = 0
    skipped: int = 0
    failures: tuple[tuple[str, str], ...] = ()  # test, what it says
    inherited: tuple[tuple[str, str], ...] = ()  # the same, where the base fails as well
    seconds: float = 0.0

    @classmethod
    def from_json(cls, read: dict[str, Any]) -> Common:
        """Raises KeyError or TypeError where something is missing."""
        lists = {name: tuple(map(tuple, read[name])) for name in ("failures", "inherited")}
        return cls(**{**read, **lists})


@dataclass(frozen=True, slots=True)
class Row:
    """One architecture: what the table says of it."""

    name: str
    state: State
    reason: str
    places: tuple[str, ...]
    tests: Tally

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "state": self.state.value}

    @classmethod
    def from_json(cls, read: dict[str, Any]) -> Row:
        """Raises KeyError or TypeError where something is missing."""
        tests = Tally(**{**read["tests"], "failures": tuple(map(tuple, read["tests"]["failures"]))})
        return cls(read["name"], State(read["state"]), read["reason"], tuple(read["places"]), tests)
