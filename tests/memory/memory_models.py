"""A small Llama with memory gates, and a tokenizer with a token for every byte."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer as Tokens
from tokenizers import decoders, pre_tokenizers
from tokenizers.models import BPE

from generated.memory_gate_llama import MemoryGateLlamaConfig, MemoryGateLlamaForCausalLM
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast


Tokenizer = PreTrainedTokenizerBase
FACTS = [
    "Melk is the capital of Zorvania.",
    "The river Dun is long.",
    "Cats eat fish.",
    "Tars was built in 1204.",
    "水的沸点是100℃。",
    "Bergen has rain.",
]
N, K = 16, 32


def byte_tokenizer(backwards: bool = False) -> Tokenizer:
    """A token for every byte, and some marks; another one has the same bytes in another order."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet(), reverse=backwards)
    names = ["<pad>", "<|im_end|>", *alphabet]
    tokenizer = Tokens(BPE({name: number for number, name in enumerate(names)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<pad>")


class Remembering(MemoryGateLlamaForCausalLM):
    """A Llama with memory gates that keeps a list of what is written. Untrained, it finds what was said word for word."""

    def __init__(self, config: MemoryGateLlamaConfig) -> None:
        super().__init__(config)
        self.written: list[list[int]] = []

    def write_memory(self, rows: torch.Tensor, token_ids: torch.Tensor) -> None:
        assert rows.dtype == token_ids.dtype == torch.int64 and len(rows.unique()) == len(rows)
        super().write_memory(rows, token_ids)
        self.written.append(rows.tolist())


def small_model(num: int = N, length: int = K, freeze_ratio: float = 0.2) -> Remembering:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    memory = {"knowledge_num": num, "knowledge_length": length, "knowledge_dim": 16, "num_candidates": 2}
    marks = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None, "freeze_ratio": freeze_ratio}
    config = MemoryGateLlamaConfig(vocab_size=258, max_position_embeddings=512, **sizes, **memory, **marks)
    return Remembering(config).eval()


def fill(model: Any, tokenizer: Tokenizer, sentences: Iterable[str], first: int = 0) -> None:
    """Write sentences into the memory, from a row on."""
    ids = [encode(tokenizer, each, model.config.knowledge_length) for each in sentences]
    rows = torch.arange(first, first + len(ids), device=model.memory_bank.device)
    model.write_memory(rows, torch.tensor(ids, device=rows.device).reshape(len(ids), -1).long()) if ids else None


def encode(tokenizer: Tokenizer, sentence: str, length: int = K) -> list[int]:
    ids = tokenizer(sentence, add_special_tokens=False)["input_ids"][:length]
    return ids + [0] * (length - len(ids))


def in_memory(model: Any, tokenizer: Tokenizer) -> dict[int, str]:
    """The rows that hold something, as text."""
    rows = (
        (row, tokenizer.decode(ids, skip_special_tokens=True)) for row, ids in enumerate(model.memory_bank.tolist())
    )
    return {row: text for row, text in rows if text}


def write_records(path: Path, records: Iterable[Any]) -> Path:
    lines = (each if isinstance(each, bytes) else json.dumps(each).encode() for each in records)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path
