"""Each step of merging has a reason, and a golden case that comes out otherwise without it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from golden import CASES, expand, expected_files

from converter.merge import classes, methods
from converter.merge.step import MergeStep


TABLES = [
    (classes, "HEADER_STEPS"),
    (classes, "BODY_STEPS"),
    (classes, "FOOTER_STEPS"),
    (methods, "METHOD_STEPS"),
]
ROWS = [(module, name, step) for module, name in TABLES for step in getattr(module, name)]


def left_out(step: MergeStep) -> str:
    """What is made in place of a part: the least that its text still stands with."""
    return {
        "header": "class Left:\n" if step in classes.HEADER_STEPS else "    def left(self):\n",
        "body": "        pass\n",
    }.get(step.part, "")


@pytest.mark.parametrize(("module", "name", "step"), ROWS, ids=[f"{name}-{step.part}" for _, name, step in ROWS])
def test_without_a_step_its_case_comes_out_otherwise(module, name: str, step: MergeStep, monkeypatch) -> None:
    case = CASES / step.case
    empty = replace(step, make=lambda both: left_out(step))
    monkeypatch.setattr(module, name, tuple(empty if each is step else each for each in getattr(module, name)))
    made = expand([case])[case.name]
    assert made != expected_files(case) and not any("internal-error" in text for text in made.values())


def test_what_steps_do_is_said_once_each() -> None:
    said = [step.does for *_, step in ROWS if step.part != "docstring"]
    assert all(len(re.findall(r"\w+", each)) > 3 for each in said) and len(set(said)) == len(said)
