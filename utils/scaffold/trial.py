"""A gated model at a tiny size against its base: the quick proof that a delta does what it says.

The one room of this package that imports torch and transformers; nothing else here imports it.
"""

from __future__ import annotations

import importlib
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from facts.tiny import tiny_fields

from transformers import GenerationMixin, PreTrainedConfig, PreTrainedModel


@dataclass(frozen=True)
class Classes:
    """The classes of a base and of its gated model that belong together."""

    name: str
    prefix: str  # "Mistral"
    config: str  # "MistralConfig"
    names: Mapping[str, str]  # the gated classes by the names of the base's

    def base(self, name: str) -> type:
        """A class of the base, by its own name."""
        kind = "configuration" if name == self.config else "modeling"
        return getattr(importlib.import_module(f"transformers.models.{self.name}.{kind}_{self.name}"), name)

    def gated(self, name: str) -> type:
        """The gated class, by the name of the base's."""
        model = f"quality_gate_{self.name}"
        kind = "configuration" if name == self.config else "modeling"
        module = importlib.import_module(f"generated.{model}.{kind}_{model}")
        return getattr(module, self.names.get(name, f"QualityGate{name}"))


@dataclass
class Trial:
    """What a tiny gated model was seen to do. `problem` is empty where it did everything."""

    name: str
    passed: list[str] = field(default_factory=list)
    step: str = ""
    problem: str = ""
    trace: str = ""
    layers: int = 0  # gates in the tiny model
    parameters: int = 0  # that the gates add to it


def try_model(classes: Classes, heads: Mapping[str, str], fields: Mapping[str, Any] | None = None) -> Trial:
    """Run every step; stop at the first that fails. `fields` go on top of the tiny ones."""
    trial = Trial(classes.name)
    subject = _Subject(classes, dict(fields or {}))
    for step in (
        subject.builds,
        subject.agrees,
        subject.scores,
        subject.trains,
        subject.checkpoints_gradients,
        subject.scales,
        subject.saves,
        subject.loads_base,
        subject.generates,
        lambda: subject.heads(heads),
    ):
        trial.step = getattr(step, "__name__", "heads").strip("<>").replace("lambda", "heads")
        try:
            step()
        except Exception as error:
            trial.problem, trial.trace = f"{type(error).__name__}: {error}", traceback.format_exc(limit=-6)
            break
        trial.passed.append(trial.step)
    trial.layers, trial.parameters = subject.size()
    return trial


