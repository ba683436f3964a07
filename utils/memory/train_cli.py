"""`train_memory.py`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from checkpoints.commands import STATUS, guarded

from memory.errors import BankError
from memory.questions import Question, encode, question_of


GATES, CONFIG, METRICS, RESULT, STAGES = (
    "memory_gates.safetensors",
    "config.yaml",
    "metrics.jsonl",
    "evaluation.json",
    "stages",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    args = _parser().parse_args(argv)
    return guarded(_train, args, args.output)


def _parser() -> argparse.ArgumentParser:
    words = "Train the memory gates of a model, and nothing else: to find rows of its bank, and to say what they hold."
    parser = argparse.ArgumentParser(prog="train_memory.py", description=words, epilog=STATUS)
    add = parser.add_argument
    add(
        "settings",
        nargs="*",
        metavar="KEY=VALUE",
        help="how to train: retrieval_steps=350 (docs/memory.md lists them)",
    )
    add("--model", required=True, metavar="CHECKPOINT", help="a checkpoint with memory gates")
    add(
        "--data",
        required=True,
        nargs="+",
        type=Path,
        metavar="JSONL",
        help="questions: `prompt`, `answer`, `row` or `fact`",
    )
    add("--output", required=True, type=Path, metavar="RUN", help="the folder of the run")
    add("--bank", metavar="BANK", help="of memory_bank.py build (default: that in the checkpoint)")
    add("--held-out", nargs="+", type=Path, default=[], metavar="JSONL", help="questions that are answered at the end")
    add("--config", type=Path, metavar="YAML", help="settings in a file; KEY=VALUE on the command line goes first")
    add("--max-length", type=int, default=512, metavar="N", help="tokens of a question at most (%(default)s)")
    add("--resume", action="store_true", help="go on behind the last stage that --output holds")
    add("--dtype", default="float32", choices=("float32", "bfloat16", "float16"), help="of the backbone (%(default)s)")
    add("--quiet", action="store_true", help="say nothing unless it is refused")
    add("--verbose", action="store_true", help="print the traceback of a fault of this project")
    return parser


def _train(args: argparse.Namespace) -> None:
    settings = settings_of(args.config, args.settings)
    _check_output(args.output, args.resume)
    # late: torch takes seconds, which the help and a wrong setting do without
    from memory.evaluation import evaluate
    from memory.loading import load_bank, load_model
    from memory.metrics import Metrics
    from memory.settings import TrainOptions
    from memory.training import train

    options = TrainOptions(**settings)
    model, tokenizer = load_model(args.model, args.dtype)
    if args.bank:
        load_bank(model, tokenizer, args.bank)
    rows = sentences_of(model, tokenizer)

    def tokenize(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False).input_ids

    number = model.config.knowledge_num
    questions = [encode(each, tokenize, args.max_length) for each in read_questions(args.data, rows, number)]
    held_out = list(read_questions(args.held_out, rows, number))
    args.output.mkdir(parents=True, exist_ok=True)
    done = _stages(args.output) if args.resume else []
    if done:
        model.load_memory_gates(args.output / STAGES / done[-1])

    def keep(stage: str) -> None:
        model.save_memory_gates(args.output / STAGES / stage)

    metrics = Metrics(args.output / METRICS, append=bool(done))
    losses = train(model, questions, options, args.output, [metrics], done, keep)
    model.save_memory_gates(args.output)
    tokenizer.save_pretrained(args.output)
    found = evaluate(model, tokenizer, held_out) if held_out else None
    if found is not None:
        (args.output / RESULT).write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    _write_config(args, options, losses, len(questions))
    if not args.quiet:
        told = ", ".join(f"{stage} loss {loss:.3f}" for stage, loss in losses.items()) or "nothing left to train"
        right = (
            "" if found is None else f"; {found['answered']:.0%} of {found['questions']} held-out questions answered"
        )
        print(f"{args.output}: trained on {len(questions)} questions, {told}{right}")


def settings_of(file: Path | None, words: Sequence[str]) -> dict[str, Any]:
    """The settings of a file and of the command line, checked by their names and types. Raises BankError."""
    from memory.settings import DEFAULTS

    found: dict[str, Any] = {}
    if file is not None:
        import yaml

        try:
            read = yaml.safe_load(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise BankError(file, "does not exist", "give a file of settings") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise BankError(file, f"is no YAML: {str(error).splitlines()[0]}", "write `name: value` lines") from None
        if not isinstance(read, Mapping):
            raise BankError(file, "holds no names with values", "write `name: value` lines")
        found |= {name: value for name, value in read.items() if name in DEFAULTS or name not in _KNOWN}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise BankError("settings", f"{word!r} is no KEY=VALUE", "write retrieval_steps=350")
        found[name] = value
    return {name: _setting(name, value, DEFAULTS) for name, value in found.items()}


_KNOWN = {"model", "bank", "data", "held_out", "losses", "questions"}  # of a run's own config.yaml


def _setting(name: str, value: Any, defaults: Mapping[str, Any]) -> Any:
    from converter.diagnostics import nearest

    if name not in defaults:
        close = nearest(str(name), defaults)
        raise BankError(
            "settings", f"there is no `{name}`", f"did you mean `{close}`?" if close else "see docs/memory.md"
        )
    kind = type(defaults[name])
    try:
        number = kind(value)
    except (TypeError, ValueError):
        raise BankError("settings", f"`{name}` is {value!r}", f"give a {'whole ' * (kind is int)}number") from None
    if not 0 <= number < float("inf"):
        raise BankError("settings", f"`{name}` is {value!r}", "give 0 or more")
    return number


def sentences_of(model: Any, tokenizer: Any) -> dict[str, int]:
    """The rows of a model's bank by their sentences."""
    bank = model.base_model.memory
    token_ids = bank.memory_bank
    filled = (bank.lengths(token_ids) > 0).nonzero()[:, 0].tolist()
    lengths = bank.lengths(token_ids).tolist()
    return {tokenizer.decode(token_ids[row, : lengths[row]], skip_special_tokens=True).strip(): row for row in filled}


