"""The example that trains two small models, with attention gates and without, on a text short enough for a test."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import torch


SCRIPT = Path(__file__).parents[2] / "examples" / "attention_gate.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    pytest.importorskip("matplotlib")
    spec = importlib.util.spec_from_file_location("attention_gate_example", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_are_trained_and_measured(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        example, "texts", lambda: (f"{number} bottles hang on the wall. " * 12 for number in range(40))
    )
    options = ["--steps", "6", "--batch", "4", "--length", "32", "--held-out", "4", "--output", str(tmp_path)]
    assert example.main(options) == 0
    said = " ".join(capsys.readouterr().out.split())
    found = re.findall(
        r"(no gates|headwise) [\d,]+ weights, held-out loss ([\d.]+) nats a byte, ([\d.]+)% of attention", said
    )
    assert [name for name, *_ in found] == ["no gates", "headwise"]
    assert all(0 < float(loss) < 6 and 0 < float(share) < 100 for _, loss, share in found)
    assert len(re.findall(r"gates 0\.\d+ on average", said)) == 1
    assert (tmp_path / "losses.png").stat().st_size > 1000


def test_the_share_of_the_first_token_and_the_gates_are_what_outputs_say(example: ModuleType) -> None:
    model = example.make("elementwise", 0)
    samples = torch.randint(0, 256, (2, 16), generator=torch.Generator().manual_seed(0))
    loss, sink, gates = example.measure(model, samples)
    with torch.no_grad():
        outputs = model(samples, output_attentions=True)
    by_hand = [layer[:, :, place, 0].mean().item() for layer in outputs.attentions for place in range(8, 16)]
    assert sink == pytest.approx(sum(by_hand) / len(by_hand), rel=1e-4) and loss > 0
    assert gates.numel() == 4 * 2 * 16 * 8 * 16 and example.measure(example.make("no gates", 0), samples)[2] is None


def test_held_out_texts_are_no_others(example: ModuleType) -> None:
    train, held_out = example.split((chr(97 + number % 26) * 210 for number in range(20)), 16)
    assert set(train.flatten().tolist()).isdisjoint(set(held_out.flatten().tolist()) - {10})
