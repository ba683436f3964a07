"""Gates keep full precision, whatever the rest of the model is loaded in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from families import LAYERS, Family, gates

from transformers.quantizers.quantizers_utils import should_convert_module


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_gates_are_loaded_in_full_precision(family: Family, dtype: torch.dtype, tmp_path: Path) -> None:
    family.gated().save_pretrained(tmp_path)
    model = family.gated_class("ForCausalLM").from_pretrained(tmp_path, dtype=dtype)
    assert {gate.gate.weight.dtype for gate in gates(model)} == {torch.float32}
    assert model.lm_head.weight.dtype == dtype


def test_quantizers_leave_the_gates_alone(family: Family) -> None:
    model = family.gated()
    linear = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    kept = {name for name in linear if not should_convert_module(name, list(model._keep_in_fp32_modules))}
    assert len(kept) == LAYERS and all(name.endswith(".quality_gate.gate") for name in kept)


def test_no_module_is_named_for_both_precisions(family: Family) -> None:
    model = family.gated()
    assert not set(model._keep_in_fp32_modules) & set(model._keep_in_fp32_modules_strict)