def read_questions(files: Sequence[Path], rows: Mapping[str, int], number: int) -> Iterator[Question]:
    """The questions of JSONL files. Raises BankError with the line of the first that is none."""
    for file in files:
        if not file.is_file():
            raise BankError(file, "does not exist", "give a file of questions, one JSON object a line")
        with open(file, encoding="utf-8") as lines:
            for line, text in enumerate(lines, 1):
                if not text.strip():
                    continue
                try:
                    yield question_of(json.loads(text), rows, number)
                except ValueError as error:
                    fix = 'write {"prompt": ..., "answer": ..., "row": ...}'
                    raise BankError(f"{file}:{line}", str(error), fix) from None


def _check_output(output: Path, resume: bool) -> None:
    ours = {GATES, CONFIG, METRICS, RESULT, STAGES}
    if not output.exists():
        return
    if (output / CONFIG).exists():
        raise BankError(output, "holds a run that is complete", "choose another --output, or remove it")
    held = sorted(each.name for each in output.iterdir())
    if held and not resume:
        raise BankError(output, f"holds `{held[0]}`", "choose another --output, or go on with --resume")
    foreign = [
        each for each in held if each not in ours and not each.startswith(("tokenizer", "special_tokens", "chat_"))
    ]
    if foreign:
        raise BankError(output, f"holds `{foreign[0]}`, which is of no run", "choose another --output")


def _stages(output: Path) -> list[str]:
    """The stages that a run has completed, in their order."""
    from memory.settings import ORDER

    return [stage for stage in ORDER if (output / STAGES / stage / GATES).is_file()]


def _write_config(args: argparse.Namespace, options: Any, losses: Mapping[str, float], questions: int) -> None:
    """The configuration comes last: what has it is a run."""
    import yaml
    from checkpoints.writing import write_file

    said = {
        "model": args.model,
        "bank": args.bank,
        "data": [str(each) for each in args.data],
        "held_out": [str(each) for each in args.held_out],
        "questions": questions,
        "losses": dict(losses),
        **asdict(options),
    }
    write_file(args.output / CONFIG, [yaml.safe_dump(said, sort_keys=True, allow_unicode=True).encode()])
