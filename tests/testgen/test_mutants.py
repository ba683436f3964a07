"""The table of mutants fits the generated Llama, and the verdicts on them mean what they say.

`make mutants` runs the suite against every one of them.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from diagnostics.errors import ConversionError
from facts.project import GENERATED
from facts.read import package_files
from naming.kinds import GateNames
from places import PROJECT
from testgen.mutants import cli
from testgen.mutants.apply import mutated
from testgen.mutants.table import MODEL, model_of, mutants
from testgen.mutants.values import Mutant, SuiteResult


KINDS = [GateNames("quality"), GateNames("attention"), GateNames("select")]
PACKAGE = f"quality_gate_{MODEL}"
FILES = package_files(GENERATED / PACKAGE)
SUITE = GENERATED.parent / "tests" / "models" / PACKAGE / f"test_modeling_{PACKAGE}.py"


@pytest.mark.parametrize(
    ("kind", "mutant"), [pytest.param(kind, each, id=each.name) for kind in KINDS for each in mutants(kind)]
)
def test_a_mutant_breaks_one_file_and_is_still_python(kind: GateNames, mutant: Mutant) -> None:
    package = f"{kind.family}{model_of(kind)}"
    intact = package_files(GENERATED / package)
    files = mutated(mutant, package, intact)
    assert [name for name in files if files[name] != intact[name]] == [f"{mutant.file}_{package}.py"]
    ast.parse(files[f"{mutant.file}_{package}.py"])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_names_differ_and_say_who_has_to_notice(kind: GateNames) -> None:
    names = [mutant.name for mutant in mutants(kind)]
    assert len(set(names)) == len(names) >= 25
    package = f"{kind.family}{model_of(kind)}"
    suite = GENERATED.parent / "tests" / "models" / package / f"test_modeling_{package}.py"
    classes = {node.name for node in ast.parse(suite.read_text()).body if isinstance(node, ast.ClassDef)}
    assert {name for mutant in mutants(kind) for name in mutant.noticed_by.split(" or ")} <= classes


def test_a_kind_without_a_table_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--gate", "nothing"]) == 2
    assert "there is no table of mutants for gates of the kind 'nothing'" in capsys.readouterr().out


@pytest.mark.parametrize("old", ["what no file says", "return "])
def test_a_mutant_that_no_longer_applies_is_refused(old: str) -> None:
    with pytest.raises(ConversionError, match="mutant-misses: `sigmoid-twice` replaces what is there"):
        mutated(replace(next(each for each in mutants() if each.name == "sigmoid-twice"), old=old), PACKAGE, FILES)


@pytest.mark.parametrize(
    ("verdicts", "status", "said"),
    [
        ([(1, "TestGate::test_it")], 0, "1 of 1 mutants noticed"),
        ([(0, "")], 1, "the suite has a hole: sigmoid-twice passes"),
        ([(2, "")], 2, "pytest ended with 2 before a test failed"),
        (
            [(1, "TestGate::test_it"), (1, "TestGate::test_that")],
            2,
            "TestGate::test_that fails for the model as it is",
        ),
    ],
)
def test_verdicts_decide_the_exit_status(
    verdicts: list[tuple[int, str]],
    status: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ["sigmoid-twice", cli.INTACT]
    told = [SuiteResult(name, *each, seconds=0.1) for name, each in zip(names, verdicts)]
    monkeypatch.setattr(cli, "preload", lambda *modules: None)
    monkeypatch.setattr(cli, "run_all", lambda *arguments: iter(told))
    assert cli.main(["sigmoid-twice"]) == status
    assert said in capsys.readouterr().out


def test_an_unknown_mutant_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sigmoid-thrice"]) == 2
    assert "unknown-mutant: there is no mutant `sigmoid-thrice`" in capsys.readouterr().out


RUN = """
from pathlib import Path
from testgen.mutants.run import run_all
files = {"__init__.py": "", "modeling_thing.py": ""}
verdicts = run_all([("one", "test_it", files)], "thing", Path(%r), jobs=1)
print(next(verdicts).test)
"""
SUITE_OF_A_THING = """
import os, signal, tempfile
from generated.thing import modeling_thing
def test_it(tmp_path):
    tempfile.mkdtemp()
    os.kill(os.getpid(), signal.%s)
"""


@pytest.mark.parametrize("ends", ["SIGKILL", "SIGCONT"])
def test_a_run_leaves_no_files_however_it_ends(ends: str, tmp_path: Path) -> None:
    (suite := tmp_path / "test_thing.py").write_text(SUITE_OF_A_THING % ends)
    (scratch := tmp_path / "scratch").mkdir()
    paths = os.pathsep.join(map(str, (PROJECT / "utils", PROJECT)))
    environment = {**os.environ, "PYTHONPATH": paths, "TMPDIR": str(scratch)}
    done = subprocess.run([sys.executable, "-c", RUN % str(suite)], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
    assert not list(scratch.iterdir())
