"""Weaving as a stage of conversion: which files it is for, what it stands on, and whose lines its refusals have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from building.library import Library
from building.workspace import PROJECT
from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from gating.cli import main
from syntax.source import Source
from toy_deltas import CASING, PLAIN, delta, library, view, written
from weave.stage import convert, gates_of, kinds_in, located, styled, weaving

from converter.values import Layout, Target


MISTRAL = PROJECT / "modular" / "modular_quality_gate_mistral.py"


def test_a_long_delta_is_left_to_the_converter() -> None:
    text = "from transformers.models.llama.modeling_llama import LlamaMLP\n\n\nclass LongMLP(LlamaMLP):\n    pass\n\n\n__all__ = ['LongMLP']\n"
    found = convert(
        Source("modular_long.py", "transformers.models.long.modular_long", text),
        target("long"),
        library().load,
        CASING,
    )
    assert "class LongMLP(nn.Module):" in found.files["modeling_long.py"]


def target(model: str, strict: bool = True) -> Target:
    return Target(model, Layout.PACKAGE, f"modular/modular_{model}.py", "5.23.0", strict)


def test_a_short_delta_stands_on_the_home_of_its_gate() -> None:
    stage = weaving(PROJECT)
    assert list(stage.stands_on(MISTRAL.read_bytes())) == ["generated.quality_gate_llama"]
    assert list(stage.stands_on(b"from gates.nowhere import Gate\n")) == []
    assert list(stage.stands_on(b"import math\n")) == []
    assert stage.roots == {"gates": gates_of(PROJECT)}


def test_a_project_has_its_own_gates_or_those_that_come_along(tmp_path: Path) -> None:
    assert gates_of(tmp_path) == PROJECT / "modular" / "gates"
    (tmp_path / "modular" / "gates").mkdir(parents=True)
    assert gates_of(tmp_path) == tmp_path / "modular" / "gates"


def test_what_is_no_python_is_not_styled() -> None:
    assert styled("x  =  1\n") == "x = 1\n"
    assert styled("x = = 1\n") == "x = = 1\n"


SHORT = PLAIN + "\n    def forward(self, x):\n        return x.nothing\n\n\nSIZE: int = 3\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("        return x.nothing", 12),  # the same line of the same class
        ("    something = else", 8),  # the class
        ("SIZE: int = 3", 15),
        ("class Elsewhere:", 5),  # what the weave writes follows from the base
    ],
)
def test_a_problem_has_the_line_of_the_short_delta(line: str, expected: int) -> None:
    above = {"SIZE: int = 3": "", "class Elsewhere:": ""}.get(
        line, "class QualityGateToyDecoderLayer(ToyDecoderLayer):\n"
    )
    whole = Source("modular.py", "x", f"# header\n\n{above}{line}\n")
    number = whole.text.rstrip("\n").count("\n") + 1
    source = Source("modular.py", "x", SHORT)
    found = located(Diagnostic("code", "modular.py", number, 3, "is wrong", "mend it"), source, whole)
    assert (found.line, found.column) == (expected, 1)
    assert found.message == f"is wrong (line {number} of what `--expand` prints)"


def test_a_problem_of_another_file_keeps_its_place() -> None:
    problem = Diagnostic("code", "other.py", 7, 3, "is wrong", "mend it")
    assert located(problem, delta(), Source("modular.py", "x", "")) is problem


def test_doubts_that_are_let_pass_have_lines_of_the_short_delta_too() -> None:
    text = f"{PLAIN}\n\nclass QualityGateToyNorm(base.ToyNorm):\n    def forward(self, x):\n        return 2 * super().forward(x)\n"
    with pytest.raises(ConversionError) as error:
        convert(delta(text), target("quality_gate_toy"), view().load, CASING)
    [problem] = error.value.diagnostics
    assert (problem.code, problem.line) == ("nested-super", 14)
    found = convert(delta(text), target("quality_gate_toy", strict=False), view().load, CASING)
    [warning] = found.warnings
    assert warning == problem
    assert "return 2 * super().forward(x)" in found.files["modeling_quality_gate_toy.py"]


def test_expand_prints_what_the_weave_makes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", "mistral", "--expand"]) == 0
    printed = capsys.readouterr().out
    assert "class QualityGateMistralDecoderLayer(MistralDecoderLayer):" in printed
    assert "class QualityGateMistralConfig(MistralConfig):" in printed
    compile(printed, "printed", "exec")


def test_the_same_text_comes_out_under_every_hash_seed() -> None:
    code = "from toy_deltas import written; print(written())"
    paths = os.pathsep.join((str(Path(__file__).parent), str(PROJECT / "utils")))
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": paths}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout == written() + "\n"


def test_a_users_kinds_are_added_to_those_that_come_with_the_tools(tmp_path: Path) -> None:
    ours = kinds_in(PROJECT / "modular" / "gates")
    for kind in ("scalar", "select"):
        (tmp_path / "modular" / "gates" / kind).mkdir(parents=True)
        (tmp_path / "modular" / "gates" / kind / "__init__.py").write_text('GATE = Gate(\n    home="llama",\n)\n')
    stage = weaving(tmp_path)
    assert stage.kinds == tuple(sorted({*ours, "scalar"}))
    library = Library(stage.roots)
    assert library.path("gates.quality.modeling") == PROJECT / "modular" / "gates" / "quality" / "modeling.py"
    # a user's goes first
    assert library.path("gates.select") == tmp_path / "modular" / "gates" / "select" / "__init__.py"
    assert library.path("gates.select.modeling") is None
    assert [*stage.stands_on(b"from gates.quality import QualityGate\n")] == ["generated.quality_gate_llama"]
    assert [*stage.stands_on(b"from gates.scalar import ScalarGate\n")] == ["generated.scalar_gate_llama"]
