"""A base named, and its delta written: from the installed transformers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from diagnostics.errors import ConversionError
from gating.cli import main as convert
from scaffold.cli import main
from scaffold.short import short_delta


ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project beside the gated Llama, which every delta inherits from."""
    for folder in ("modular", "templates"):
        (tmp_path / folder).mkdir()
    shutil.copytree(ROOT / "modular" / "gates", tmp_path / "modular" / "gates")
    shutil.copy(ROOT / "modular" / "modular_quality_gate_llama.py", tmp_path / "modular")
    shutil.copy(ROOT / "templates" / "generated_init.py", tmp_path / "templates")
    return tmp_path


def test_a_model_without_a_delta_is_converted_by_its_name(project: Path, capsys: pytest.CaptureFixture) -> None:
    assert convert(["--model", "qwen2", "--jobs", "1"], project=project) == 0
    told = capsys.readouterr().out
    assert "modular_quality_gate_qwen2.py: gate before" in told and "modeling_qwen2.py:" in told
    assert (project / "generated" / "quality_gate_qwen2" / "modeling_quality_gate_qwen2.py").is_file()


def test_a_delta_is_never_overwritten(project: Path, capsys: pytest.CaptureFixture) -> None:
    delta = project / "modular" / "modular_quality_gate_qwen2.py"
    assert main(["--model", "qwen2"], project) == 0
    delta.write_text("# mine\n" + delta.read_text())
    assert main(["--model", "quality_gate_qwen2"], project) == 0
    assert "kept" in capsys.readouterr().out and delta.read_text().startswith("# mine\n")
    assert convert(["--model", "qwen2", "--quiet"], project=project) == 0
    assert delta.read_text().startswith("# mine\n")


def test_nothing_is_written_where_a_run_only_looks(project: Path) -> None:
    assert convert(["--model", "qwen2", "--check"], project=project) == 2
    assert main(["--model", "qwen2", "--stdout"], project) == 0
    assert sorted(path.name for path in (project / "modular").iterdir()) == ["gates", "modular_quality_gate_llama.py"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("mamba", "no-feed-forward"),
        ("hrm_text", "no-order"),
        *((name, "no-samples") for name in ("blt", "cpmant", "musicgen_melody", "rwkv")),
        ("fuyu", "no-base-model"),
        ("data2vec_text", "no-folder"),
        ("ctrl", "no-place"),
        ("t5", "no-language-model"),
        ("mistrall", "unknown-base"),
        ("../llama", "unknown-base"),
    ],
)
def test_what_cannot_be_gated_is_refused_with_a_place(name: str, code: str) -> None:
    with pytest.raises(ConversionError) as refused:
        short_delta(name)
    [problem] = refused.value.diagnostics
    assert problem.code == code and problem.path and problem.line >= 1 and problem.fix


def test_a_model_without_classes_of_its_own_is_told_whose_it_has() -> None:
    with pytest.raises(ConversionError, match="is GPT2LMHeadModel\n    fix: gate gpt2"):
        short_delta("gpt_sw3")


def test_a_scaffold_tells_where_its_gates_are() -> None:
    found = short_delta("mistral")
    assert found.layers == ("MistralDecoderLayer",) and not found.ungated
    path, line = found.places[0].rsplit(":", 1)
    assert Path(path).read_text().split("\n")[int(line) - 1].strip() == "hidden_states = self.mlp(hidden_states)"


def test_a_layer_around_one_with_a_gate_is_not_told_to_have_none() -> None:
    found = short_delta("zamba")
    assert found.layers == ("ZambaAttentionDecoderLayer",) and not found.ungated


def test_the_deltas_of_the_project_are_ordinary_python() -> None:
    text = short_delta("mistral").text
    compile(text, "modular_quality_gate_mistral.py", "exec")
    assert text == short_delta("mistral").text
    assert max(map(len, text.split("\n"))) <= 119


def expanded(name: str, capsys: pytest.CaptureFixture) -> str:
    assert convert(["--model", name, "--expand"]) == 0
    return capsys.readouterr().out


def test_conversions_of_checkpoints_that_rename_gates_are_taken_back(capsys: pytest.CaptureFixture) -> None:
    rule = 'names.append(WeightRenaming("quality_gate.router.weight", "quality_gate.gate.weight"))'
    assert rule in expanded("phimoe", capsys)
    assert "WeightRenaming" not in expanded("mixtral", capsys)
