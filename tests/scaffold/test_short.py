"""The text of a short delta: of toy bases whole, of real ones what their layers and words are."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from building.workspace import find_transformers
from diagnostics.errors import ConversionError
from scaffold.find import find_base
from scaffold.places import find_places
from scaffold.short import render_short, short_delta
from scaffold.sites.table import LAYER_OUTPUT
from scaffold.title import title
from weave.base import Base
from weave.stack import read_stack


CASES = Path(__file__).parent / "cases"
PLAIN = '''\
# SPDX-License-Identifier: Apache-2.0
"""Toy with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.toy import modeling_toy as base


class QualityGateToyDecoderLayer(base.ToyDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
'''
ENCODER = '''\
# SPDX-License-Identifier: Apache-2.0
"""Toy with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate, Scaled
from transformers.models.toy import modeling_toy as base


class QualityGateToyOutput(base.ToyOutput):
    quality_gate = Scaled("hidden_states", into="hidden_states + input_tensor")


class QualityGateToyLayer(base.ToyLayer):
    quality_gate = QualityGate(
        reads="self.feed_forward_chunk", hands="self.output", normed="self.intermediate.LayerNorm"
    )
'''
PHRASE = "a quality gate on the input of every feed-forward network"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A transformers without models; `toy` puts one in."""
    return tmp_path / "transformers"


def toy(package: Path, case: str, old: str = "", new: str = "") -> Path:
    """Put a toy base in the package, with something in its modeling file written otherwise."""
    folder = package / "models" / "toy"
    shutil.copytree(CASES / case, folder)
    path = folder / "modeling_toy.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new) if old else path.read_text())
    return path


@pytest.mark.parametrize(("case", "expected"), [("plain", PLAIN), ("encoder", ENCODER)])
def test_the_whole_text(package: Path, case: str, expected: str) -> None:
    toy(package, case)
    found = short_delta("toy", package)
    assert found.text == expected
    assert found.name == "toy" and not found.ungated and len(found.layers) == 1


def test_the_lines_of_the_base_are_told(package: Path) -> None:
    path = toy(package, "plain")
    [place] = short_delta("toy", package).places
    file, line = place.rsplit(":", 1)
    assert file.endswith("models/toy/modeling_toy.py")
    assert "self.mlp(" in path.read_text().split("\n")[int(line) - 1]


def other_kind(package: Path) -> Base:
    """The toy with a kind of gate that this project does not have."""
    base = find_base("toy", package)
    gate = replace(
        base.kind.gate, attribute="novel_gate", prefix="NovelGate", phrase="a novel gate behind every layer"
    )
    return replace(base, gated_name="novel_gate_toy", kind=replace(base.kind, name="novel", gate=gate))


def test_another_gate_has_its_own_names(package: Path) -> None:
    toy(package, "plain")
    base = other_kind(package)
    stack = read_stack(base)
    expected = PLAIN.replace("QualityGate", "NovelGate").replace("quality_gate", "novel_gate")
    expected = expected.replace("gates.quality", "gates.novel")
    assert render_short(base, stack, find_places(base, stack)) == expected.replace(PHRASE, base.kind.gate.phrase)


def test_another_site_is_declared_with_its_own_words(package: Path) -> None:
    toy(package, "plain")
    base = other_kind(package)
    stack = read_stack(base)
    text = render_short(base, stack, find_places(base, stack, LAYER_OUTPUT))
    assert 'novel_gate = NovelGate(returns="residual + hidden_states")' in text


def test_a_layer_that_is_made_of_something_else_than_its_configuration_is_refused(package: Path) -> None:
    toy(
        package,
        "plain",
        "def __init__(self, config: ToyConfig, layer_idx: int):",
        "def __init__(self, size, layer_idx):",
    )
    refused_as(package, "ToyDecoderLayer is not made from a configuration alone", "def __init__(self, size")


def test_a_layer_that_is_not_named_after_its_model_is_refused(package: Path) -> None:
    toy(package, "plain", "ToyDecoderLayer", "PlainDecoderLayer")
    refused_as(
        package, "PlainDecoderLayer is not named after its model: ToyModel would go on", "class PlainDecoderLayer"
    )


def test_a_layer_without_a_place_is_refused_at_the_line_of_the_base(package: Path) -> None:
    toy(package, "plain", "self.mlp(", "self.mlp(*")
    refused_as(package, "ToyDecoderLayer: the feed-forward part is given nothing that has a name", "self.mlp(*")


def refused_as(package: Path, message: str, line: str) -> None:
    with pytest.raises(ConversionError) as refused:
        short_delta("toy", package)
    [problem] = refused.value.diagnostics
    assert problem.code == "no-place" and message in problem.message and problem.fix
    text = (package / "models" / "toy" / "modeling_toy.py").read_text().split("\n")
    assert line in text[problem.line - 1]


def test_no_layer_with_a_feed_forward_part_is_refused() -> None:
    with pytest.raises(ConversionError, match="no-feed-forward: no layer of MambaModel has a feed-forward part"):
        short_delta("mamba")


def test_a_kind_of_gate_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(ConversionError, match="unknown-gate: there is no kind of gate called 'qualty'") as refused:
        short_delta("llama", gate="qualty")
    assert "did you mean `quality`?" in str(refused.value)
    with pytest.raises(ConversionError, match="there are attention, memory, quality, select"):
        short_delta("llama", gate="zzzz")


CLASSES = {
    "bloom": {"QualityGateBloomBlock": 'QualityGate(reads="self.mlp", scales="self.mlp", adds="residual")'},
    "jamba": {
        "QualityGateJambaAttentionDecoderLayer": 'QualityGate(reads="self.feed_forward", scales="self.feed_forward")',
        "QualityGateJambaMambaDecoderLayer": 'QualityGate(reads="self.feed_forward", scales="self.feed_forward")',
    },
    "nemotron_h": {
        "QualityGateNemotronHBlock": 'QualityGate(reads="self.mixer(hidden_states)", scales="self.mixer(hidden_states)", '
        """when='self.block_type not in ("linear_attention", "full_attention")')"""
    },
    "xmod": {
        "QualityGateXmodOutput": 'Scaled("hidden_states", into="hidden_states + input_tensor")',
        "QualityGateXmodLayer": 'QualityGate(reads="self.feed_forward_chunk", hands="self.output")',
    },
}


@pytest.mark.parametrize("name", CLASSES)
def test_real_bases_of_several_forms(name: str) -> None:
    tree = ast.parse(short_delta(name).text)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    found = {node.name: ast.unparse(node.body[0]) for node in classes}
    assert found == {key: ast.unparse(ast.parse(f"quality_gate = {value}")) for key, value in CLASSES[name].items()}
    for node in classes:
        assert ast.unparse(node.bases[0]) == f"base.{node.name.removeprefix('QualityGate')}"


def test_layers_that_some_inputs_leave_out_are_told() -> None:
    text = short_delta("mllama").text
    assert "\n\nNo gate in MllamaCrossAttentionDecoderLayer, which some inputs leave out: " in text
    assert max(map(len, text.split("\n"))) <= 119


def test_layers_without_a_gate_are_told_and_those_around_one_with_a_gate_are_not(package: Path) -> None:
    toy(
        package,
        "hybrid",
        "return hidden_states + self.mamba(self.norm(hidden_states))",
        "return self.a(self.b(self.c(0)))",
    )
    found = short_delta("toy", package)
    assert found.layers == ("ToyAttentionLayer",) and found.ungated == ("ToyMambaLayer",)
    around = short_delta("zamba")
    assert around.layers == ("ZambaAttentionDecoderLayer",) and not around.ungated


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bert", "BERT"),
        ("gpt2", "GPT-2"),
        ("gptj", "GPT-J"),
        ("xmod", "X-MOD"),
        ("trocr", "TrOCR"),
        ("mistral", "Mistral"),
    ],
)
def test_models_are_called_as_people_call_them(name: str, expected: str) -> None:
    base = find_base(name, find_transformers())
    assert title(base, read_stack(base)) == expected


def test_the_same_text_comes_out_under_every_hash_seed(tmp_path: Path) -> None:
    code = "from scaffold.short import short_delta; "
    code += "print(*(short_delta(name).text for name in ('bert', 'jamba', 'gpt_neox')))"
    texts = set()
    for seed in ("0", "1", "2"):
        surroundings = {"PYTHONPATH": str(CASES.parents[2] / "utils"), "PYTHONHASHSEED": seed, "PATH": ""}
        run = [sys.executable, "-c", code]
        done = subprocess.run(run, env=surroundings, capture_output=True, text=True, check=True, cwd=tmp_path)
        texts.add(done.stdout)
    assert len(texts) == 1