class _Subject:
    """A base and a gated model of one size and with the same weights."""

    def __init__(self, classes: Classes, fields: dict[str, Any]) -> None:
        self.classes, self.fields = classes, fields
        self.gated: PreTrainedModel | None = None

    def config(self, of: Callable[[str], type], **more: Any) -> PreTrainedConfig:
        kind = of(self.classes.config)
        fields = tiny_fields(_field_names(kind), self.classes.name) | self.fields | more
        config = kind(**fields)
        config._attn_implementation = "eager"
        return config

    def size(self) -> tuple[int, int]:
        if self.gated is None:
            return 0, 0
        gates = _gates(self.gated)
        return len(gates), sum(gate.weight.numel() for gate in gates)

    def builds(self) -> None:
        """Both are built, and the gated one takes all weights of the base and has gates alone besides."""
        causal = f"{self.classes.prefix}ForCausalLM"
        torch.manual_seed(0)
        self.base = self.classes.base(causal)(self.config(self.classes.base)).eval()
        self.gated = self.classes.gated(causal)(self.config(self.classes.gated)).eval()
        loaded = self.gated.load_state_dict(self.base.state_dict(), strict=False)
        assert not loaded.unexpected_keys, f"weights of the base have no place: {loaded.unexpected_keys[:3]}"
        foreign = [key for key in loaded.missing_keys if ".quality_gate." not in key]
        assert not foreign, f"weights that the base does not have: {foreign[:3]}"
        assert loaded.missing_keys, "there is no gate"

    def inputs(self, **more: Any) -> dict[str, Any]:
        size = self.base.config.get_text_config().vocab_size
        tokens = torch.randint(3, min(size, 120), (2, 9), generator=torch.Generator().manual_seed(1))
        return {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)} | more

    def agrees(self) -> None:
        """The logits and the loss are those of the base, bit for bit."""
        inputs = self.inputs()
        inputs["attention_mask"][-1, :2] = 0
        inputs["labels"] = inputs["input_ids"]
        with torch.no_grad():
            base, gated = self.base(**inputs), self.gated(**inputs)
            asked = self.gated(**inputs, output_router_logits=True)
        for output in (gated, asked):
            assert torch.equal(base.logits, output.logits), _difference(base.logits, output.logits)
        assert torch.equal(base.loss, gated.loss), f"loss {base.loss} and {gated.loss}"
        # of a base with experts the loss contains its balancing loss where router logits are asked for
        close = torch.allclose(asked.lm_loss, gated.lm_loss, rtol=1e-5)
        assert close, f"lm_loss {asked.lm_loss} and {gated.lm_loss}"

    def scores(self) -> None:
        """Every gate gives one score to each token, if asked."""
        with torch.no_grad():
            assert self.gated(**self.inputs()).quality_logits is None
            scores = self.gated(**self.inputs(), output_router_logits=True).quality_logits
        assert len(scores) == len(_gates(self.gated)), f"{len(scores)} scores of {len(_gates(self.gated))} gates"
        for each in scores:
            assert each.shape == (2, 9, 1), f"scores of shape {tuple(each.shape)}"
            assert each.dtype == torch.float32 and each.isfinite().all()

    def trains(self) -> None:
        """The loss reaches every gate."""
        inputs = self.inputs()
        self._backward(inputs)
        tuples = self.gated.eval()(**inputs, return_dict=False)
        assert isinstance(tuples, tuple)

    def checkpoints_gradients(self) -> None:
        """The same with gradient checkpointing."""
        if not self.gated.supports_gradient_checkpointing:
            return
        if not self._base_checkpoints():
            return  # nor does the base
        self.gated.gradient_checkpointing_enable()
        self._backward(self.inputs())
        self.gated.gradient_checkpointing_disable()
        self.gated.eval()

    def _base_checkpoints(self) -> bool:
        inputs = self.inputs()
        self.base.gradient_checkpointing_enable()
        try:
            self.base.train()(**inputs, labels=inputs["input_ids"]).loss.backward()
        except Exception:
            return False
        finally:
            self.base.gradient_checkpointing_disable()
            self.base.eval().zero_grad()
        return True

    def _backward(self, inputs: dict[str, Any]) -> None:
        self.gated.train()
        self.gated.zero_grad()
        outputs = self.gated(**inputs, labels=inputs["input_ids"], quality_labels=torch.tensor([0, 1]))
        assert outputs.quality_loss is not None, "no quality loss in training"
        outputs.loss.backward()
        idle = [
            i for i, gate in enumerate(_gates(self.gated)) if gate.weight.grad is None or not gate.weight.grad.any()
        ]
        assert not idle, f"no gradient reaches the gates {idle}"
        self.gated.zero_grad()
        self.gated.eval()

    def scales(self) -> None:
        """Gates in the path change the logits; without a feed-forward part those of the base are another's too."""
        torch.manual_seed(0)
        causal = self.classes.gated(f"{self.classes.prefix}ForCausalLM")
        scaled = causal(self.config(self.classes.gated, quality_gate_mode="scale_ffn")).eval()
        scaled.load_state_dict(self.gated.state_dict())
        with torch.no_grad():
            base, outputs = self.gated(**self.inputs()).logits, scaled(**self.inputs()).logits
        assert outputs.isfinite().all() and not torch.equal(base, outputs), "scale_ffn changes nothing"
        assert outputs.shape == base.shape, f"scale_ffn gives logits of shape {tuple(outputs.shape)}"

    def saves(self) -> None:
        """A saved model comes back with the same weights and logits."""
        with tempfile.TemporaryDirectory() as folder:
            self.gated.save_pretrained(folder)
            loaded, info = type(self.gated).from_pretrained(
                folder, output_loading_info=True, attn_implementation="eager"
            )
        assert not info["missing_keys"] and not info["unexpected_keys"], f"{info}"[:300]
        self._same(self.gated, loaded.eval())

    def loads_base(self) -> None:
        """A checkpoint of the base loads, and gates alone are new."""
        with tempfile.TemporaryDirectory() as folder:
            self.base.save_pretrained(folder)
            loaded, info = type(self.gated).from_pretrained(
                folder, output_loading_info=True, attn_implementation="eager"
            )
        foreign = [key for key in info["missing_keys"] if ".quality_gate." not in key]
        assert not foreign and not info["unexpected_keys"], f"missing {foreign[:3]}, {info['unexpected_keys']}"[:300]
        self._same(self.base, loaded.eval())

    def _same(self, one: PreTrainedModel, other: PreTrainedModel) -> None:
        with torch.no_grad():
            expected, found = one(**self.inputs()).logits, other(**self.inputs()).logits
        assert torch.equal(expected, found), _difference(expected, found)

    def generates(self) -> None:
        """Greedy decoding gives the tokens of the base, with the cache and asked for scores."""
        if not isinstance(self.gated, GenerationMixin):
            return
        options = {"max_new_tokens": 4, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
        with torch.no_grad():
            try:
                expected = self.base.generate(**self.inputs(), **options)
            except Exception:
                return  # nor does the base: a decoder of something else's hidden states
            found = self.gated.generate(**self.inputs(), **options)
            asked = self.gated.generate(**self.inputs(), **options, output_router_logits=True)
        assert torch.equal(expected, found), f"{expected[:, 9:].tolist()} and {found[:, 9:].tolist()}"
        assert torch.equal(expected, asked), "scores change what is generated"

    def heads(self, names: Mapping[str, str]) -> None:
        """Every other head agrees with that of the base."""
        for name in names:
            if name.endswith("ForCausalLM"):
                continue
            torch.manual_seed(0)
            base = self.classes.base(name)(self.config(self.classes.base)).eval()
            gated = self.classes.gated(name)(self.config(self.classes.gated)).eval()
            prefixes = (base.base_model_prefix, gated.base_model_prefix)
            weights = {
                key.replace(f"{prefixes[0]}.", f"{prefixes[1]}.", 1): value for key, value in base.state_dict().items()
            }
            loaded = gated.load_state_dict(weights, strict=False)
            assert not loaded.unexpected_keys, f"{name}: {loaded.unexpected_keys[:3]}"
            with torch.no_grad():
                expected = base(**self.inputs())
                found = gated(**self.inputs(), output_router_logits=True)
            for key in ("logits", "start_logits"):
                if expected.get(key) is not None:
                    assert torch.equal(expected[key], found[key]), f"{name}: {_difference(expected[key], found[key])}"
            assert found.quality_logits, f"{name} returns no scores"


def _field_names(kind: type) -> set[str]:
    return {name for each in kind.__mro__ for name in getattr(each, "__annotations__", {})} | set(
        getattr(kind, "attribute_map", {})
    )


def _gates(model: PreTrainedModel) -> list[torch.nn.Module]:
    return [module for name, module in model.named_modules() if name.endswith(".quality_gate.gate")]


def _difference(one: torch.Tensor, other: torch.Tensor) -> str:
    if one.shape != other.shape:
        return f"shapes {tuple(one.shape)} and {tuple(other.shape)}"
    return f"they differ by up to {(one - other).abs().max().item():.3g}"
