"""Scripts that no command starts answer programs as commands do: scaffold_gate.py and architecture_matrix.py."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matrix.cli
import pytest
import scaffold.cli
from matrix import kinds, runs, workspace
from matrix.values import Common, Made, Row, State, Tally


ROOT = Path(__file__).parents[2]
SCRIPTS = {"scaffold_gate.py": scaffold.cli.main, "architecture_matrix.py": matrix.cli.main}
REFUSED = {"scaffold_gate.py": ["--model", "lama"], "architecture_matrix.py": ["--gate", "atention"]}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "modular" / "gates", tmp_path / "modular" / "gates")
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUALITY_GATE_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("OMP_NUM_THREADS", "HF_HUB_OFFLINE", "TOKENIZERS_PARALLELISM"):
        monkeypatch.setenv(name, "1")  # which the matrix sets: to be restored
    return tmp_path


@pytest.fixture
def told(project: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any, str]]:
    """A script's exit status, its document, which is all of stdout, and what is on stderr."""

    def told(script: str, *words: str) -> tuple[int, Any, str]:
        status = SCRIPTS[script]([*words, "--json"], project=project)
        printed = capfd.readouterr()
        return status, json.loads(printed.out), printed.err

    return told


@pytest.mark.parametrize("script", SCRIPTS)
def test_its_help_has_the_options(script: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert SCRIPTS[script](["--help"], project=project) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: {script} ")
    assert "  --json " in said and "  -q, --quiet " in said and "  -v, --verbose " in said


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("words", [["--no-such-option"], []])
def test_a_refusal_is_one_document(
    script: str, words: Sequence[str], told: Callable[..., tuple[int, Any, str]]
) -> None:
    status, document, said = told(script, *(words or REFUSED[script]))
    [problem] = document["problems"]
    assert (status, document["status"]) == (2, 2) and problem["message"] in said and problem["fix"]
    assert problem["code"] == ("usage" if words else "unknown-gate" if "matrix" in script else "unknown-base")


def test_bases_are_listed_with_their_deltas(
    project: Path, told: Callable[..., tuple[int, Any, str]], capfd: pytest.CaptureFixture[str]
) -> None:
    (project / "modular" / "modular_quality_gate_mistral.py").write_text("")
    status, document, _ = told("scaffold_gate.py", "--list")
    assert status == 0 and [each["base"] for each in document if each["delta"]] == ["mistral"]
    assert scaffold.cli.main(["--list", "-q"], project) == 0
    lines = [line.split() for line in capfd.readouterr().out.splitlines()]  # as `make upgrade` reads them
    assert lines == [[each["base"], "delta" if each["delta"] else "-"] for each in document]


def test_deltas_that_are_written_kept_printed_and_refused(
    project: Path, told: Callable[..., tuple[int, Any, str]], capfd: pytest.CaptureFixture[str]
) -> None:
    status, document, _ = told("scaffold_gate.py", "--model", "mistral", "--stdout")
    [printed] = document["models"]
    assert status == 0 and printed["state"] == "printed" and "problems" not in document
    path = "modular/modular_quality_gate_mistral.py"
    assert printed["text"] == (ROOT / path).read_text() and not (project / path).exists()
    status, document, _ = told("scaffold_gate.py", "--model", "quality_gate_mistral", "--model", "mamba")
    wrote, refused = document["models"]
    assert (status, document["status"]) == (2, 2) and refused == {"base": "mamba", "state": "refused"}
    assert wrote == {key: value for key, value in printed.items() if key != "text"} | {"state": "wrote"}
    assert wrote["path"] == path and (project / path).is_file() and wrote["ungated"] == []
    assert [place.split("/")[-1].split(":")[0] for place in wrote["places"]] == ["modeling_mistral.py"]
    assert [each["code"] for each in document["problems"]] == ["no-feed-forward"]
    status, document, _ = told("scaffold_gate.py", "--model", "mistral")
    assert (status, document["models"]) == (0, [{"base": "mistral", "state": "kept", "path": path}])
    assert scaffold.cli.main(["--model", "mistral"], project) == 0
    assert capfd.readouterr().out == f"kept    {path}\n"
    assert scaffold.cli.main(["--model", "mistral", "-q"], project) == 0
    assert capfd.readouterr().out == ""


def test_the_matrix_answers_with_its_table(
    project: Path, told: Callable[..., tuple[int, Any, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        Row("bart", State.GATED, "", ("modeling_bart.py:1",), Tally(3, 1, (), 12, 96, 1.5, "full")),
        Row("mamba", State.REFUSED, "it has no feed-forward network", (), Tally()),
    ]
    common = {"bart": Common(5, 1, (("T::test", "why"),), (("T::theirs", ""),))}
    monkeypatch.setattr(workspace.MatrixWorkspace, "open", lambda _: None)
    monkeypatch.setattr(workspace, "architectures", lambda: ["bart", "mamba"])
    made = [Made("bart", State.GATED)]
    for name, value in (("make_all", made), ("test_all", rows), ("run_common", common)):
        monkeypatch.setattr(runs, name, lambda *_, value=value: value)
    status, document, said = told("architecture_matrix.py")
    assert (status, document["status"], document["gate"]) == (1, 1, "quality")
    bart, mamba = document["models"]
    assert (bart["base"], bart["verdict"], bart["layers"], bart["parameters"]) == ("bart", "gated", 12, 96)
    assert bart["tests"] == {"passed": 3, "failed": 0, "skipped": 1, "failures": [], "subset": "full"}
    failures = [{"test": "T::test", "said": "why"}]
    assert bart["common"] == {"passed": 5, "failed": 1, "skipped": 1, "failures": failures, "inherited": ["T::theirs"]}
    assert (mamba["verdict"], mamba["reason"], mamba["common"]) == ("refused", "it has no feed-forward network", None)
    assert document["counts"] == {"all": 2, "gated": 1, "failing": 0, "stuck": 0, "refused": 1}
    assert document["common"] == {"passing": 0, "failing": 1, "untried": 0}
    assert (project / document["page"]).is_file() and "2 all, 1 gated" in said
    *_, said = told("architecture_matrix.py", "-q")
    assert said == ""


def test_the_matrix_of_another_kind_answers_with_its_table(
    told: Callable[..., tuple[int, Any, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [kinds.Row("bert", "no place", "modeling_bert.py:230", "it has none"), kinds.Row("llama", "right")]
    monkeypatch.setattr(runs, "survey", lambda *_: rows)
    words = ("--gate", "attention", "--model", "bert", "--model", "llama")
    status, document, _ = told("architecture_matrix.py", *words)
    assert (status, document["gate"], document["page"]) == (0, "attention", "")
    assert document["models"] == [
        {"base": "bert", "verdict": "no place", "where": "modeling_bert.py:230", "why": "it has none"},
        {"base": "llama", "verdict": "right", "where": "", "why": ""},
    ]
    assert document["counts"] == {"right": 1, "warns": 0, "differs": 0, "refused": 0, "no place": 1}
