"""Every command takes --json, -q and -v, and with --json prints one document and nothing beside it."""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from checkpoints.gating import gate_checkpoint
from telling.answers import Answer, answer
from telling.grammar import Parser

from quality_gate.cli import COMMANDS


pytest.importorskip("pyarrow")  # the extra `data`, which `make test` installs

WITH_ANSWERS = sorted(set(COMMANDS) - {"run"})  # what `run` starts is somebody else's
WORDLESS = ("list", "drift", "view", "smoke", "memory", "chat")  # what they print is what was asked for, also with -q


@dataclass(frozen=True, slots=True)
class Made:
    """What the commands of this file read."""

    base: Path
    gated: Path
    texts: Path
    scores: Path
    bank: Path
    with_memory: Path
    questions: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    from selection_models import save_models, texts, write_lines

    folder = tmp_path_factory.mktemp("answers")
    _, base = save_models(folder)
    gate_checkpoint(base, folder / "made")
    data = write_lines(folder / "data.jsonl", [{"text": each} for each in texts(6)])
    with_memory, questions = save_with_memory(folder / "with-memory", base)
    found = Made(base, folder / "made", data, folder / "scores", folder / "bank", with_memory, questions)
    assert run("score", words_of("score", found, found.scores)) == 0
    sizes = ["--knowledge-num", 16, "--knowledge-length", 8]
    assert run("memory", ["build", "--data", data, "--output", found.bank, "--tokenizer", base, *sizes]) == 0
    return found


def save_with_memory(folder: Path, base: Path) -> tuple[Path, Path]:
    """A model with memory gates and the tokenizer of a base, and questions on its bank."""
    from generated.memory_gate_llama import MemoryGateLlamaConfig, MemoryGateLlamaForCausalLM
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    memory = {"knowledge_num": 16, "knowledge_length": 8, "knowledge_dim": 8, "num_candidates": 2}
    config = MemoryGateLlamaConfig(vocab_size=len(tokenizer), **sizes, **memory)
    MemoryGateLlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    questions = folder.with_name("questions.jsonl")
    questions.write_text(json.dumps({"prompt": "the gates", "answer": " of models", "row": 3}) + "\n")
    return folder, questions


def words_of(command: str, made: Made, output: Path) -> Sequence[object]:
    """A command line that is done, and quickly."""
    return {
        "list": ["--gate", "quality"],
        "convert": ["--model", "llama", "--check"],
        "test": ["--model", "llama", "--check"],
        "smoke": ["--model", "llama"],
        "gate": ["--base", made.base, "--output", output],
        "compare": ["--base", made.base, "--gated", made.gated, "--weights-only"],
        "ungate": ["--gated", made.gated, "--output", output],
        "train": ["--model", made.gated, "--data", made.texts, "--output", output, "--max-steps", 1],
        "score": ["--model", made.gated, "--data", made.texts, "--output", output],
        "select": ["--scores", made.scores, "--output", output, "--keep", "0.5"],
        "memory": ["show", made.bank],
        "train-memory": [*words_for_memory(made), "--output", output],
        "chat": [made.with_memory, "--max-new-tokens", 2],
        "view": ["--model", made.gated, "--text", "the gates of models"],
        "drift": ["--model", "llama"],
        "pr": ["--model", "llama", "--output", output, "--no-checks"],
    }[command]


def words_for_memory(made: Made) -> Sequence[object]:
    return ["retrieval_steps=1", "fusion_steps=1", "--model", made.with_memory, "--data", made.questions]


