"""What is known of one architecture stands in files of its own: the code of a tool names no model."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from facts.project import GENERATED, generated_models


UTILS = Path(__file__).parents[2] / "utils"
# What names models all the same, and why: it is about these models, or about something else that is called so.
ALLOWED = {
    "checkpoints/ggufs.py": ({"llama", "qwen2", "qwen3", "gemma3"}, "GGUF's own names of what it can be read for"),
    "matrix/workspace.py": ({"llama"}, "the model whose delta those of all others inherit from"),
    "portability/cli.py": ({"gemma3", "gpt_oss", "llama", "qwen3"}, "the card families, whose suites are run"),
    "proof/command.py": (
        {"bamba", "bart", "bert", "gemma3", "gpt_oss", "llama"},
        "a sample of models that differ much",
    ),
    "testgen/mutants/table.py": ({"llama"}, "the mutants are changes of this model's text"),
    "testgen/mutants/apply.py": ({"llama"}, "a remedy names the file with those mutants"),
    "pull_request/edits/toctree.py": ({"llama"}, "its page shows where transformers' documentation has text models"),
    "pull_request/folder.py": (
        {"bamba", "mimo_v2_flash", "minimax", "qwen2", "smollm3"},
        "their pages come next to those of each kind of gate in transformers' documentation",
    ),
}
EXAMPLES = ("_EXAMPLES", "EPILOG")  # variables that show how a command is called


def names() -> re.Pattern[str]:
    """How gated bases are called, alone or in front of the name of a class: `zamba`, `Zamba`, `ZambaModel`."""
    files = (path.read_text(encoding="utf-8") for path in sorted(GENERATED.glob("*/modeling_*.py")))
    classes = {name for text in files for name in re.findall(r"^class QualityGate(\w+)PreTrainedModel\(", text, re.M)}
    folders = "|".join(map(re.escape, generated_models()))
    return re.compile(
        rf"(?<!\w)(?:quality_gate_)?(?:{folders})(?!\w)|(?<!\w)(?:QualityGate)?(?:{'|'.join(map(re.escape, sorted(classes)))})(?![a-z0-9_])"
    )


NAMES = names()


def literals(tree: ast.Module) -> Iterator[str]:
    """The strings of a file, but for docstrings, the help of options, and examples."""
    left_out: set[ast.AST] = set()
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and ast.get_docstring(node, clean=False) is not None:
            left_out.add(node.body[0].value)
        if isinstance(node, ast.keyword) and node.arg == "help":
            left_out |= set(ast.walk(node.value))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in EXAMPLES:
            left_out |= set(ast.walk(node.value))
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in left_out)
    return (node.value for node in constants if isinstance(node.value, str))


def named(text: str) -> set[str]:
    """The models that the strings of a file name."""
    return {name for literal in literals(ast.parse(text)) for name in NAMES.findall(literal)}


@pytest.mark.parametrize("path", sorted(UTILS.rglob("*.py")), ids=lambda path: str(path.relative_to(UTILS)))
def test_no_tool_names_a_model(path: Path) -> None:
    allowed, _ = ALLOWED.get(path.relative_to(UTILS).as_posix(), (set(), ""))
    remedy = "say it in modular/peculiar/<base>.toml, or below ALLOWED with the reason"
    assert named(path.read_text(encoding="utf-8")) == allowed, remedy


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('SKIPS = {"zamba": 3}', {"zamba"}),
        ('SPELLED = {"BertForCausalLM": 1}', {"Bert"}),
        ('NAMED = ["QualityGateGemma3TextConfig", "quality_gate_xmod"]', {"QualityGateGemma3", "quality_gate_xmod"}),
        ("import re\nRULE = re.compile(r'^Kosmos2_5?Text')", {"Kosmos2_5"}),
        ("def name(x):\n    return f'{x} of gemma3n'", {"gemma3n"}),
        ('"""About zamba."""\ndef f():\n    """Of ZambaModel."""', set()),
        ('add("--model", help="llama; repeatable")', set()),
        ('_EXAMPLES = "--model llama"', set()),
        ('FIELDS = ("mamba_d_state", "zambas", "optimizer", "Optional")', set()),
    ],
)
def test_names_are_told_from_other_words(text: str, found: set[str]) -> None:
    assert named(text) == found


def test_every_exception_names_a_file_and_a_reason() -> None:
    for path, (_, why) in ALLOWED.items():
        assert (UTILS / path).is_file() and len(why) > 10
