"""The kind of gate that docs/kinds.md adds: its files as they stand there, woven, converted, proven and run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from gating.cli import main
from proof.command import prove_models


ROOT = Path(__file__).resolve().parents[2]
_FILE = re.compile(r"^```python (?P<path>\S+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_RUN = """
import torch
from generated import register_gates
from generated.scalar_gate_mistral import ScalarGateMistralConfig, ScalarGateMistralForCausalLM as Gated
from transformers import AutoModelForCausalLM, MistralConfig, MistralForCausalLM

assert register_gates() == ("scalar_gate_llama", "scalar_gate_mistral")
sizes = dict(vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
             num_key_value_heads=1, head_dim=8)
base = MistralForCausalLM(MistralConfig(**sizes)).eval()
tokens = torch.arange(12).view(2, 6)
for start, equal in ((1.0, True), (0.5, False)):
    model = Gated(ScalarGateMistralConfig(**sizes, scalar_gate_start=start)).eval()
    assert [name for name, w in model.named_parameters() if w.shape == (1,)] == [
        f"model.layers.{layer}.scalar_gate.number" for layer in range(2)]
    missing, unexpected = model.load_state_dict(base.state_dict(), strict=False)
    assert len(missing) == 2 and not unexpected
    assert torch.equal(model(tokens).logits, base(tokens).logits) is equal
    assert type(model(tokens, return_dict=False)) is tuple
model(tokens, labels=tokens).loss.backward()
assert all(layer.scalar_gate.number.grad.abs() > 0 for layer in model.model.layers)
model.save_pretrained("saved")
again = AutoModelForCausalLM.from_pretrained("saved").eval()
assert type(again) is Gated and again.model.layers[1].scalar_gate.number.item() == 0.5
try:
    ScalarGateMistralConfig(**sizes, scalar_gate_start=float("inf"))
except ValueError as error:
    assert "`scalar_gate_start` is inf" in str(error)
else:
    raise AssertionError("no start is infinite")
print("done")
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of the page's files alone, with two bases converted."""
    project = tmp_path_factory.mktemp("project")
    files = _FILE.findall((ROOT / "docs" / "kinds.md").read_text(encoding="utf-8"))
    assert [Path(path).name for path, _ in files] == ["__init__.py", "configuration.py", "modeling.py"]
    for path, text in files:
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "templates", project / "templates")
    assert main(["--gate", "scalar", "--model", "llama", "--quiet"], project=project) == 0
    assert main(["--gate", "scalar", "--model", "mistral", "--quiet"], project=project) == 0
    return project


def test_a_short_delta_is_written_and_its_place_followed(project: Path) -> None:
    delta = (project / "modular" / "modular_scalar_gate_mistral.py").read_text()
    assert 'scalar_gate = ScalarGate(reads="self.mlp", scales="self.mlp")' in delta
    modeling = (project / "generated" / "scalar_gate_mistral" / "modeling_scalar_gate_mistral.py").read_text()
    scaled = "hidden_states = self.mlp(hidden_states)\n        hidden_states = self.scalar_gate(hidden_states)\n"
    assert scaled in modeling and "good_ratio" not in modeling


def test_the_kind_computes_what_its_base_does(project: Path) -> None:
    proven = prove_models(["scalar_gate_llama", "scalar_gate_mistral"], processes=1, project=project)
    assert proven.status == 0, proven.text
    assert "2 of 2 models are right" in proven.text


def test_its_models_run_train_save_and_load(project: Path, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(project)!r})\n{_RUN}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.strip().endswith("done"), run.stderr[-2000:]


def test_a_slip_in_its_name_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--gate", "scaler", "--model", "llama"], project=project) == 2
    assert "there is no kind of gate called 'scaler'" in (told := capsys.readouterr().err) and "`scalar`" in told


def test_a_place_that_it_has_no_splice_for_is_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--gate", "scalar", "--model", "bloom"], project=project) == 2  # its part adds the residual itself
    told = capsys.readouterr().err
    assert "this kind of gate has no splice for `Site.RESIDUAL_INSIDE`, which bloom needs: `self.mlp` of" in told
    assert "scalar/__init__.py:25:13: no-splice" in told and "docs/kinds.md" in told


def test_a_class_that_it_hands_nothing_to_is_told_in_its_own_declaration(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--gate", "scalar", "--model", "roberta"], project=project) == 2
    told = capsys.readouterr().err
    assert "scalar/__init__.py:25:13: no-splice: this kind of gate has no splice for `Site.HANDED_OUTPUT`" in told
    assert "modular_scalar_gate_roberta" not in told, "which is not on the disk"


def test_the_splices_for_such_bases_are_those_of_the_page(project: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "kinds.md").read_text(encoding="utf-8")
    functions, splices = re.findall(
        r"^```python\n((?:from weave|    splices).*?)^```$", page, re.MULTILINE | re.DOTALL
    )
    imported, functions = functions.split("\n\n\n", 1)
    shutil.copytree(project / "modular" / "gates", tmp_path / "modular" / "gates")
    shutil.copytree(ROOT / "templates", tmp_path / "templates")
    declaration = tmp_path / "modular" / "gates" / "scalar" / "__init__.py"
    text = declaration.read_text().replace("from weave.place import Place", imported)
    text = re.sub(r"def scale\(.*?\n\n\n", lambda _: f"{functions}\n\n", text, flags=re.DOTALL)
    declaration.write_text(re.sub(r"^    splices=.*\n", lambda _: splices, text, flags=re.MULTILINE))
    models = ["llama", "bloom", "roberta"]
    for model in models:
        assert main(["--gate", "scalar", "--model", model, "--quiet"], project=tmp_path) == 0
    proven = prove_models([f"scalar_gate_{each}" for each in models], processes=1, project=tmp_path)
    assert proven.status == 0, proven.text