REFUSED = {
    "list": ["--gate", "qualty"],
    "convert": ["--model", "lama"],
    "test": ["--model", "lama", "--check"],
    "smoke": ["--model", "lama"],
    "gate": ["--base", "/nowhere", "--output", "/nowhere/else"],
    "compare": ["--base", "/nowhere", "--gated", "/nowhere"],
    "ungate": ["--gated", "/nowhere", "--output", "/nowhere/else"],
    "train": ["--model", "/nowhere", "--output", "/nowhere/else"],
    "score": ["--model", "/nowhere", "--data", "/nowhere", "--output", "/nowhere/else"],
    "select": ["--scores", "/nowhere", "--output", "/nowhere/else", "--keep", "2"],
    "memory": ["show", "/nowhere"],
    "train-memory": ["--model", "/nowhere", "--data", "/nowhere", "--output", "/nowhere/else"],
    "chat": ["/nowhere"],
    "view": ["--model", "/nowhere", "--text", "words"],
    "drift": ["--model", "lama"],
    "pr": ["--model", "lama", "--verify"],
}
# Of what is done, a field that only that command has.
FIELDS = {
    "convert": "models",
    "test": "models",
    "smoke": "failed",
    "gate": "gates",
    "compare": "checks",
    "ungate": "removed",
    "train": "loss",
    "score": "documents",
    "select": "kept_tokens",
    "memory": "filled_rows",
    "train-memory": "losses",
    "chat": "turns",
    "view": "panels",
    "drift": "transformers",
    "pr": "written",
}


def run(command: str, words: Sequence[object]) -> int:
    """The exit status of a command, as its own function returns it or argparse ends it."""
    known = COMMANDS[command]
    try:
        return getattr(import_module(known.module), known.function)([*known.given, *map(str, words)])
    except SystemExit as end:
        return int(end.code or 0)


def only_document(printed: str) -> Any:
    """What stdout holds, which is one document to the last character."""
    return json.loads(printed, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.mark.parametrize("command", WITH_ANSWERS)
def test_its_help_has_the_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, ["--help"]) == 0
    said = capsys.readouterr().out
    assert "  --json " in said and "  -q, --quiet " in said and "  -v, --verbose " in said


@pytest.mark.parametrize("command", WITH_ANSWERS)
def test_what_is_done_is_one_document(
    command: str,
    made: Made,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("The gates are open.\n/rows\n"))  # what `chat` is told
    assert run(command, [*words_of(command, made, tmp_path / "out"), "--json", "-v"]) == 0
    document = only_document(capfd.readouterr().out)
    if command == "list":
        assert {each["kind"] for each in document} == {"quality"} and all(each["gates"] for each in document)
        return
    assert document["status"] == 0 and FIELDS[command] in document and "problems" not in document


@pytest.mark.parametrize("command", WITH_ANSWERS)
def test_a_refusal_is_one_document(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(command, [*REFUSED[command], "--json"]) == 2
    printed = capfd.readouterr()
    document = only_document(printed.out)
    assert document["status"] == 2
    assert all(each["message"] and each["fix"] and "code" in each for each in document["problems"])
    assert document["problems"][0]["message"] in printed.err


@pytest.mark.parametrize("command", WITH_ANSWERS)
def test_a_command_line_that_makes_no_sense_is_one_document(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(command, ["--json", "--no-such-option"]) == 2
    document = only_document(capfd.readouterr().out)
    assert [each["code"] for each in document["problems"]] == ["usage"]


@pytest.mark.parametrize("command", sorted(set(WITH_ANSWERS) - set(WORDLESS)))
def test_a_quiet_command_that_is_done_says_nothing(
    command: str, made: Made, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = words_of(command, made, tmp_path / "out")
    if command in ("convert", "test"):  # a comparison was asked for, a diff or files for another folder say nothing
        words = [*words[:-1], *(["--diff"] if command == "convert" else ["--output", tmp_path / "out"])]
    assert run(command, [*words, "-q"]) == 0
    assert capfd.readouterr().out == ""


def test_what_a_library_or_a_process_prints_is_no_part_of_the_document(capfd: pytest.CaptureFixture[str]) -> None:
    def noisy(args: object) -> Answer:
        print("by Python")
        os.write(1, b"by its number\n")
        subprocess.run(["echo", "by a process"], check=True)
        return Answer(document={"loss": float("nan"), "path": Path("a")})

    assert answer(Parser().parse_args(["--json"]), noisy) == 0
    printed = capfd.readouterr()
    assert only_document(printed.out) == {"status": 0, "loss": None, "path": "a"}
    assert all(each in printed.err for each in ("by Python", "by its number", "by a process"))


def test_options_that_contradict_each_other_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", ["-q", "-v"]) == 2
    assert "not allowed with" in capsys.readouterr().err
