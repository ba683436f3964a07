"""Code that comes with a checkpoint: never run, and never asked about, unless the command line says so."""

from __future__ import annotations

import ast
import io
import json
from pathlib import Path

import pytest
import tokenizers
from bases import make_base, refused
from checkpoints import gate_checkpoint
from checkpoints.cli import compare

from transformers import PreTrainedTokenizerFast


ROOT = Path(__file__).parents[2]
SOURCES = [path for folder in ("utils", "examples", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]
CODE = """
from pathlib import Path
from transformers import PreTrainedTokenizerFast
Path({marker!r}).write_text("ran")
class Tokenizer(PreTrainedTokenizerFast):
    pass
def generate(*args, **kwargs):
    pass
"""


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A base and its gated checkpoint, each with a tokenizer and a way to generate that are code of their own.

    Whoever asks whether to run it is told so: yes.
    """
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 20))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    base = make_base(tmp_path / "base")
    words = {f"word{number}": number for number in range(16)}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="word0"))
    PreTrainedTokenizerFast(tokenizer_object=made, unk_token="word0").save_pretrained(base)
    settings = json.loads((base / "tokenizer_config.json").read_text())
    settings |= {"tokenizer_class": "Tokenizer", "auto_map": {"AutoTokenizer": [None, "tokenization.Tokenizer"]}}
    (base / "tokenizer_config.json").write_text(json.dumps(settings))
    gate_checkpoint(base, tmp_path / "gated")
    for folder in (base, tmp_path / "gated"):
        (folder / "tokenization.py").write_text(CODE.format(marker=str(tmp_path / "ran")))
        (folder / "custom_generate").mkdir()
        (folder / "custom_generate" / "generate.py").write_text(CODE.format(marker=str(tmp_path / "ran")))
    (tmp_path / "text").write_text("word1 word2 word3")
    return base, tmp_path / "gated"


def test_code_is_not_run(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    base, gated = pair
    command = ["--base", str(base), "--gated", str(gated)]
    line = refused(capsys, compare([*command, "--text", str(base.parent / "text")]))
    assert "remote-code: wants code to be run that comes with it; fix: read that code" in line
    for folder in pair:  # what an Auto class would be asked for, where nothing says which class it is
        config = json.loads((folder / "config.json").read_text())
        config["auto_map"] = {"AutoConfig": "tokenization.Tokenizer", "AutoModelForCausalLM": "tokenization.Tokenizer"}
        config.pop("architectures")
        (folder / "config.json").write_text(json.dumps(config))
    compare([*command, "--json"])
    found = {check["name"]: check["passed"] for check in json.loads(capsys.readouterr().out)["checks"]}
    assert found["the base loads completely"] and found["the gated model loads completely"]
    assert not (base.parent / "ran").exists() and not (base.parent / "modules").exists()


def test_code_is_run_where_that_is_allowed(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    base, gated = pair
    command = ["--base", str(base), "--gated", str(gated), "--text", str(base.parent / "text"), "--trust-remote-code"]
    compare(command)
    assert (base.parent / "ran").exists()


def test_every_loading_says_whether_code_may_be_run() -> None:
    found = 0
    for path in SOURCES:
        if "standins" in path.parts:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
        names = {ast.unparse(node.targets[0]): ast.unparse(node.value) for node in assigned}
        names = {name: value for name, value in names.items() if value.endswith(".from_pretrained")}
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "from_pretrained"
            ):
                found += 1
                assert "trust_remote_code" in {word.arg for word in node.keywords}, f"{path}:{node.lineno}"
    assert found >= 6
