"""The list of what is gated: which models, by which gates, from which release."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from rich.console import Console
from showcase.listing import Listed, anchors, listed, main
from showcase.scores import good_ratios, score_table


DELTA = """
from gates.quality import QualityGate
from transformers.models.llama import modeling_llama as base

SIZE = max(3, 4)

class Own:
    gate = QualityGate(reads="nothing")

class QualityGateLlamaDecoderLayer(base.LlamaDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
    width = 3

    def forward(self):
        found = QualityGate(reads="elsewhere")
"""
ANCHOR = 'LlamaDecoderLayer: QualityGate(reads="self.mlp", scales="self.mlp")'


def test_gates_are_those_that_classes_of_the_base_declare() -> None:
    assert list(anchors(DELTA)) == [ANCHOR]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("quality_gate_llama", "attention_gate_zamba"):
        (folder := tmp_path / "generated" / name).mkdir(parents=True)
        (folder / f"modeling_{name}.py").write_text("")
        (folder / f"configuration_{name}.py").write_text("")
        (folder / "__init__.py").write_text("")
    (tmp_path / "modular").mkdir()
    (tmp_path / "modular" / "modular_quality_gate_llama.py").write_text(DELTA)
    (tmp_path / "tests" / "models" / "quality_gate_llama").mkdir(parents=True)
    return tmp_path


LOCKS = [
    ('{"models": {"quality_gate_llama": {"transformers": "5.24.0"}, "attention_gate_zamba": "damaged"}}', "5.24.0"),
    ("{", ""),
    ('{"models": {}}', ""),
    ('{"models": 3}', ""),
    ("[]", ""),
    (None, ""),
]


@pytest.mark.parametrize(("lock", "release"), LOCKS)
def test_a_model_is_listed_with_all_that_is_known_of_it(home: Path, lock: str | None, release: str) -> None:
    if lock is not None:
        (home / "generated" / "lock.json").write_text(lock)
    assert listed(home, home / "generated") == [
        Listed("attention_gate_zamba", "attention", "zamba", (), "", ""),
        Listed("quality_gate_llama", "quality", "llama", (ANCHOR,), release, "tests/models/quality_gate_llama"),
    ]


def test_models_of_one_kind_are_listed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--gate", "memory", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found and {each["kind"] for each in found} == {"memory"}
    assert main(["--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) > len(found)


@pytest.mark.parametrize(
    ("kind", "fix"), [("memori", "did you mean `memory`?"), ("xyzzy", "the kinds are attention, ")]
)
def test_a_kind_that_there_is_not_is_refused(kind: str, fix: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--gate", kind]) == 2
    said = capsys.readouterr().err
    assert f"there is no kind of gate called {kind!r}" in said and fix in said


def test_scores_are_of_layers_samples_and_tokens() -> None:
    class Model(torch.nn.Module):
        def forward(self, input_ids: torch.Tensor, output_router_logits: bool) -> object:
            assert output_router_logits and not torch.is_grad_enabled()
            logits = torch.zeros(*input_ids.shape, 1)
            return type("Outputs", (), {"quality_logits": (logits, logits + 1, logits - 1)})

    scores = good_ratios(Model(), torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]]))
    assert scores.shape == (3, 2, 4) and torch.equal(scores[0], torch.full((2, 4), 0.5))
    assert scores[2].max() < 0.5 < scores[1].min()


def test_a_table_of_scores_has_a_row_for_each_layer() -> None:
    console = Console(width=60)
    with console.capture() as printed:
        console.print(score_table({"good": torch.tensor([0.25, 1]), "bad": torch.tensor([0.125, 0])}))
    rows = [
        [cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")] for line in printed.get().splitlines()
    ]
    assert [row for row in rows if len(row) == 3] == [
        ["layer", "good", "bad"],
        ["0", "0.2500", "0.1250"],
        ["1", "1.0000", "0.0000"],
    ]
    with pytest.raises(ValueError):
        score_table({"good": torch.zeros(2), "bad": torch.zeros(3)})
