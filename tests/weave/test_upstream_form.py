"""Deltas in the upstream form: toys as a whole, real ones against their home form; and what has no such form.

`python tests/weave/test_upstream_form.py` writes the toys anew.
"""

from __future__ import annotations

import ast
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


ROOT = Path(__file__).resolve().parents[2]
TOYS = ROOT / "tests" / "scaffold" / "cases"
WOVEN = Path(__file__).parent / "upstream_form"
NAMES = ("encoder", "older", "plain")
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "utils"))

from building.casing import read_casing  # noqa: E402
from building.library import Library  # noqa: E402
from building.workspace import find_transformers  # noqa: E402
from diagnostics.errors import ConversionError  # noqa: E402
from syntax.source import Source  # noqa: E402
from weave.form import Form  # noqa: E402
from weave.gate import Upstream  # noqa: E402
from weave.kinds import read_kind  # noqa: E402
from weave.stage import styled  # noqa: E402
from weave.woven import weave  # noqa: E402


GATES = ROOT / "modular" / "gates"
HEADS = """\
class GenericForSequenceClassification:
    def forward(self, input_ids: torch.LongTensor | None = None, **kwargs: Unpack[TransformersKwargs]) -> Output:
        return self.score(input_ids, **kwargs)
"""


def toy(case: str, folder: Path, change: tuple[str, str] = ("", "")) -> str:
    """The upstream form of a toy's delta, formatted."""
    package = folder / "transformers"
    shutil.copytree(TOYS / case, package / "models" / "toy")
    (package / "modeling_layers.py").write_text(f"import torch\n\nfrom .outputs import Output\n\n\n{HEADS}")
    delta = (TOYS / case / "delta.py").read_text().replace(*change)
    load = Library({"transformers": package, "gates": GATES}).load
    source = Source("modular_quality_gate_toy.py", "toy", delta)
    return styled(weave(source, "quality_gate_toy", load, {}, Form.UPSTREAM, "2031 Somebody.").source.text)


@pytest.mark.parametrize("case", NAMES)
def test_a_toy_is_woven_for_a_pull_request(case: str, tmp_path: Path) -> None:
    text = toy(case, tmp_path)
    assert text == (WOVEN / f"{case}.py").read_text()
    assert text.startswith("# Copyright 2031 Somebody.\n#\n# Licensed under") and "generated" not in text
    compile(text, case, "exec")


def test_an_import_without_a_relative_form_is_refused_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConversionError) as refusal:
        toy("plain", tmp_path, ("from gates", "import transformers.utils\nfrom gates"))
    (problem,) = refusal.value.diagnostics
    assert (problem.code, problem.line) == ("absolute-import", 4)


def test_what_a_delta_says_of_its_package_is_said_of_transformers(tmp_path: Path) -> None:
    said = '.\n\n>>> from generated.quality_gate_toy import QualityGateToyConfig\n"""\n\nX = {"a", "debug"}\n\n\nclass QualityGateToyMLP(base.ToyMLP):\n    x = X\n'
    text = toy("plain", tmp_path, ('."""\n', said))
    assert ">>> from transformers import QualityGateToyConfig" in text and 'X = {"a"}' in text


def test_a_kind_that_still_asks_for_what_it_leaves_is_refused(tmp_path: Path) -> None:
    shutil.copytree(GATES / "quality", tmp_path / "quality")
    losses = tmp_path / "quality" / "losses.py"
    losses.write_text(losses.read_text().replace("return losses.mean()", "return losses.mean() * debug"))
    load = Library({"gates": tmp_path}).load
    assert read_kind("quality", load).form is Form.HOME
    with pytest.raises(ConversionError) as refusal:
        read_kind("quality", load, form=Form.UPSTREAM)
    (problem,) = refusal.value.diagnostics
    assert problem.code == "bad-gate" and "`debug`" in problem.message and problem.path.endswith("losses.py")


def real(name: str, form: Form) -> ast.Module:
    package = find_transformers()
    path = ROOT / "modular" / f"modular_quality_gate_{name}.py"
    load = Library({"transformers": package, "gates": GATES}).load
    source = Source(str(path), path.stem, path.read_text())
    return ast.parse(weave(source, f"quality_gate_{name}", load, read_casing(package), form).source.text)


def members(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Everything that is defined, with what it does: without docstrings, decorators and notes."""
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        if isinstance(node, ast.ClassDef):
            yield node.name, ", ".join(map(ast.unparse, node.bases))
        for each in inner:
            if isinstance(each, ast.FunctionDef):
                body = each.body[1:] if ast.get_docstring(each) is not None else each.body
                said = "\n".join(map(ast.unparse, body))
                yield owner + each.name, f"{ast.unparse(each.args)}\n{said}"
            elif isinstance(each, ast.Assign | ast.AnnAssign):
                target = each.targets[0] if isinstance(each, ast.Assign) else each.target
                yield owner + ast.unparse(target), ast.unparse(each.value) if each.value else ""


# What of the quality gate's home reads otherwise: no printing there, no mark of weights, no look after configs, no old names.
OTHERWISE = {
    "quality_classification_loss",
    "add_quality_scores",
    "records_quality_scores",
    "returns_quality_scores",
    "Config.__post_init__",
    "Gate.__init__",
    "PreTrainedModel._init_weights",
}


@pytest.mark.parametrize("name", ["llama", "qwen3", "gemma3", "gpt_oss", "bert", "falcon", "olmoe", "bart"])
def test_the_forms_differ_in_what_is_declared_and_nothing_else(name: str) -> None:
    gate: Upstream = read_kind("quality", Library({"gates": GATES}).load).gate.upstream
    at_home, there = dict(members(real(name, Form.HOME))), dict(members(real(name, Form.UPSTREAM)))
    gone = at_home.keys() - there.keys()
    gone = {each.rpartition(".")[2] for each in gone if each.partition(".")[0] not in gone or "." not in each}
    prefixed = tuple(each.removeprefix("QualityGate") for each in gate.without if each.startswith("QualityGate"))
    gone = {each for each in gone if not (each.startswith("QualityGate") and each.endswith(prefixed))}
    assert gone <= {*gate.without, "__init__", "_initialize_weights"}
    assert {each.rpartition(".")[2] for each in there.keys() - at_home.keys()} <= {gate.inputs}
    differing = {each for each in at_home.keys() & there.keys() if at_home[each] != there[each]} - {"__all__"}
    for each in differing:
        is_head = each.endswith(".forward") and "Generic" in at_home[each] + there[each]
        is_root = each.endswith("Config.__post_init__") and "PreTrainedConfig.__post_init__(self" in there[each]
        is_fields = each == "QUALITY_GATE_FIELDS"
        assert is_head or is_root or is_fields or each.endswith(tuple(OTHERWISE)), each


if __name__ == "__main__":
    for each in NAMES:
        with tempfile.TemporaryDirectory() as scratch:
            (WOVEN / f"{each}.py").write_text(toy(each, Path(scratch)))
