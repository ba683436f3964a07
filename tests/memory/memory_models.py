"""A tiny model that keeps the contract of models with memory gates, and a tokenizer with a token for every byte."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer as Tokens
from tokenizers import decoders, pre_tokenizers
from tokenizers.models import BPE

from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.modeling_outputs import CausalLMOutputWithPast


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


@dataclass
class RememberingOutput(CausalLMOutputWithPast):
    memory_rows: torch.LongTensor | None = None
    memory_alphas: torch.FloatTensor | None = None


class Remembering(LlamaForCausalLM):
    """A Llama beside a memory that it looks into and is not changed by: rows are found by the bytes that they share."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__(config)
        size = (config.knowledge_num, config.knowledge_length)
        self.model.register_buffer("memory_bank", torch.full(size, config.memory_pad_token_id))
        self.written: list[list[int]] = []

    @property
    def memory_bank(self) -> torch.Tensor:
        return self.model.memory_bank

    def write_memory(self, rows: torch.Tensor, ids: torch.Tensor) -> None:
        assert rows.dtype == ids.dtype == torch.int64 and ids.shape == (len(rows), self.config.knowledge_length)
        assert len(rows.unique()) == len(rows)
        self.memory_bank[rows] = ids
        self.written.append(rows.tolist())

    def memory_keys(self, ids: torch.Tensor) -> torch.Tensor:
        """Which bytes there are, how often."""
        counts = torch.zeros(len(ids), self.config.vocab_size).scatter_add_(1, ids, torch.ones(ids.shape))
        counts[:, self.config.memory_pad_token_id] = 0
        return torch.nn.functional.normalize(counts, dim=-1)

    def forward(self, input_ids: Any = None, output_memory: bool = False, **given: Any) -> CausalLMOutputWithPast:
        outputs = super().forward(input_ids, **given)
        if not output_memory:
            return outputs
        keys = self.memory_keys(self.memory_bank)
        found = []
        for prefix in range(1, input_ids.shape[1] + 1):
            found.append((self.memory_keys(input_ids[:, :prefix]) @ keys.T).max(-1))
        alphas = torch.stack([torch.sigmoid(20 * (each.values - 0.75)) for each in found], 1)
        rows = torch.stack([each.indices for each in found], 1)[..., None]
        return RememberingOutput(**outputs, memory_rows=rows, memory_alphas=alphas)


def stand_in(num: int = N, length: int = K, freeze_ratio: float = 0.2) -> Remembering:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    memory = {
        "knowledge_num": num,
        "knowledge_length": length,
        "freeze_ratio": freeze_ratio,
        "memory_pad_token_id": 0,
    }
    marks = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
    return Remembering(LlamaConfig(vocab_size=258, max_position_embeddings=512, **sizes, **memory, **marks)).eval()


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
