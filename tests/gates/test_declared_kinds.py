"""What a kind of gate declares in its own folder is what every tool goes by: a kind that says all, and one that says nothing."""

from __future__ import annotations

import filecmp
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from checkpoints import cli
from checkpoints.configs import names_of
from checkpoints.homes import import_package
from facts.project import facts_of
from gating.cli import main as convert
from naming.declared import beside
from naming.kinds import GateNames
from proof.command import prove_models
from safetensors.torch import load_file

from transformers import LlamaConfig, LlamaForCausalLM


ROOT = Path(__file__).resolve().parents[2]
KINDS = ("scalar", "blend")
_PAGE = re.compile(r"^```python modular/gates/scalar/(?P<path>\S+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
SIZES = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "head_dim": 8}
SIZES |= {"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64}
SMALL = ("--set", "blend_rows=5")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: both kinds, and a gated Llama of each."""
    project = tmp_path_factory.mktemp("user")
    gates = project / "modular" / "gates"
    shutil.copytree(Path(__file__).parent / "blend", gates / "blend", ignore=shutil.ignore_patterns("__pycache__"))
    text = (ROOT / "modular" / "gates" / "attention" / "outputs.py").read_text(encoding="utf-8")
    for word in ("attention", "Attention", "ATTENTION"):  # what gates say goes the same way
        own = {"attention": "blend", "Attention": "Blend", "ATTENTION": "BLEND"}[word]
        text = re.sub(rf"{word}(?=_?(?:Gate|gate|GATE))", own, text)
    (gates / "blend" / "outputs.py").write_text(text, encoding="utf-8")
    (gates / "scalar").mkdir()
    for path, text in _PAGE.findall((ROOT / "docs" / "kinds.md").read_text(encoding="utf-8")):
        (gates / "scalar" / path).write_text(text, encoding="utf-8")
    for kind in KINDS:
        assert convert(["--gate", kind, "--model", "llama", "--quiet"], project=project) == 0
    return project


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return save_base(tmp_path / "base")


def save_base(folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(**SIZES)).to(dtype).save_pretrained(folder)
    return folder


@pytest.fixture
def run(project: Path, base: Path, tmp_path: Path) -> Callable[..., int]:
    """Run a tool on the base and `gated`, or on others."""

    def run(tool: str, *words: str, **places: Path) -> int:
        known = {"base": base, "gated": tmp_path / "gated", "output": tmp_path / "gated"} | places
        named = {"gate": ("base", "output"), "compare": ("base", "gated"), "ungate": ("gated", "output")}[tool]
        paths = [word for name in named for word in (f"--{name}", str(known[name]))]
        return getattr(cli, tool)([*paths, *words, "--generated", str(project / "generated")])

    return run


def test_facts_are_those_of_the_folder_beside_the_models(project: Path) -> None:
    blend, scalar = (facts_of(f"{kind}_gate_llama", project / "generated").names for kind in ("blend", "scalar"))
    assert blend.is_float32 and blend.bank == "blend.table" and dict(blend.tiny) == {"blend_rows": 4}
    assert blend.owns("model.layers.0.blend_norm.weight") and blend.owns("model.blend.table")
    assert dict(blend.start) == {"blend_start": 0.0} and blend.is_drawn and blend.is_declared
    assert blend.fields == ("blend_start", "norm_start", "blend_rows", "output_blend_gates")
    assert not scalar.is_float32 and not scalar.bank and not scalar.tiny and scalar.is_drawn and scalar.is_declared
    assert scalar.fields == ("scalar_gate_start",) and not scalar.owns("model.layers.0.blend_norm.weight")
    assert not GateNames("blend").is_declared  # not in this project


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_equals_its_base_and_goes_back(
    kind: str, run: Callable[..., int], base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = SMALL if kind == "blend" else ()
    assert run("gate", "--gate", kind, *small) == 0, capsys.readouterr().err
    assert run("compare") == 0, capsys.readouterr().out
    assert run("ungate", output=tmp_path / "back") == 0, capsys.readouterr().err
    names = sorted(path.name for path in base.iterdir())
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == names
    assert all(filecmp.cmp(base / name, tmp_path / "back" / name, shallow=False) for name in names)


def test_gates_start_as_their_kind_declares(run: Callable[..., int], tmp_path: Path) -> None:
    assert run("gate", "--gate", "blend", *SMALL) == 0
    config = json.loads((tmp_path / "gated" / "config.json").read_text())
    assert (config["blend_start"], config["blend_rows"], config["norm_start"]) == (0.0, 5, 2.0)
    weights = load_file(tmp_path / "gated" / "model-blend-gates.safetensors")
    table, layer = weights.pop("model.blend.table"), "model.layers.{}.blend_{}"
    assert table.shape == (5, 3) and table.dtype == torch.int64 and not table.any()
    assert sorted(weights) == [
        layer.format(number, part) for number in (0, 1) for part in ("gate.share", "norm.weight")
    ]
    assert all(bool((w == (0.0 if "share" in name else 2.0)).all()) for name, w in weights.items())


def test_gates_that_declare_nothing_start_as_their_model_has_it(run: Callable[..., int], tmp_path: Path) -> None:
    assert run("gate", "--gate", "scalar") == 0
    weights = load_file(tmp_path / "gated" / "model-scalar-gates.safetensors")
    assert {name: w.item() for name, w in weights.items()} == {
        f"model.layers.{number}.scalar_gate.number": 1.0 for number in (0, 1)
    }


@pytest.mark.parametrize(("kind", "dtype"), [("scalar", torch.bfloat16), ("blend", torch.float32)])
def test_gates_are_float32_where_their_kind_says_so(
    kind: str, dtype: torch.dtype, run: Callable[..., int], tmp_path: Path
) -> None:
    half = save_base(tmp_path / "half", torch.bfloat16)
    assert run("gate", "--gate", kind, *(SMALL if kind == "blend" else ()), base=half) == 0
    weights = load_file(tmp_path / "gated" / f"model-{kind}-gates.safetensors")
    assert {w.dtype for name, w in weights.items() if not name.endswith("table")} == {dtype}
    assert all(w.float().unique().tolist() in ([0.0], [1.0], [2.0]) for w in weights.values())
    assert run("compare", base=half) == 0


def test_what_was_trained_and_saved_anew_goes_back(
    run: Callable[..., int], project: Path, base: Path, tmp_path: Path
) -> None:
    assert run("gate", "--gate", "blend", *SMALL) == 0
    package = import_package(project / "generated" / "blend_gate_llama")
    model = package.BlendGateLlamaForCausalLM.from_pretrained(tmp_path / "gated")
    with torch.no_grad():
        model.model.layers[0].blend_gate.share.fill_(0.5)
    model.save_pretrained(tmp_path / "trained")
    assert run("compare", gated=tmp_path / "trained") == 1
    assert run("ungate", gated=tmp_path / "trained", output=tmp_path / "back") == 0
    ours, theirs = load_file(tmp_path / "back" / "model.safetensors"), load_file(base / "model.safetensors")
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)
    config = json.loads((tmp_path / "back" / "config.json").read_text())
    assert config["model_type"] == "llama" and config["hidden_act"] == "silu"  # which its bases have themselves
    assert not [name for name in config if "blend" in name or name == "norm_start"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--set", "norm_start=1"), "`norm_start` says how gates start"),
        (("--set", "blend_start=1"), "`blend_start` says how gates start"),
        (("--set", "hidden_act=relu"), "has no field of gates `hidden_act`"),
    ],
)
def test_fields_that_are_not_to_be_given(
    words: tuple[str, ...], told: str, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("gate", "--gate", "blend", *words) == 2
    assert told in capsys.readouterr().err


def test_a_kind_that_is_declared_nowhere_is_refused(
    run: Callable[..., int], project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without its folder nobody knows which weights are its own: none may stay in the base, none of the base's go."""
    assert run("gate", "--gate", "blend", *SMALL) == 0
    gated = tmp_path / "gated"
    command = ["--gated", str(gated), "--output", str(tmp_path / "back")]
    assert cli.ungate(command) == 2
    assert "unknown-gate: there is no kind of gate called 'blend'" in (told := capsys.readouterr().err)
    assert "modular/gates/blend/" in told and not (tmp_path / "back").exists()
    alone = tmp_path / "alone" / "generated"
    shutil.copytree(project / "generated", alone)
    words = ["--base", str(tmp_path / "base"), "--output", str(tmp_path / "other"), "--gate", "blend"]
    assert cli.gate([*words, "--generated", str(alone)]) == 2
    assert "unknown-gate" in capsys.readouterr().err
    shutil.copytree(project / "modular" / "gates" / "blend", beside(alone) / "blend")
    assert names_of({"model_type": "blend_gate_llama"}, (alone,)).is_declared


def test_both_are_proven_at_their_tiny_sizes(project: Path) -> None:
    proven = prove_models(["scalar_gate_llama", "blend_gate_llama"], processes=1, project=project)
    assert proven.status == 0, proven.text
    assert "2 of 2 models are right" in proven.text
