"""Forwards name what they take: to people, to tools that read signatures, and to compilers, which read code."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import attention_families
import families
import pytest
import select_families
import torch
from families import Family, tokens
from torch._dynamo import convert_frame
from torch._dynamo.utils import get_metrics_context

from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS


OURS = {
    "quality": ["quality_targets", "output_router_logits"],
    "attention": ["output_attention_gates"],
    "select": ["output_router_logits"],
}
HANDED = {"output_quality_logits", "hand_on_scores", "hand_on_gates", "quality_labels"}
OLD = ["quality_labels"]  # no parameter: `Trainer` would take it for a label
EVERY = [
    pytest.param(kind, each, id=f"{kind}-{each}")
    for kind, module in (("quality", families), ("attention", attention_families), ("select", select_families))
    for each in module.FAMILIES
]


def asked(kind: str) -> dict[str, Any]:
    return {name: torch.tensor([0.0, 1.0]) if name == "quality_targets" else True for name in OURS[kind]}


def written(forward: Callable[..., Any]) -> list[str]:
    """The parameters that the innermost function is written with."""
    code = inspect.unwrap(forward).__code__
    return [*code.co_varnames[: code.co_argcount + code.co_kwonlyargcount], "kwargs"]


@pytest.mark.parametrize(("kind", "gated"), EVERY)
def test_signatures_are_those_that_are_written(kind: str, gated: Family) -> None:
    for head in ["Model", "ForCausalLM", *gated.heads]:
        forward = gated.gated_class(head).forward
        names = list(inspect.signature(forward).parameters)
        assert [name for name in names if name not in OLD] == written(forward), head
        base = list(inspect.signature(gated.base_class(head).forward).parameters)
        added = [name for name in OURS[kind] if name not in base]
        more = ["output_quality_logits"] if kind == "select" and head == "Model" else []  # what heads ask
        assert [name for name in names if name not in OLD] == [*base[:-1], *added, *more, base[-1]], head
        documented = forward.__doc__ or ""
        assert all(f"{name} (`" in documented for name in OURS[kind]), head


@pytest.mark.parametrize(("kind", "gated"), EVERY)
def test_compilers_are_told_of_no_parameter_that_code_has_not(kind: str, gated: Family) -> None:
    for head in ["Model", "ForCausalLM", *gated.heads]:
        forward = gated.gated_class(head).forward
        code, own = forward.__code__, inspect.signature(forward, follow_wrapped=False).parameters
        taken = code.co_argcount + code.co_kwonlyargcount
        kinds = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
        assert len([each for each in own.values() if each.kind not in kinds]) == taken, head
        assert set(own) <= set(code.co_varnames), head


@pytest.mark.parametrize("scores", [False, True], ids=["unscored", "scored"])
@pytest.mark.parametrize("kind", list(OURS))
def test_a_base_model_is_captured_whole_ahead_of_time(kind: str, scores: bool) -> None:
    """As vLLM compiles: the method itself, whose arguments torch binds by the signature of the outermost function."""
    module = {"quality": families, "attention": attention_families, "select": select_families}[kind]
    model = module.FAMILIES[0].gated("Model")
    inputs = {"input_ids": tokens(), "use_cache": False, OURS[kind][-1]: scores}
    model(**inputs)  # installs transformers' hooks, which no compiler can
    torch._dynamo.reset()
    with torch.no_grad(), get_metrics_context():
        captured = convert_frame.fullgraph_capture(model.forward, (), inputs)
    assert captured.graph_capture_output.output_graph is not None


@pytest.mark.parametrize(("kind", "gated"), EVERY)
def test_slips_in_a_call_are_what_they_are_to_the_base(kind: str, gated: Family) -> None:
    models = [gated.base_class("ForCausalLM")(gated.base_config()).eval(), gated.gated()]
    many = [None] * (len(inspect.signature(models[0].forward).parameters) + 1)
    for model in models:
        with pytest.raises(ValueError, match="atention_mask"):
            model.generate(tokens(), atention_mask=tokens().ne(0), max_new_tokens=1)
        with pytest.raises(TypeError, match="positional"):
            model(tokens(), *many)
        with pytest.raises(TypeError, match="multiple values"):
            model(tokens(), input_ids=tokens())
    for name, value in asked(kind).items():
        assert name in inspect.signature(models[1].forward).parameters
        models[1](tokens(), **{name: value})


@pytest.mark.parametrize(("kind", "gated"), EVERY)
def test_loss_and_attention_functions_of_a_user_get_nothing_of_ours(
    kind: str, gated: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loss(logits: Any, labels: Any, vocab_size: int, num_items_in_batch: Any = None) -> torch.Tensor:
        return logits.float().square().mean()

    def attention(module: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(set(kwargs))
        return ALL_ATTENTION_FUNCTIONS["sdpa"](module, *args, **{k: v for k, v in kwargs.items() if k != "s_aux"})

    seen: list[set[str]] = []
    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, "seen", attention)
    model = gated.gated()
    model.loss_function = loss
    for layer in model.model.layers:
        layer.self_attn.config._attn_implementation = "seen"
    outputs = model(tokens(), labels=tokens(), **asked(kind))
    outputs.loss.backward()
    assert seen and not any(each & (HANDED | set(OURS[kind])) for each in seen)


def test_importing_models_says_nothing() -> None:
    """transformers prints an error for each argument of a forward that no docstring describes."""
    names = sorted({f"{gated.kind}_gate_{gated.name}" for _, gated in (each.values for each in EVERY)})
    names += ["memory_gate_llama", "select_gate_qwen3_moe", "select_gate_olmoe"]
    imports = "\n".join(f"import generated.{name}.modeling_{name}" for name in names)
    done = subprocess.run([sys.executable, "-c", imports], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done.stderr
