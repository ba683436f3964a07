"""Code beside the weights: a process that has transformers, and not this project, loads the checkpoint."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
import venv
from pathlib import Path

import torch
from bases import make_base
from checkpoints import Options, gate_checkpoint
from facts.project import GENERATED
from test_families import FACTS, model_of, tiny_base


LOAD = """
import importlib.util, json, sys
assert importlib.util.find_spec("generated") is None and importlib.util.find_spec("checkpoints") is None
import torch, transformers
transformers.logging.set_verbosity_error()
tokens = torch.arange(3, 15).reshape(2, 6)
for folder, auto in json.loads(sys.argv[1]):
    try:
        load = getattr(transformers, auto).from_pretrained
        model, info = load(folder, trust_remote_code=True, output_loading_info=True)
    except ValueError as error:
        print(json.dumps({"refused": str(error)}))
        continue
    outputs = model(tokens, output_router_logits=True)
    print(json.dumps({
        "class": type(model).__name__,
        "module": type(model).__module__.split(".")[0],
        "unloaded": sorted(info["missing_keys"]) + sorted(info["unexpected_keys"]),
        "scores": [list(each.shape) for each in outputs.quality_logits],
        "sum": outputs.logits.double().sum().item(),
        "tokens": model.generate(tokens, max_new_tokens=5, do_sample=False).tolist() if model.can_generate() else None,
    }))
"""


def clean_python(folder: Path) -> Path:
    """A virtual environment of its own, with the packages that are installed here and without this project.

    The project is installed by a .pth file, and files of that kind are read in the environment's own folder alone.
    """
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    ask = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    own = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
    (own / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def load_elsewhere(checkpoints: list[tuple[Path, str]], place: Path) -> list[dict]:
    """Load and run checkpoints, each with the Auto class of that name, in a clean process away from this project."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    clean |= {"HF_HOME": str(place / "home"), "HF_HUB_OFFLINE": "1"}
    listed = json.dumps([(str(folder), auto) for folder, auto in checkpoints])
    command = [clean_python(place / "venv"), "-c", LOAD, listed]
    done = subprocess.run(command, cwd=place, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


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
