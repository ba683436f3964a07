"""What another release changes under the deltas is told, definition by definition, and converting against it works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import pytest
from building.lock import read_lock
from building.releases import find_release
from gating.cli import main
from releases import ROOT, VERSION, make_project, make_release


Drift = Callable[..., tuple[int, str, str]]
MLP = "down_proj = self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))"
CHANGED_MLP = ("models/llama/modeling_llama.py", (MLP, MLP.replace("* self.up_proj(x)", "* (0 + self.up_proj(x))")))
CHANGED_LAYER = (
    "models/llama/modeling_llama.py",
    ("        # Fully Connected\n", "        # Fully connected, later\n"),
)
CHANGED_IMPORT = (
    "models/llama/modeling_llama.py",
    ("from ...activations import ACT2FN", "from transformers.activations import ACT2FN"),
)
CHANGED_METHOD = (
    "models/qwen3/modeling_qwen3.py",
    ("    def extra_repr(self):\n", "    def extra_repr(self):\n        # changed\n"),
)
OWN_METHOD = """

class QualityGateQwen3RMSNorm(base.Qwen3RMSNorm):
    def extra_repr(self):
        return "mine"
"""
GONE = (
    "models/qwen3/modeling_qwen3.py",
    ("class Qwen3DecoderLayer(GradientCheckpointingLayer):", "class Qwen3Block(GradientCheckpointingLayer):"),
)
UNUSED = (
    "models/llama/modeling_llama.py",
    ("def rotate_half(x):", "def rotate_third(x):\n    return x\n\n\ndef rotate_half(x):"),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four deltas, converted against the installed release."""
    folder = make_project(tmp_path_factory.mktemp("drift") / "project")
    assert main(["--all", "--no-cache", "--quiet"], project=folder) == 0
    return folder


