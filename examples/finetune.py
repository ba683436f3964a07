"""Tune a model with LoRA on training sets of equally many tokens, and measure its loss on held-out text after each."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model


sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "utils"))

from selection.chat import IGNORED
from selection.errors import SelectionError
from selection.models import load_for_training
from selection.samples import SampleOptions, Samples, gather

from transformers import PreTrainedModel, set_seed


def main(argv: Sequence[str] | None = None) -> int:
    """Print the loss before, and after each set; write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model", required=True, help="a gated checkpoint; its gates are not asked")
    parser.add_argument(
        "--sets", nargs="+", required=True, metavar="NAME=FILE", help="training sets: selected_data.jsonl"
    )
    parser.add_argument("--held-out", required=True, metavar="FILE")
    parser.add_argument("--tokens", type=int, default=6000, help="of every set, as many")
    parser.add_argument("--length", type=int, default=48, help="tokens of a sample, at most")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1; auto: a GPU where there is one")
    parser.add_argument("--output", type=Path, default=Path("outputs/finetune.json"))
    args = parser.parse_args(argv)
    try:
        losses = compare(args)
    except SelectionError as error:
        print(error, file=sys.stderr)
        return 2
    args.output.write_text(json.dumps(losses, indent=2) + "\n")
    for name, found in losses.items():
        print(f"{name}: held-out loss {found['loss']:.4f} after {found['tokens']} tokens")
    return 0


def compare(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Name of a set -> tokens that were trained on, and the loss on the held-out text."""
    loaded, _ = load_for_training(args.model, args.output.parent)
    loaded.model.to(device_of(args.device))
    options = SampleOptions(args.length, seed=args.seed)
    held_out = gather([args.held_out], [], loaded.tokenize, loaded.end, options).samples
    found = {"untuned": {"tokens": 0, "loss": loss_of(loaded.model, held_out, args.batch)}}
    for each in args.sets:
        name, _, file = each.partition("=")
        samples = within(gather([file], [], loaded.tokenize, loaded.end, options), args.tokens)
        set_seed(args.seed)
        config = LoraConfig(
            r=args.rank,
            lora_alpha=2 * args.rank,
            target_modules="all-linear",
            exclude_modules=".*gate",
            task_type="CAUSAL_LM",
        )
        tuned = get_peft_model(loaded.model, config)
        tokens = tune(tuned, samples, args)
        found[name] = {"tokens": tokens, "loss": loss_of(tuned, held_out, args.batch)}
        tuned.unload()
    return found


def device_of(name: str) -> str:
    """A GPU for `auto`, where there is one."""
    return name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def within(samples: Samples, budget: int) -> list[dict[str, Any]]:
    """The first samples of a set, up to a number of tokens; the last one is cut."""
    found: list[dict[str, Any]] = []
    for sample in samples.samples:
        found.append({name: sample[name][:budget] for name in ("input_ids", "labels")})
        budget -= len(found[-1]["input_ids"])
        if budget <= 1:
            break
    return found


def tune(model: Any, samples: list[dict[str, Any]], args: argparse.Namespace) -> int:
    """One epoch, the learning rate falling to 0; returns how many tokens there were."""
    model.train()
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, args.rate, weight_decay=0.0)
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(args.seed)).split(args.batch)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, len(order))
    for places in order:
        batch = collate([samples[place] for place in places.tolist()], model.device)
        model(**batch, output_router_logits=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    return sum(len(sample["input_ids"]) for sample in samples)


@torch.inference_mode()
def loss_of(model: PreTrainedModel, samples: list[dict[str, Any]], batch: int) -> float:
    """Mean loss of a token."""
    model.eval()
    total = count = 0.0
    for start in range(0, len(samples), batch):
        tensors = collate(samples[start : start + batch], model.device)
        tokens = float((tensors["labels"][:, 1:] != IGNORED).sum())
        total += float(model(**tensors, output_router_logits=False).loss) * tokens
        count += tokens
    return total / max(count, 1.0)


def collate(samples: list[dict[str, Any]], device: torch.device) -> dict[str, torch.Tensor]:
    """Samples of different length as a batch."""
    width = max(len(sample["input_ids"]) for sample in samples)
    columns = {"input_ids": 0, "labels": IGNORED}
    rows = {
        name: [each[name] + [fill] * (width - len(each[name])) for each in samples] for name, fill in columns.items()
    }
    mask = [[1] * len(each["input_ids"]) + [0] * (width - len(each["input_ids"])) for each in samples]
    return {name: torch.tensor(values, device=device) for name, values in {**rows, "attention_mask": mask}.items()}


if __name__ == "__main__":
    raise SystemExit(main())
