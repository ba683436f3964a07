"""The four gated families at tiny sizes, each beside the base it has to agree with."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_lowercase
from typing import Any, ClassVar

import tokenizers
import torch

from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast


VOCABULARY = 64
HEADS = ("ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
_SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


@dataclass(frozen=True)
class Family:
    """One base architecture: `name` in snake case, and the prefix of its text classes."""

    name: str
    prefix: str
    sizes: Mapping[str, Any] = field(default_factory=dict)
    heads: tuple[str, ...] = HEADS
    attentions: tuple[str, ...] = ("eager", "sdpa")
    config_name: str = ""
    model_name: str = ""
    has_experts: bool = False
    kind: ClassVar[str] = "quality"  # of the gate
    kind_prefix: ClassVar[str] = "QualityGate"

    def __str__(self) -> str:
        return self.name

    @property
    def modeling(self) -> Any:
        """The generated modeling module."""
        package = f"{self.kind}_gate_{self.name}"
        return importlib.import_module(f"generated.{package}.modeling_{package}")

    def gated_class(self, name: str) -> type:
        """`ForCausalLM`, `Config`, `Gate`, ... -> the generated class."""
        name = f"{self.kind_prefix}{self._full(name)}"
        package = importlib.import_module(f"generated.{self.kind}_gate_{self.name}")
        return getattr(package, name) if name in dir(package) else getattr(self.modeling, name)

    def base_class(self, name: str) -> type:
        """`ForCausalLM`, `Config`, ... -> the class of transformers."""
        return getattr(importlib.import_module(f"transformers.models.{self.name}"), self._full(name))

    def _full(self, name: str) -> str:
        special = {"Config": self.config_name, "Model": self.model_name}.get(name)
        if special:
            return special
        return self.prefix + ("Text" if self.name == "gemma3" and name == HEADS[0] else "") + name

    @property
    def cache(self) -> str:
        """What the base takes a cache as, and gives it back as."""
        taken = inspect.signature(self.base_class("ForCausalLM").forward).parameters
        return next(name for name in ("cache", "past_key_values") if name in taken)

    def config(self, **fields: Any) -> PreTrainedConfig:
        """A tiny gated configuration."""
        return self.gated_class("Config")(**{**_SIZES, **self.sizes, **fields})

    def base_config(self, **fields: Any) -> PreTrainedConfig:
        """The same for the base."""
        return self.base_class("Config")(**{**_SIZES, **self.sizes, **fields})

    def gated(self, head: str = "ForCausalLM", **fields: Any) -> PreTrainedModel:
        """A tiny gated model in evaluation mode, the same one at every call."""
        torch.manual_seed(0)
        return self.gated_class(head)(self.config(**fields)).eval()

    def pair(self, head: str = "ForCausalLM", attention: str = "eager", **fields: Any) -> tuple[Any, Any]:
        """A base model and a gated one with the same weights."""
        torch.manual_seed(0)
        base = self.base_class(head)(self.base_config(attn_implementation=attention)).eval()
        gated = self.gated_class(head)(self.config(attn_implementation=attention, **fields)).eval()
        # question answering heads of the bases call their base model "transformer"
        weights = {key.replace("transformer.", "model."): value for key, value in base.state_dict().items()}
        loaded = gated.load_state_dict(weights, strict=False)
        assert not loaded.unexpected_keys and all(".quality_gate." in key for key in loaded.missing_keys)
        return base, gated


FAMILIES = (
    Family("llama", "Llama"),
    Family("qwen3", "Qwen3", {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}),
    Family(
        "gemma3",
        "Gemma3",
        {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"], "query_pre_attn_scalar": 8},
        heads=("ForSequenceClassification",),
        config_name="Gemma3TextConfig",
        model_name="Gemma3TextModel",
    ),
    Family(
        "gpt_oss",
        "GptOss",
        {"sliding_window": 4, "num_local_experts": 4, "num_experts_per_tok": 2},
        heads=("ForSequenceClassification", "ForTokenClassification"),
        attentions=("eager",),
        has_experts=True,
    ),
)
LAYERS = _SIZES["num_hidden_layers"]
HIDDEN = _SIZES["hidden_size"]


def tokens(batch: int = 2, length: int = 9, seed: int = 1) -> torch.Tensor:
    """Random tokens `[batch, length]` without special ones."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, VOCABULARY, (batch, length), generator=generator)


def left_padded(batch: torch.Tensor, padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and mask, with `padding` tokens before the last sample."""
    mask = torch.ones_like(batch)
    mask[-1, :padding] = 0
    return batch.masked_fill(mask == 0, 0), mask


def word_tokenizer(words: Sequence[str] = ascii_lowercase) -> PreTrainedTokenizerFast:
    """A tokenizer with a token for each of some words."""
    numbers = {word: number for number, word in enumerate(["<pad>", "<s>", "</s>", "<unk>", *words])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(numbers, unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    names = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def gates(model: PreTrainedModel) -> list[torch.nn.Module]:
    """The gate modules, in the order of the layers."""
    return [module for name, module in model.named_modules() if name.endswith(".quality_gate")]
