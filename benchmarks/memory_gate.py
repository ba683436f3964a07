"""What a memory costs by the number of its rows: gated models against their base in one run, `make bench-memory`.

A forward pass over a prompt and a decoding step behind it, at the widths of Qwen3-0.6B. The contestants take turns, so
that a machine that slows down does so for all; `ratio` is the median of the ratios within rounds, 1 for the base. Rows and
their keys are random, so that nothing is found near; "reads" lets in a row at every token all the same, each time
another one, which is the most that reading can cost.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch


sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gates import DEVICE, DTYPE, PREFIXES, QWEN3_06B, TINY, cache_name


LENGTH = 16  # tokens of a row
DESIGNS = ("content", "content, reads", "original, low rank")
ROUNDS, STEPS = 5, 4


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each number of rows and design; with --json write them, too."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model", default="qwen3", choices=sorted(PREFIXES))
    parser.add_argument("--rows", nargs="+", type=int, default=[2**12, 2**14, 2**16, 2**18, 2**20])
    parser.add_argument("--tokens", type=int, default=256, help="of the prompt")
    parser.add_argument("--tiny", action="store_true", help="a tiny model: whether it runs at all")
    parser.add_argument("--json", type=Path, help="a file for the numbers")
    args = parser.parse_args(argv)
    sizes = TINY if args.tiny else QWEN3_06B
    print(f"{args.model} on {DEVICE.type}, {DTYPE}, {torch.get_num_threads()} threads; {torch.__version__}")
    base, found = build_base(args.model, sizes), []
    for rows in args.rows:
        for design in DESIGNS:
            numbers = {"rows": rows, "design": design, **measure(base, args.model, sizes, rows, design, args.tokens)}
            found.append(numbers)
            print(
                f"{rows:>9,} rows  {design:<18}  forward {numbers['forward']:.3f}  decoding step {numbers['decoding']:.3f}"
                f"  search {1e3 * numbers['search_s']:.2f} ms  bank {numbers['bank_mib']:.0f} MiB"
                f"  keys {numbers['keys_mib']:.0f} MiB  cells made in {numbers['cells_s']:.1f} s",
                flush=True,
            )
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


def build_base(name: str, sizes: dict[str, Any]) -> Any:
    """The base model, with random weights."""
    prefix = PREFIXES[name]
    bases = importlib.import_module(f"transformers.models.{name}")
    torch.manual_seed(0)
    config = getattr(bases, prefix + ("TextConfig" if name == "gemma3" else "Config"))(**sizes)
    return getattr(bases, f"{prefix}ForCausalLM")(config).to(DEVICE, DTYPE).eval()


def build(base: Any, name: str, sizes: dict[str, Any], rows: int, design: str) -> Any:
    """The gated model with the very same weights in memory, and a full bank."""
    prefix = PREFIXES[name]
    module = importlib.import_module(f"generated.memory_gate_{name}")
    own = {"knowledge_num": rows, "knowledge_length": LENGTH, "memory_pad_token_id": 0}
    if design.startswith("original"):
        own |= {"memory_design": "original", "memory_rank": min(128, sizes["hidden_size"] // 2)}
    config = getattr(module, f"MemoryGate{prefix}" + ("TextConfig" if name == "gemma3" else "Config"))
    model = getattr(module, f"MemoryGate{prefix}ForCausalLM")(config(**sizes, **own)).to(DEVICE, DTYPE)
    model.load_state_dict(base.state_dict(), strict=False, assign=True)
    model.tie_weights()
    for part, each in model.named_modules():
        if part.endswith((".memory_gate", ".memory_norm", ".gated_memory_fusion")):
            each.float()  # as `from_pretrained` leaves it
    bank = model.base_model.memory
    generator = torch.Generator().manual_seed(1)
    bank.memory_bank.copy_(torch.randint(1, sizes["vocab_size"], (rows, LENGTH), generator=generator))
    return model.eval()


def measure(base: Any, name: str, sizes: dict[str, Any], rows: int, design: str, tokens: int) -> dict[str, float]:
    """Ratios of a gated model to its base, the time of a search, and what the bank holds."""
    model = build(base, name, sizes, rows, design)
    bank, cells_s, search_s, keys_mib = model.base_model.memory, 0.0, 0.0, 0.0
    if design.startswith("content"):
        gate = next(each for part, each in model.named_modules() if part.endswith(".memory_gate"))
        width = model.config.knowledge_dim
        keys = torch.nn.functional.normalize(
            torch.randn(rows, width, generator=torch.Generator().manual_seed(2)), dim=-1
        )
        keys = keys if rows * width <= 2**24 else keys.half()
        bank.adopt_keys(model.base_model, gate, keys)
        keys_mib = keys.numel() * keys.element_size() / 2**20
        query = torch.nn.functional.normalize(torch.randn(1, width), dim=-1).to(DEVICE)
        cells_s, search_s = seconds(lambda: bank.find(query, 16, 1)), 0.0
        search_s = min(seconds(lambda: bank.find(query, 16, 1)) for _ in range(5))
        if design.endswith("reads"):
            with torch.no_grad():
                gate.null_similarity.fill_(-1.0)
                next(each for part, each in model.named_parameters() if part.endswith(".gain")).normal_(std=0.02)
            bank.adopt_keys(model.base_model, gate, keys)
    ids = torch.randint(1, sizes["vocab_size"], (1, tokens), generator=torch.Generator().manual_seed(3)).to(DEVICE)
    steps = torch.randint(1, sizes["vocab_size"], (64, 1, 1), generator=torch.Generator().manual_seed(4)).to(DEVICE)
    caches = {}
    with torch.inference_mode():
        for each in (base, model):
            caches[each] = each(ids, use_cache=True)[cache_name(each)]
        ratios: dict[str, list[float]] = {"forward": [], "decoding": []}
        for turn in range(ROUNDS):
            times = {each: seconds(lambda each=each: each(ids, use_cache=False)) for each in (base, model)}
            ratios["forward"].append(times[model] / times[base])
            times = dict.fromkeys((base, model), 0.0)
            for step in range(STEPS):
                for each in (base, model):
                    token = steps[(turn * STEPS + step) % len(steps)]
                    more = {cache_name(each): caches[each], "use_cache": True}
                    times[each] += seconds(lambda each=each, token=token, more=more: each(token, **more))
            ratios["decoding"].append(times[model] / times[base])
    return {
        "forward": statistics.median(ratios["forward"]),
        "decoding": statistics.median(ratios["decoding"]),
        "search_s": search_s,
        "cells_s": cells_s,
        "bank_mib": bank.memory_bank.numel() * bank.memory_bank.element_size() / 2**20,
        "keys_mib": keys_mib,
        "root": math.isqrt(rows),
    }


def seconds(work: Any) -> float:
    """How long some work takes, until the device has done it."""
    began = time.perf_counter()
    work()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


if __name__ == "__main__":
    raise SystemExit(main())
