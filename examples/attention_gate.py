"""Train two small Qwen3 from scratch on real text, with attention gates and without: loss, attention sink, sparsity."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import torch
from rich.console import Console

from generated.attention_gate_qwen3 import AttentionGateQwen3Config, AttentionGateQwen3ForCausalLM
from transformers import PreTrainedModel, Qwen3Config, Qwen3ForCausalLM, set_seed


# Their documentation strings are the text; a token is one of its bytes
PACKAGES = ("accelerate", "huggingface_hub", "hypothesis", "matplotlib", "numpy", "safetensors")
SIZES = {
    "vocab_size": 256,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 16,
    "tie_word_embeddings": True,
    "bos_token_id": None,
    "eos_token_id": None,
    "attn_implementation": "eager",
}
SHUT = 0.1  # a gate below this is counted as shut


def main(argv: Sequence[str] | None = None) -> int:
    """Train both, print what each came to on held-out text, plot the losses."""
    args = parse(argv)
    console, torch_threads = Console(highlight=False), args.threads
    torch.set_num_threads(torch_threads or torch.get_num_threads())
    train, held_out = split(texts(), args.length)
    console.print(f"{train.numel():,} bytes of {', '.join(PACKAGES)} to train on, {held_out.numel():,} held out")
    curves = {}
    for name in ("no gates", "headwise", "elementwise") if args.both else ("no gates", args.mode):
        model = make(name, args.seed)
        curves[name] = fit(model, train, args)
        loss, sink, gates = measure(model, held_out[: args.held_out])
        said = f"{name:<12} {sum(each.numel() for each in model.parameters()):,} weights, held-out loss {loss:.4f} nats a byte, "
        said += f"{sink:.1%} of attention on the first token"
        if gates is not None:
            said += f", gates {gates.mean():.3f} on average, {(gates < SHUT).float().mean():.1%} below {SHUT}"
        console.print(said)
    args.output.mkdir(parents=True, exist_ok=True)
    plot(curves, args.output / "losses.png")
    console.print(f"the plot is in {args.output}")
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--mode", choices=("headwise", "elementwise"), default="headwise")
    parser.add_argument("--both", action="store_true", help="train one of each mode")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--length", type=int, default=128, help="bytes in a sample")
    parser.add_argument("--held-out", type=int, default=64, help="samples that are measured on")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch takes")
    parser.add_argument("--output", type=Path, default=Path("attention_gate_example"))
    return parser.parse_args(argv)


def texts() -> Iterator[str]:
    """The documentation strings of the packages, in the order of their files."""
    for package in PACKAGES:
        found = importlib.util.find_spec(package)
        for file in sorted(Path(found.origin).parent.rglob("*.py")) if found and found.origin else ():
            try:
                tree = ast.parse(file.read_text(encoding="utf-8"))
            except (SyntaxError, UnicodeDecodeError):
                continue
            owners = (each for each in ast.walk(tree) if isinstance(each, ast.ClassDef | ast.FunctionDef | ast.Module))
            yield from (text for each in owners if (text := ast.get_docstring(each)) and len(text) > 200)


def split(found: Iterator[str], length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples `[samples, length]` to train on and to measure on: every tenth text is held out."""
    parts: tuple[list[str], list[str]] = ([], [])
    for number, text in enumerate(dict.fromkeys(found)):
        parts[number % 10 == 9].append(text)
    rows = ("\n\n".join(each).encode() for each in parts)
    tensors = (torch.tensor(list(row[: len(row) // length * length])).view(-1, length) for row in rows)
    return tuple(tensors)


def make(name: str, seed: int) -> PreTrainedModel:
    """A model with random weights: of one seed, what both have is drawn alike as far as the order of drawing goes."""
    set_seed(seed)
    if name == "no gates":
        return Qwen3ForCausalLM(Qwen3Config(**SIZES))
    return AttentionGateQwen3ForCausalLM(AttentionGateQwen3Config(**SIZES, attention_gate_mode=name))


def fit(model: PreTrainedModel, samples: torch.Tensor, args: argparse.Namespace) -> list[float]:
    """The losses of the steps of training."""
    order, losses = random.Random(args.seed), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate, weight_decay=0.1)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.learning_rate, total_steps=args.steps)
    for _ in range(args.steps):
        batch = samples[order.sample(range(len(samples)), args.batch)]
        loss = model.train()(batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rate.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def measure(model: PreTrainedModel, samples: torch.Tensor) -> tuple[float, float, torch.Tensor | None]:
    """The loss, the share of attention that goes to the first token, and every gate, where there are gates.

    The share is the mean over layers, heads and all tokens from the eighth on: the first few have little else to attend to.
    """
    more: dict[str, Any] = {"output_attention_gates": True} if hasattr(model.config, "attention_gate_mode") else {}
    outputs = model.eval()(samples, labels=samples, output_attentions=True, **more)
    sink = torch.stack([layer[:, :, 8:, 0].mean() for layer in outputs.attentions]).mean()
    gates = torch.cat([layer.flatten() for layer in outputs.attention_gates]) if more else None
    return outputs.loss.item(), sink.item(), gates


def plot(curves: dict[str, list[float]], path: Path) -> None:
    """The losses of training, each the mean of the twenty steps before."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    for name, losses in curves.items():
        smooth = torch.tensor(losses).unfold(0, min(20, len(losses)), 1).mean(-1)
        axes.plot(range(len(losses) - len(smooth), len(losses)), smooth, label=name)
    axes.set(xlabel="step", ylabel="loss, nats a byte")
    axes.legend()
    figure.savefig(path, dpi=150, bbox_inches="tight")


if __name__ == "__main__":
    raise SystemExit(main())
