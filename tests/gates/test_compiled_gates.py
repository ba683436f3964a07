"""`torch.compile` and `torch.export` take gated models whole, without scores, as the rendered suites have it with them."""

from __future__ import annotations

import shutil

import pytest
import torch
from families import FAMILIES, HIDDEN, Family, gates, tokens
from rounding.comparing import assert_equal_but_for_rounding


def test_a_forward_pass_compiles_without_a_break(family: Family) -> None:
    model = family.gated()
    eager = model(tokens(), labels=tokens(), output_router_logits=False)
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    outputs = compiled(tokens(), labels=tokens(), output_router_logits=False)
    assert list(outputs) == list(eager)
    assert_equal_but_for_rounding(outputs.logits, eager.logits, HIDDEN)
    assert_equal_but_for_rounding(outputs.loss, eager.loss, HIDDEN)
    assert outputs.quality_logits is None


def test_a_training_step_compiles_without_a_break(family: Family) -> None:
    model = family.gated()
    model.train()
    arguments = {"quality_targets": torch.tensor([0, 1]), "output_router_logits": False}
    eager = model(tokens(), labels=tokens(), **arguments).loss
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    loss = compiled(tokens(), labels=tokens(), **arguments).loss
    assert_equal_but_for_rounding(loss, eager, HIDDEN)
    loss.backward()
    assert not any(gate.gate.weight.grad.any() for gate in gates(model))


@pytest.mark.skipif(not shutil.which("g++"), reason="inductor writes C++ for a CPU, and there is no g++")
def test_inductor_computes_the_same() -> None:
    model = FAMILIES[0].gated().train()
    arguments = {"labels": tokens(), "quality_targets": torch.tensor([0, 1])}
    eager = model(tokens(), **arguments)
    expected = torch.autograd.grad(eager.loss, [gate.gate.weight for gate in gates(model)])
    torch._dynamo.reset()
    outputs = torch.compile(model, fullgraph=True)(tokens(), **arguments)
    assert_equal_but_for_rounding(outputs.logits, eager.logits, HIDDEN)
    assert_equal_but_for_rounding(outputs.quality_logits, eager.quality_logits, HIDDEN)
    outputs.loss.backward()
    assert_equal_but_for_rounding(tuple(gate.gate.weight.grad for gate in gates(model)), expected, HIDDEN)


def test_a_forward_pass_exports(family: Family) -> None:
    model = family.gated()
    inputs = {"input_ids": tokens(), "use_cache": False, "output_router_logits": False}
    eager = model(**inputs)
    with torch.no_grad():
        exported = torch.export.export(model, (), inputs, strict=False).module()(**inputs)
    assert_equal_but_for_rounding(exported.logits, eager.logits, HIDDEN)
    assert exported.quality_logits is None
