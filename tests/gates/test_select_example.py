"""The example that warms up the select gates of a small mixture, on a text short enough for a test."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import torch


SCRIPT = Path(__file__).parents[2] / "examples" / "select_gate.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("select_gate_example", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_gates_start_open_and_are_trained_alone(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bottles = (f"{number} bottles hang on the wall. " * 12 for number in range(40))
    monkeypatch.setattr(example, "docstrings", lambda: bottles)
    options = [
        "--steps",
        "4",
        "--warmup",
        "4",
        "--batch",
        "4",
        "--length",
        "32",
        "--held-out",
        "4",
        "--weight",
        "1000",
    ]
    assert example.main(options) == 0
    said = " ".join(capsys.readouterr().out.split())
    found = re.findall(r"([\d,]+) weights, 4 steps: good ratios of text ([\d.]+) and noise ([\d.]+)", said)
    assert [each[0] for each in found] == ["1,906,816", "512"]
    assert found[0][1:] == ("1.000", "1.000") and all(float(each) < 1 for each in found[1][1:])


def test_ratios_are_what_outputs_say(example: ModuleType) -> None:
    torch.manual_seed(0)
    config = example.SelectGateOlmoeConfig(**example.SIZES, select_gate_init="open")
    model = example.SelectGateOlmoeForCausalLM(config)
    ids = torch.randint(0, 256, (2, 8))
    assert example.ratio(model, ids) == 1
    for layer in model.model.layers:
        layer.select_gate.gate.register_forward_hook(lambda _, __, given: given * 0 - 1)
    assert example.ratio(model, ids) == pytest.approx(2 * torch.tensor(-1.0).sigmoid().item())
