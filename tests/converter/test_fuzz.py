"""A sample of mutated deltas; `make fuzz` tries 700."""

from __future__ import annotations

from dataclasses import replace

import pytest
from building.jobs import Outcome
from fuzz import Mutant, expand, import_error, judge, mutate, run, vanished


DELTA = """\
from ..llama.configuration_llama import LlamaConfig
from ..llama.modeling_llama import LlamaMLP


class MineConfig(LlamaConfig):
    pass


COUNT = 12345678


class MineMLP(LlamaMLP):
    def look(self):
        return COUNT


__all__ = ["MineConfig", "MineMLP"]
"""


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_a_mutant_is_refused_or_right(first: int) -> None:
    wrong: list[str] = []
    run(range(first, first + 10), wrong.append)
    assert wrong == []


def test_seeds_give_the_same_mutants() -> None:
    assert [mutate(seed) for seed in range(5)] == [mutate(seed) for seed in range(5)]
    assert len({mutate(seed).text for seed in range(20)}) == 20


def made() -> tuple[Mutant, Outcome]:
    mutant = Mutant(0, "mine", DELTA, True, ("12345678",))
    return mutant, expand([mutant])[0]


def test_the_judge_passes_what_is_right() -> None:
    mutant, outcome = made()
    assert not outcome.problems
    assert list(vanished(mutant, outcome)) == [] and import_error(outcome) == ""


def test_the_judge_sees_what_vanished_what_is_no_python_and_what_cannot_be_imported() -> None:
    mutant, outcome = made()
    name = "modeling_mine.py"
    lost = replace(outcome, texts={**outcome.texts, name: outcome.texts[name].replace("12345678", "0")})
    assert list(judge(mutant, lost)) == ["vanished: 12345678: COUNT = 12345678"]
    broken = replace(outcome, texts={**outcome.texts, name: "continue\n"})
    assert "does not compile" in next(judge(mutant, broken))
    missing = replace(outcome, texts={name: "from transformers.utils import nothing\n"})
    assert import_error(missing).startswith("ImportError")
