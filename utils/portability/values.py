"""The frozen nouns: what may differ between two machines, and what came of running suites so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Layout:
    """Where weights lie, and how many threads there are: what one process can change as it goes."""

    offset: int  # bytes behind a multiple of 64 of every weight that a test makes
    threads: int

    @property
    def of_loaded(self) -> int:
        """The offset of weights that a test loads: for every one of those it makes another one, and all in turn."""
        return 60 - self.offset

    def __str__(self) -> str:
        return f"{self.offset}x{self.threads}"

    @classmethod
    def parse(cls, text: str) -> Layout:
        """The opposite of `str`. Raises ValueError."""
        offset, _, threads = text.partition("x")
        return cls(int(offset), int(threads))


@dataclass(frozen=True, slots=True)
class Kernels:
    """Which code adds up: what is settled when a process starts."""

    name: str  # "avx2"
    environment: Mapping[str, str] = field(default_factory=dict)
    capability: str = ""  # what torch has to say of itself then; "" where that is left open
    by_address: bool = False  # sums in an order that depends on the address of the weight, on any processor


@dataclass(frozen=True, slots=True)
class Machine:
    """One process of tests: some kernels, and every layout that each test runs in."""

    kernels: Kernels
    layouts: tuple[Layout, ...]


@dataclass(frozen=True, slots=True)
class MachineResult:
    """What suites said on one machine."""

    machine: Machine
    status: int  # pytest's exit status
    passed: int
    failed: tuple[str, ...]  # "quality_gate_llama::TestGate::test_...[24x1]"
    seconds: float
    said: str = ""  # the end of what pytest printed, where it ran no test
