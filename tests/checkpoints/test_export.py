"""Code beside the weights: a process that has transformers, and not this project, loads the checkpoint."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import torch
from bases import make_base
from building.cache import OVERRIDE, default_folder
from checkpoints import CheckpointError, Options, gate_checkpoint
from checkpoints.released import code_for
from elsewhere import load_elsewhere
from facts.project import GENERATED
from releases import VERSION, make_release
from tiny_bases import FACTS, model_of, tiny_base


OLDER = "5.19.0"  # that a tool pins

CASES = [
    ("llama", "ForCausalLM", "AutoModelForCausalLM"),
    ("llama", "ForSequenceClassification", "AutoModelForSequenceClassification"),
    ("gemma3", "ForCausalLM", "AutoModelForCausalLM"),
    ("gemma3", "ForConditionalGeneration", "AutoModelForImageTextToText"),
    ("gpt_oss", "ForCausalLM", "AutoModelForCausalLM"),
]


def test_checkpoints_with_their_code_load_where_the_project_is_not(tmp_path: Path) -> None:
    bases, checkpoints = [], []
    for number, (name, role, auto) in enumerate(CASES):
        bases.append(tiny_base(FACTS[name], model_of(name, role)))
        bases[-1].save_pretrained(tmp_path / f"base{number}")
        gated = tmp_path / f"gated{number}"
        gate_checkpoint(tmp_path / f"base{number}", gated, options=Options(export_code=True))
        checkpoints.append((gated, auto))
    gate_checkpoint(tmp_path / "base0", tmp_path / "without_code")
    checkpoints.append((tmp_path / "without_code", "AutoModelForCausalLM"))

    *found, without_code = load_elsewhere(checkpoints, tmp_path)
    assert "quality_gate_llama" in without_code["refused"]
    tokens = torch.arange(3, 15).reshape(2, 6)
    for (name, role, _), base, loaded in zip(CASES, bases, found, strict=True):
        assert loaded["class"] == model_of(name, role).name and loaded["module"] == "transformers_modules"
        assert loaded["unloaded"] == []
        assert loaded["scores"] == [[2, 6, 1]] * base.config.get_text_config().num_hidden_layers
        with torch.inference_mode():
            assert loaded["sum"] == base(tokens).logits.double().sum().item()
            if loaded["tokens"] is not None:
                assert loaded["tokens"] == base.generate(tokens, max_new_tokens=5, do_sample=False).tolist()


def test_exported_files_are_the_generated_ones(tmp_path: Path) -> None:
    gate_checkpoint(make_base(tmp_path / "base"), tmp_path / "gated", options=Options(export_code=True))
    gated = tmp_path / "gated"
    for kind in ("configuration", "modeling"):
        name = f"{kind}_quality_gate_llama.py"
        assert (gated / name).read_text() == (GENERATED / "quality_gate_llama" / name).read_text()
    auto_map = json.loads((gated / "config.json").read_text())["auto_map"]
    assert auto_map["AutoConfig"] == "configuration_quality_gate_llama.QualityGateLlamaConfig"
    assert auto_map["AutoModelForCausalLM"] == "modeling_quality_gate_llama.QualityGateLlamaForCausalLM"
    assert auto_map["AutoModel"] == "modeling_quality_gate_llama.QualityGateLlamaModel"
    manifest = json.loads((gated / "quality_gate_manifest.json").read_text())
    assert manifest["files"]["modeling_quality_gate_llama.py"]["sha256"]


def test_code_for_another_release_is_made_from_its_bases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "cache"))
    make_release(tmp_path, {"models/llama/modeling_llama.py": ("Fully Connected", "Of that release")})
    options = Options(export_code=True, for_transformers=str(tmp_path))
    gate_checkpoint(make_base(tmp_path / "base"), tmp_path / "gated", options=options)
    code = (tmp_path / "gated" / "modeling_quality_gate_llama.py").read_text()
    assert f"and transformers {VERSION}." in code.partition("\n")[0] and "# Of that release" in code
    assert "# Fully Connected" in (GENERATED / "quality_gate_llama" / "modeling_quality_gate_llama.py").read_text()
    auto_map = json.loads((tmp_path / "gated" / "config.json").read_text())["auto_map"]
    assert auto_map["AutoModelForCausalLM"] == "modeling_quality_gate_llama.QualityGateLlamaForCausalLM"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Options(for_transformers="5.19.0"), "no code is copied along; fix: give --export-code"),
        (Options(export_code=True, for_transformers="nowhere"), "there is no transformers in this folder; fix: name"),
    ],
)
def test_a_release_that_code_cannot_be_made_for_is_refused(tmp_path: Path, options: Options, said: str) -> None:
    with pytest.raises(CheckpointError, match=re.escape(said)):
        gate_checkpoint(make_base(tmp_path / "base"), tmp_path / "gated", options=options)
    assert not (tmp_path / "gated").exists()


@pytest.mark.parametrize("model", ["llama", "gemma3", "gpt_oss", "bart"])
def test_code_for_a_release_imports_what_that_release_has(model: str) -> None:
    folder = default_folder()
    package = folder / "releases" / f"transformers-{OLDER}" / "transformers" if folder else Path("nowhere")
    if not package.is_dir():
        pytest.skip(
            f"transformers {OLDER} has not been fetched: `modular_converter.py --model llama --against {OLDER}`"
        )
    for path in code_for(OLDER, f"quality_gate_{model}"):
        imports = [each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.ImportFrom)]
        for node in [each for each in imports if (each.module or "").startswith("transformers")]:
            place = package.joinpath(*(node.module or "").split(".")[1:])
            files = [place.with_suffix(".py"), *place.glob("*.py")]  # a package hands on what its modules define
            text = "".join(f"{file.stem}\n{file.read_text()}" for file in files if file.is_file())
            assert text and all(re.search(rf"\b{each.name}\b", text) for each in node.names), ast.unparse(node)
