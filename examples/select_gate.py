"""Warm up the select gates of a small OLMoE that reads text and noise: which tokens do its experts still work for?

A mixture is trained on real text alone; then its gates, which are open so far, learn on text and on bytes drawn by chance, with
everything else frozen: the language modeling loss keeps them open where experts are of use, the quality loss closes them. Experts
are of no use to noise, so that its ratios should fall below those of text.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from rich.console import Console

from generated.select_gate_olmoe import SelectGateOlmoeConfig, SelectGateOlmoeForCausalLM
from transformers import set_seed


# Their documentation strings are the text; a token is one of its bytes
PACKAGES = ("accelerate", "huggingface_hub", "numpy", "safetensors")
SIZES = {
    "vocab_size": 256,
    "hidden_size": 128,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Train the mixture, warm its gates up, and tell the good ratios of text and of noise before and after."""
    args = parse(argv)
    console = Console(highlight=False)
    if args.threads:
        torch.set_num_threads(args.threads)
    set_seed(args.seed)
    text = samples(args.length)
    random.Random(args.seed).shuffle(text)
    held_out, train = torch.stack(text[: args.held_out]), torch.stack(text[args.held_out :])
    noise, noisy = torch.randint(0, 256, held_out.shape), torch.cat([train, torch.randint(0, 256, train.shape)])
    model = SelectGateOlmoeForCausalLM(
        SelectGateOlmoeConfig(
            **SIZES,
            select_gate_init="open",
            enable_load_balancing=True,
            quality_loss_weight=args.weight,
            sample_wise_averaging=True,
        )
    )
    gates = {name for name, _ in model.named_parameters() if ".select_gate." in name}
    stages = (("the mixture", None, train, args.steps, 2e-3), ("its gates", gates, noisy, args.warmup, 1e-2))
    for stage, names, data, steps, rate in stages:
        trained = fit(model, names, data, steps, rate, args.batch)
        told = f"trained {stage}, {trained:,} weights, {steps} steps: "
        scores = " and ".join(
            f"{name} {ratio(model, ids):.3f}" for name, ids in (("text", held_out), ("noise", noise))
        )
        console.print(f"{told}good ratios of {scores}, held-out loss {loss(model, held_out):.4f} nats a byte")
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=150, help="of the mixture (default: %(default)s)")
    parser.add_argument("--warmup", type=int, default=60, help="of its gates (default: %(default)s)")
    parser.add_argument("--weight", type=float, default=2.0, help="of the quality loss (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="samples (default: %(default)s)")
    parser.add_argument("--length", type=int, default=64, help="bytes of a sample (default: %(default)s)")
    parser.add_argument("--held-out", type=int, default=48, help="samples (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="of the processor (default: torch's)")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def samples(length: int) -> list[torch.Tensor]:
    """The text cut into samples of so many bytes; a rest is left out."""
    found = "\n".join(docstrings()).encode()
    cut = range(0, len(found) - length + 1, length)
    return [torch.tensor(list(found[start : start + length])) for start in cut]


def docstrings() -> Iterator[str]:
    """The documentation strings of a few installed packages."""
    for package in PACKAGES:
        found = importlib.util.find_spec(package)
        for folder in (found and found.submodule_search_locations) or ():
            for path in sorted(Path(folder).rglob("*.py")):
                yield from docstrings_of(path.read_text(encoding="utf-8", errors="ignore"))


def docstrings_of(text: str) -> Iterator[str]:
    """The documentation strings of a module, longer ones alone."""
    try:
        tree = ast.parse(text)
    except SyntaxError:  # of a template, or of another Python
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            said = ast.get_docstring(node) or ""
            if len(said) > 200:
                yield said


def fit(
    model: SelectGateOlmoeForCausalLM, names: set[str] | None, text: torch.Tensor, steps: int, rate: float, batch: int
) -> int:
    """Train the gates (`names`) alone, or everything but them; how many weights that are."""
    gates = {name for name, _ in model.named_parameters() if ".select_gate." in name}
    trained = []
    for name, weight in model.named_parameters():
        weight.requires_grad_(name in names if names else name not in gates)
        trained += [weight] if weight.requires_grad else []
    optimizer = torch.optim.AdamW(trained, lr=rate)
    model.train()
    for _ in range(steps):
        ids = text[torch.randint(0, len(text), (batch,))]
        optimizer.zero_grad()
        model(ids, labels=ids, output_router_logits=bool(names) or None).loss.backward()
        optimizer.step()
    return sum(weight.numel() for weight in trained)


@torch.no_grad()
def ratio(model: SelectGateOlmoeForCausalLM, ids: torch.Tensor) -> float:
    """How much of the experts' output tokens get, on average over samples, layers and tokens."""
    scores = torch.stack(model.eval()(ids).quality_logits)
    return (2 * scores.sigmoid()).clamp(max=1).mean().item()


@torch.no_grad()
def loss(model: SelectGateOlmoeForCausalLM, ids: torch.Tensor) -> float:
    """The language modeling loss."""
    return model.eval()(ids, labels=ids).lm_loss.item()


if __name__ == "__main__":
    raise SystemExit(main())