@pytest.fixture
def drift(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Drift:
    """Run the command line against a release with some edits: status, stdout, stderr."""
    monkeypatch.setenv("QUALITY_GATE_CACHE_DIR", str(project.parent / "cache"))

    def run(*edits: tuple[str, tuple[str, str]], argv: tuple[str, ...] = ("--drift",)) -> tuple[int, str, str]:
        package = make_release(Path(mkdtemp(dir=tmp_path)), dict(edits)).parent
        capsys.readouterr()
        status = main([*argv, "--against", str(package)], project=project)
        return status, *capsys.readouterr()

    return run


def rows(text: str, start: str) -> list[list[str]]:
    """The lines of a report that begin with a word, split where two spaces are."""
    return [
        [cell.strip() for cell in line.split("  ") if cell] for line in text.splitlines() if line.startswith(start)
    ]


def test_another_version_with_the_same_bases_is_no_drift(drift: Drift, project: Path) -> None:
    before = (project / "generated/lock.json").read_bytes()
    status, out, err = drift()
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == f"no drift: what 4 models are made from is the same in transformers {VERSION}"
    assert [row[2:] for row in rows(out, "quality_gate_")] == [["0", "none", "applies"]] * 4
    assert (project / "generated/lock.json").read_bytes() == before


def test_what_goes_into_no_model_is_no_drift(drift: Drift) -> None:
    assert drift(UNUSED)[0] == 0


def test_a_changed_definition_names_the_models_it_touches(drift: Drift) -> None:
    status, out, _ = drift(CHANGED_MLP)
    assert status == 1
    assert rows(out, "models.") == [["models.llama.modeling_llama.LlamaMLP", "changed", "quality_gate_llama"]]
    assert out.splitlines()[-1] == f"bases of 1 of 4 models changed; every delta applies to transformers {VERSION}"
    assert [row[3:] for row in rows(out, "quality_gate_llama")] == [["modeling_quality_gate_llama.py", "applies"]]


def test_a_layer_that_changed_is_followed(drift: Drift) -> None:
    status, out, _ = drift(CHANGED_LAYER)
    layer = "models.llama.modeling_llama.LlamaDecoderLayer"
    assert [row[:2] for row in rows(out, layer)] == [[layer, "changed"], [f"{layer}.forward", "changed"]]
    assert status == 1 and "the delta has its own" not in out


def test_what_the_delta_has_its_own_of_is_marked(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(project, tmp_path / "project")
    delta = folder / "modular" / "modular_quality_gate_qwen3.py"
    delta.write_text(f"{delta.read_text()}{OWN_METHOD}")
    assert main(["--model", "qwen3", "--no-cache", "--quiet"], project=folder) == 0
    package = make_release(tmp_path / "other", dict([CHANGED_METHOD])).parent
    capsys.readouterr()
    assert main(["--drift", "--model", "qwen3", "--against", str(package)], project=folder) == 1
    method = "models.qwen3.modeling_qwen3.Qwen3RMSNorm.extra_repr"
    found = rows(capsys.readouterr().out, "models.qwen3.modeling_qwen3.Qwen3RMSNorm")
    assert [row[:2] for row in found if row[0] == method] == [[method, "changed; the delta has its own"]]


def test_imports_that_moved_are_drift(drift: Drift) -> None:
    status, out, _ = drift(CHANGED_IMPORT)
    assert status == 1
    assert rows(out, "models.") == [["models.llama.modeling_llama", "imports changed", "quality_gate_llama"]]


def test_a_delta_that_no_longer_applies_is_named_with_its_refusal(drift: Drift) -> None:
    status, out, err = drift(GONE)
    assert status == 2
    assert "modular_quality_gate_qwen3.py:" in err and "the base has no class `Qwen3DecoderLayer`" in err
    assert ["models.qwen3.modeling_qwen3.Qwen3DecoderLayer", "vanished", "quality_gate_qwen3"] in rows(out, "models.")
    assert rows(out, "quality_gate_qwen3")[0][-1] == "refused: unknown-class"
    assert rows(out, "quality_gate_llama")[0][-1] == "applies"
    assert out.splitlines()[-1] == f"1 of 4 deltas no longer apply to transformers {VERSION}"


def test_check_says_which_bases_changed(drift: Drift, project: Path) -> None:
    installed = read_lock(project / "generated")["quality_gate_llama"].transformers
    status, out, _ = drift(CHANGED_MLP, argv=("--model", "llama", "--check", "--table"))
    assert status == 1 and f"        why: transformers {installed} -> {VERSION}, LlamaMLP changed\n" in out


def test_a_model_that_is_not_locked_is_told(drift: Drift, project: Path) -> None:
    lock = project / "generated/lock.json"
    text = lock.read_text()
    try:
        lock.unlink()
        status, _, err = drift(CHANGED_MLP)
        assert status == 0 and err.count("warning: ") == err.count("not-locked: there is no entry for") == 4
    finally:
        lock.write_text(text)


def test_models_made_from_another_release_run_under_it(project: Path, tmp_path: Path) -> None:
    """All four families: converted by the command line of an environment with that release, then run there."""
    package = make_release(tmp_path / "other", dict([CHANGED_MLP]))
    folder = make_project(tmp_path / "project")
    shutil.copytree(ROOT / "utils", folder / "utils", ignore=shutil.ignore_patterns("__pycache__"))
    environment = os.environ | {"PYTHONPATH": f"{package.parent}:{folder}", "HF_HUB_OFFLINE": "1"}
    for script, argv in (("modular_converter.py", ["--all", "--no-cache"]), ("smoke.py", [])):
        command = [sys.executable, str(folder / "utils" / script), *argv]
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    text = (folder / "generated/quality_gate_llama/modeling_quality_gate_llama.py").read_text()
    assert f"transformers {VERSION}.\n" in text and "(0 + self.up_proj(x))" in text


@pytest.mark.parametrize("place", ["src/transformers", "lib/python3.11/site-packages/transformers", "."])
def test_a_release_is_found_in_every_kind_of_folder(tmp_path: Path, place: str) -> None:
    package = tmp_path / place
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text(f'__version__ = "{VERSION}"\n')
    assert find_release(str(tmp_path)) == package.resolve()


def test_releases_that_cannot_be_had(tmp_path: Path, drift: Drift, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--drift", "--against", str(tmp_path)]) == 2
    assert f"{tmp_path}:1:1: no-release: " in capsys.readouterr().err
    assert main(["--drift", "--against", "0.0.0.0"]) == 2
    assert "cannot-fetch: " in capsys.readouterr().err


def test_the_deltas_apply_to_a_release_from_the_package_index(drift: Drift, project: Path) -> None:
    """5.17.0, the oldest release that is supported, fetched as a user would."""
    probe = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(project.parent / "probe")]
    if subprocess.run([*probe, "pip"], capture_output=True, check=False).returncode:
        pytest.skip("no package index to fetch transformers 5.17.0 from")
    assert main(["--drift", "--against", "5.17.0"], project=project) == 1
    assert main(["--all", "--stdout", "--against", "5.17.0"], project=project) == 0
