"""The proof from the command line: what is printed, exit statuses, and going on after Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from building.jobs import Outcome
from building.releases import find_release
from diagnostics.errors import ConversionError
from gating.cli import main
from proof.command import SAMPLE, prove_models
from proof.judge import judge
from proof.report import Proven
from proof.running import Release
from proof.values import Finding, FindingKind, Trial, Verdict
from releases import ROOT, VERSION, make_project, make_release


SCRIPT = ROOT / "utils" / "modular_converter.py"
WARNING = Finding("one pass", FindingKind.WARNS, "QualityGateQwen3Model.forward", "log: hm")
DIFFERENCE = Finding(
    "cached step", FindingKind.DIFFERS, "QualityGateQwen3Model.forward", "logits differs in 1 of 8 values"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four deltas, converted against the installed release."""
    folder = make_project(tmp_path_factory.mktemp("prove") / "project")
    assert main(["--all", "--no-cache", "--quiet"], project=folder) == 0
    return folder


def stand_in(*findings: Finding) -> Callable[..., Proven]:
    """A proof that finds these of Qwen3, and nothing of other models."""

    def found(outcomes: Sequence[Outcome], ready: Any, package: Path, *_: Any) -> Proven:
        assert all(one.texts for one in outcomes), "texts of what is on disk already are needed, too"
        assert [*next(iter(ready)).texts] == ["__init__.py"] and all(
            one.job.name.startswith("generated") for one in ready
        )
        assert package.is_dir()
        trials = {one.job.name: Trial(findings=findings if "qwen3" in one.job.name else ()) for one in outcomes}
        return Proven([judge(name, trial) for name, trial in trials.items()], VERSION)

    return found


@pytest.mark.parametrize(("findings", "status"), [((), 0), ((WARNING,), 1), ((WARNING, DIFFERENCE), 2)])
def test_the_worse_of_drift_and_proof_is_the_status(
    project: Path, capsys: pytest.CaptureFixture[str], findings: tuple[Finding, ...], status: int
) -> None:
    assert main(["--drift", "--prove"], project=project, prove=stand_in(*findings)) == status
    out = capsys.readouterr().out
    assert f"\n{4 - bool(findings)} of 4 models are right in transformers {VERSION}" in out
    assert out.startswith("model "), "the drift comes first"


def test_drift_counts_where_every_model_is_right(project: Path, tmp_path: Path) -> None:
    old, new = "        # Fully Connected\n", "        # Fully connected, later\n"
    package = make_release(tmp_path, {"models/llama/modeling_llama.py": (old, new)})
    argv = ["--drift", "--prove", "--against", str(package), "--model", "llama"]
    assert main(argv, project=project, prove=stand_in()) == 1


def test_json_holds_drift_and_proof_of_every_model(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--drift", "--prove", "--json"], project=project, prove=stand_in(DIFFERENCE)) == 2
    read = json.loads(capsys.readouterr().out)
    models = {one["model"]: one for one in read["models"]}
    assert read["status"] == 2
    assert len(models) == 4
    assert models["quality_gate_qwen3"]["verdict"] == "applies"
    assert models["quality_gate_qwen3"]["proof"]["verdict"] == "differs"
    assert models["quality_gate_qwen3"]["proof"]["findings"][0]["where"] == DIFFERENCE.where
    assert models["quality_gate_llama"]["proof"]["verdict"] == "right"


def test_json_is_to_be_had_without_a_proof(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--drift", "--json"], project=project) == 0
    assert [sorted(one) for one in json.loads(capsys.readouterr().out)["models"]][0] == [
        "applies",
        "changes",
        "edited",
        "files",
        "model",
        "release",
        "verdict",
    ]


def test_a_proof_goes_with_drift_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--prove", "--all"]) == 2
    assert "add --drift" in capsys.readouterr().err


def test_a_converter_alone_says_that_it_cannot_prove(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--drift", "--prove"], project=project, prove=None) == 2
    assert "no-proof" in capsys.readouterr().err


def test_a_model_that_is_not_converted_is_refused_with_the_converters_words(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = "class Qwen3MLP(nn.Module):", "class Qwen3FeedForward(nn.Module):"
    package = make_release(tmp_path, {"models/qwen3/modeling_qwen3.py": (old, new)})
    monkeypatch.setenv("QUALITY_GATE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(Release, "at", lambda package: Release(package, ""))
    monkeypatch.setattr("proof.running.served", lambda *_: iter(()))
    proven = prove_models(["qwen3"], package, project=project)
    found = {one.model: one for one in proven.proofs}["quality_gate_qwen3"]
    assert (found.verdict, proven.release) == (Verdict.REFUSED, VERSION)
    assert found.findings[0].what.startswith("undefined-name: ")
    assert "modular_quality_gate_qwen3.py:" in found.findings[0].where
    assert found.findings[0].remedy


def test_a_sample_of_models_is_right_in_the_installed_release() -> None:
    proven = prove_models(SAMPLE)
    assert {one.model for one in proven.proofs} == {f"quality_gate_{name}" for name in SAMPLE}
    assert proven.status == 0, proven.text


@pytest.mark.parametrize("release", ["5.21.0", "5.23.0"])
def test_a_sample_of_models_is_right_in_the_oldest_release_and_the_one_before_the_installed(release: str) -> None:
    proven = prove_models(SAMPLE, find_release(release))
    assert {one.model for one in proven.proofs} == {f"quality_gate_{name}" for name in SAMPLE}
    assert proven.status == 0, proven.text


def test_a_name_that_means_nothing_is_refused() -> None:
    with pytest.raises(ConversionError):
        prove_models(["no_such_model"])


def run(cache: Path, *models: str) -> subprocess.Popen[str]:
    """The command in a session of its own, whose end can be told."""
    argv = [str(SCRIPT), "--drift", "--prove", "--json", "--jobs", "1"]
    argv += [word for name in models for word in ("--model", name)]
    environment = os.environ | {"QUALITY_GATE_CACHE_DIR": str(cache)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # what runs in a background ignores it
    return subprocess.Popen([sys.executable, *argv], env=environment, start_new_session=True, preexec_fn=heed, **pipes)


def test_an_interrupted_run_is_quiet_and_the_next_goes_on(tmp_path: Path) -> None:
    models = ("llama", "mistral", "qwen3")
    started = run(tmp_path, *models)
    until = time.monotonic() + 120
    while len(list(tmp_path.glob("*.model"))) <= len(models):  # of conversions; what follows are proofs
        assert started.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    os.killpg(started.pid, signal.SIGINT)
    assert started.communicate(timeout=120) == ("", "")
    assert started.returncode == 130
    with pytest.raises(ProcessLookupError):  # nothing of its group is left
        os.killpg(started.pid, 0)
    again = run(tmp_path, *models)
    out, err = again.communicate(timeout=300)
    assert (again.returncode, err) == (0, "")
    kept = [one["proof"]["kept"] for one in json.loads(out)["models"]]
    assert len(kept) == len(models)
    assert any(kept) and not all(kept)


def test_nothing_in_proof_is_imported_by_a_run_that_proves_nothing() -> None:
    code = "import sys; from gating.cli import main; main(['--drift', '--model', 'llama']); print(sorted(n for n in sys.modules if n in ('proof', 'torch', 'transformers')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=SCRIPT.parent, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
