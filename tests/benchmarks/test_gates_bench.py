"""The benchmark of gates runs for every family and compares models that compute the same; its figures are no test."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch


SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gates.py"
ROW = re.compile(
    r"^(forward|training step|generation|decoding step) +(.+?) {2,}([\d. ]+?)(?:  (reached|missed))?$", re.MULTILINE
)


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("benchmark_of_gates", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("model", ["qwen3", "llama", "gpt_oss", "gemma3"])
def test_every_job_is_measured_for_every_variant(
    bench: ModuleType, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.main(["--smoke", "--model", model]) == 0
    rows = ROW.findall(capsys.readouterr().out)
    names = ["base", "base, with routers" if model == "gpt_oss" else "base, again", *bench.GOALS]
    assert [row[:2] for row in rows] == [(job, name) for job in bench.JOBS for name in names]
    for _, name, figures, verdict in rows:
        numbers = [float(figure) for figure in figures.split()]
        assert len(numbers) == 6 and min(numbers[:4]) > 0
        assert bool(verdict) == (name in bench.GOALS)


@pytest.mark.parametrize("model", ["qwen3", "gpt_oss"])
def test_attention_gates_are_measured_beside_their_base(
    bench: ModuleType, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.main(["--smoke", "--gate", "attention", "--model", model, "--job", "forward"]) == 0
    rows = ROW.findall(capsys.readouterr().out)
    assert [row[:2] for row in rows] == [("forward", n) for n in ("base", "base, again", "headwise", "elementwise")]
    assert [bool(verdict) for *_, verdict in rows] == [False, False, True, True]
    assert 0.5 < bench.ATTENTION_GOALS["elementwise"] < 1


def test_scores_are_computed_only_where_they_are_asked_for(bench: ModuleType) -> None:
    contestants = bench.variants("qwen3", *bench.build("qwen3", bench.QWEN3_06B | bench.TINY))
    calls = []
    for layer in contestants["gated, scores on"].model.model.layers:
        layer.quality_gate.register_forward_hook(lambda *arguments: calls.append(1))
    inputs, work = torch.ones(2, 5, dtype=torch.long), bench.Work(2, 5, 3, 1)
    counts = {}
    for name, variant in contestants.items():
        for job in bench.JOBS:
            calls.clear()
            bench.JOBS[job](variant, inputs, work)
            counts[name, job] = len(calls)
    layers = bench.TINY["num_hidden_layers"]
    assert {key: count for key, count in counts.items() if count} == {
        ("gated, scores on", "forward"): layers,
        ("gated, scores on", "training step"): layers,
        ("gated, scores on", "generation"): layers * work.new_tokens,
        ("gated, scores on", "decoding step"): layers,
    }


def test_models_that_differ_are_not_compared(bench: ModuleType) -> None:
    base, gated = bench.build("qwen3", bench.QWEN3_06B | bench.TINY)
    shared, own = base.model.norm.weight, gated.model.norm.weight
    assert shared.data_ptr() == own.data_ptr()
    gated.model.norm.weight = torch.nn.Parameter(own.detach() * 2)
    inputs = torch.ones(2, 5, dtype=torch.long)
    with pytest.raises(ValueError, match="forward: what `gated, scores off` computes is not what the base computes"):
        bench.insist_on_equality(bench.variants("qwen3", base, gated), inputs, bench.Work(2, 5, 3, 1))
