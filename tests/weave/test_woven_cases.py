"""Golden cases: a folder with a short delta of the toy, and the text that it is woven to, or its refusal.

    delta.py       the short delta; its file is called modular_quality_gate_toy.py
    modeling_toy.py, configuration_toy.py     the base, where it is another than that of tests/weave/toy/
    woven.py       what `--expand` prints
    refused.txt    why not, in its place

`python tests/weave/test_woven_cases.py` writes them anew, to be read before they are committed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


CASES = Path(__file__).parent / "cases"
if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "utils")]

from toy_deltas import problems, written  # noqa: E402


def outcome(case: Path) -> dict[str, str]:
    """The file that a case gives, and its text."""
    modules = {f"transformers.models.toy.{path.stem}": path.read_text() for path in case.glob("*_toy.py")}
    text = (case / "delta.py").read_text()
    found = problems(text, modules)
    if found:
        return {"refused.txt": "".join(f"{each}\n" for each in found)}
    return {"woven.py": written(text, modules)}


def cases() -> list[Path]:
    return sorted(path for path in CASES.iterdir() if path.is_dir())


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_a_delta_is_woven_or_refused(case: Path) -> None:
    expected = {path.name: path.read_text() for path in case.iterdir() if path.name in ("woven.py", "refused.txt")}
    assert outcome(case) == expected
    for name in expected.keys() & {"woven.py"}:
        compile(expected[name], name, "exec")


def test_there_are_cases_of_both_sorts() -> None:
    assert len(list(CASES.glob("*/woven.py"))) >= 4 and len(list(CASES.glob("*/refused.txt"))) >= 4


if __name__ == "__main__":
    for each in cases():
        for name, text in outcome(each).items():
            (each / name).write_text(text)
            print(f"{each.name}: {name}")
