"""The warm-up example, end to end on a model small enough for a test."""

from __future__ import annotations

import argparse
import importlib.util
import random
from pathlib import Path
from string import ascii_lowercase
from types import ModuleType
from typing import Any

import pytest
import torch
from families import FAMILIES, gates, word_tokenizer
from rich.console import Console


SCRIPT = Path(__file__).parents[2] / "examples" / "warmup.py"


@pytest.fixture(scope="module")
def warmup() -> ModuleType:
    pytest.importorskip("matplotlib")
    spec = importlib.util.spec_from_file_location("warmup", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arguments(warmup: ModuleType, folder: Path, **options: Any) -> argparse.Namespace:
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return warmup.parse([*words, "--output", str(folder)])


def test_gates_learn_and_the_report_says_so(warmup: ModuleType, tmp_path: Path) -> None:
    words = [one + other for one, other in zip(ascii_lowercase, ascii_lowercase[1:])]  # swapped letters are no words
    texts = [" ".join(words[start:] + words[:start]) for start in range(24)]
    tokenizer = word_tokenizer(words)
    model = FAMILIES[0].gated(quality_loss_weight=1).requires_grad_(False)
    for gate in gates(model):
        gate.requires_grad_(True)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    args = arguments(warmup, tmp_path, steps=30, rate=0.05)
    train, held_out = warmup.split(texts, 16, 8, seed=0)
    assert len(train) == 16 and len(held_out) == 8 and not set(train) & set(held_out)
    new = warmup.auc_per_layer(model, tokenizer, held_out, args)
    warmup.warm_up(model, tokenizer, train, args)
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name]) != (".quality_gate." in name), name
    trained = warmup.auc_per_layer(model, tokenizer, held_out, args)
    assert len(new) == len(trained) == 2 and max(trained) > 0.9
    console = Console(record=True)
    warmup.report(new, trained, args, console)
    assert f"layer  1: AUC {new[1]:.3f} -> {trained[1]:.3f}" in console.export_text()
    assert (tmp_path / "auc_per_layer.png").read_bytes().startswith(b"\x89PNG")


def test_auc_counts_pairs(warmup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    means = iter([0.9, 0.2, 0.5, 0.1])  # two good texts, then the same two corrupted: 3 of 4 pairs are in order

    class Scored:
        device = "cpu"
        eval = staticmethod(lambda: None)

        @staticmethod
        def model(*_: Any, **__: Any) -> Any:
            return argparse.Namespace(quality_logits=[torch.full((1, 3, 1), next(means)).logit()])

    args = arguments(warmup, tmp_path)
    assert warmup.auc_per_layer(Scored(), word_tokenizer(), ["a b c", "d e f"], args) == [0.75]


def test_texts_are_prose_and_each_appears_once(warmup: ModuleType, tmp_path: Path) -> None:
    prose = " ".join(["word"] * 30) + "."
    code = f'"""Short.\n\n{prose}\n\n>>> {prose}\n"""\n\ndef f():\n    """{prose}"""\n'
    (tmp_path / "module.py").write_text(code)
    assert list(warmup.paragraphs(tmp_path / "module.py")) == [prose, prose]
    (tmp_path / "broken.py").write_text("def")
    assert list(warmup.paragraphs(tmp_path / "broken.py")) == []


def test_corrupting_is_repeatable_and_changes_the_text(warmup: ModuleType) -> None:
    text = "the quick brown fox jumps over the lazy dog and runs away from everyone it meets"
    once, again = (warmup.corrupted(text, random.Random(3)) for _ in range(2))
    assert once == again != text
    assert len(set(once.split()) & set(text.split())) > 3
