"""`train_memory.py`."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from checkpoints.commands import STATUS, guarded
from diagnostics.errors import words_of
from files.folders import take_place
from files.writing import PART, write_file
from selection.options import check_counts
from telling.answers import Answer
from telling.grammar import Parser
from telling.tools import named

from memory.conversations import asked_in
from memory.errors import BankError
from memory.questions import Asked, Question, encode, question_of
from memory.settings import DEFAULTS, ORDER, TrainOptions, options_of, pairs


GATES, CONFIG, METRICS, RESULT, STAGES, BEGUN = (
    "memory_gates.safetensors",
    "config.yaml",
    "metrics.jsonl",
    "evaluation.json",
    "stages",
    "begun.json",
)
OURS = {GATES, CONFIG, METRICS, RESULT, STAGES, BEGUN}


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    args = _parser().parse_args(argv)
    return guarded(_train, args, args.output)


def _parser() -> Parser:
    words = "Train the memory gates of a model, and nothing else: to find rows of its bank, and to say what they hold."
    parser = Parser(prog=named("train-memory"), description=words, epilog=STATUS)
    add = parser.add_argument
    add("settings", nargs="*", metavar="KEY=VALUE", help="how to train, as in retrieval_steps=350 (docs/memory.md)")
    add("--model", required=True, metavar="CHECKPOINT", help="a checkpoint with memory gates")
    add(
        "--data",
        required=True,
        nargs="+",
        type=Path,
        metavar="JSONL",
        help="questions: lines with `prompt`, `answer`, and `row` or `fact`",
    )
    add("--output", required=True, type=Path, metavar="RUN", help="the folder of the run")
    add("--bank", metavar="BANK", help=f"a bank from {named('memory')} build (default: that in the checkpoint)")
    add("--held-out", nargs="+", type=Path, default=[], metavar="JSONL", help="questions that are asked at the end")
    add("--config", type=Path, metavar="YAML", help="settings in a file; those on the command line override them")
    add("--max-length", type=int, default=512, metavar="N", help="tokens of a question at most (%(default)s)")
    add("--resume", action="store_true", help="continue after the last stage that --output holds")
    add(
        "--dtype",
        default="float32",
        choices=("float32", "bfloat16", "float16"),
        help="type of the backbone (%(default)s)",
    )
    add("--device", default="cpu", help="where it runs: cpu, cuda, cuda:1 (%(default)s)")
    return parser


def _train(args: argparse.Namespace) -> Answer:
    _sort_words(args)
    options = options_of(settings_in(args.config), pairs(args.settings))
    check_counts(args, "max_length", least=2, refuse=BankError)
    _check_output(args.output, args.resume)
    begun = _begun(args, options)
    done = _resumed(args.output, begun) if args.resume else []
    # late: torch takes seconds, which the help and a wrong setting do without
    from selection.metrics import Metrics

    from memory.evaluation import evaluate
    from memory.loading import load_bank, load_model
    from memory.training import train

    model, tokenizer = load_model(args.model, args.dtype, args.device)
    if args.bank:
        load_bank(model, tokenizer, args.bank)
    rows, number = sentences_of(model, tokenizer), len(model.memory_bank)
    asked, held_out = (
        [*read_questions(files, rows, number, partial(asked_in, tokenizer=tokenizer))]
        for files in (args.data, args.held_out)
    )
    _check_questions(args, asked, held_out)

    def tokenize(text: str) -> list[int]:
        ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    _write(args.output / BEGUN, json.dumps(begun, indent=2))
    if done:
        model.load_memory_gates(args.output / STAGES / done[-1])
    questions = [encode(each, tokenize, args.max_length) for each in asked]
    metrics = Metrics(args.output / METRICS, append=bool(done))
    keep = _keeper(model, args.output)
    losses = train(model, questions, options, args.output, [metrics], done, keep)
    model.save_memory_gates(args.output)
    found = evaluate(model, tokenizer, held_out) if held_out else None
    if found is not None:
        _write(args.output / RESULT, json.dumps(found, indent=2, ensure_ascii=False))
    _write_config(args, options, losses, len(questions))
    return _answer(args, losses, len(questions), found)


def _sort_words(args: argparse.Namespace) -> None:
    """Settings that stand behind the files of an option are settings."""
    for files in (args.data, args.held_out):
        found = [each for each in files if str(each).partition("=")[0] in DEFAULTS and not each.exists()]
        args.settings += map(str, found)
        files[:] = [each for each in files if each not in found]


def _keeper(model: Any, output: Path) -> Any:
    """Saves the gates of a stage that is done; its folder comes into being whole."""

    def keep(stage: str) -> None:
        (output / STAGES).mkdir(exist_ok=True)
        part = output / STAGES / f"{stage}.part"
        model.save_memory_gates(part)
        take_place(part, output / STAGES / stage)

    return keep


def _answer(args: argparse.Namespace, losses: Mapping[str, float], number: int, found: Any) -> Answer:
    told = ", ".join(f"{stage} loss {loss:.3f}" for stage, loss in losses.items()) or "nothing was left to train"
    said = f"{args.output}: {number} questions, {told}"
    document = {"output": str(args.output), "questions": number, "losses": dict(losses)}
    if found is not None:
        said += f"; {found['answered']:.0%} of {found['questions']} held-out questions answered"
        document["held_out"] = {name: value for name, value in found.items() if name not in ("each", "wrong")}
    return Answer(words=said, document=document)


def settings_in(file: Path | None) -> dict[str, Any]:
    """The settings of a YAML file, or of the config.yaml of a run, whose other names are left out. Raises BankError."""
    if file is None:
        return {}
    import yaml

    try:
        read = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BankError(file, "does not exist", "give a file of settings") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BankError(file, f"is not YAML: {words_of(error)}", "write `name: value` lines") from None
    if not isinstance(read, Mapping | None):
        raise BankError(file, "holds no names with values", "write `name: value` lines")
    return {name: value for name, value in (read or {}).items() if name in DEFAULTS or name not in _OF_RUNS}


_OF_RUNS = {"model", "bank", "data", "held_out", "losses", "questions", "max_length"}


def sentences_of(model: Any, tokenizer: Any) -> dict[str, int]:
    """The rows of a model's bank by their sentences, the first of those that are the same."""
    bank = model.base_model.memory
    filled = (bank.lengths(bank.memory_bank) > 0).nonzero()[:, 0]
    found: dict[str, int] = {}
    for row, ids in zip(filled.tolist(), bank.memory_bank[filled].tolist(), strict=True):
        while ids and ids[-1] == bank.pad:
            ids.pop()
        found.setdefault(tokenizer.decode(ids, skip_special_tokens=True).strip(), row)
    return found


def read_questions(
    files: Sequence[Path], rows: Mapping[str, int], number: int, asked: Asked | None = None
) -> Iterator[Question]:
    """The questions of JSONL files.

    Args:
        files: of one record a line.
        rows: the rows of the bank by their sentences.
        number: how many rows the bank has.
        asked: how messages are written.

    Raises:
        BankError: a file is not there, or a line holds no question; the first is named.
    """
    for file in files:
        if not file.is_file():
            raise BankError(file, "does not exist", "give a file of questions, one JSON object a line")
        for line, text in enumerate(file.read_bytes().splitlines(), 1):
            if not text.strip():
                continue
            try:
                yield question_of(json.loads(text), rows, number, asked)
            except (ValueError, RecursionError) as error:
                what = str(error) if not isinstance(error, json.JSONDecodeError | UnicodeError) else "is not JSON"
                fix = 'write {"prompt": ..., "answer": ..., "row": ...}'
                raise BankError(f"{file}:{line}", what, fix) from None


def _check_questions(args: argparse.Namespace, asked: Sequence[Question], held_out: Sequence[Question]) -> None:
    if not any(each.row is not None for each in asked):
        raise BankError(args.data[0], "holds no question that a row answers", "give some with `row` or `fact`")
    if not all(each.prompt for each in held_out):
        raise BankError(args.held_out[0], "holds a text that asks nothing", "give records with a `prompt`")


def _check_output(output: Path, resume: bool) -> None:
    if not output.exists():
        return
    if not output.is_dir():
        raise BankError(output, "is not a folder", "choose another --output")
    if (output / CONFIG).exists():
        raise BankError(output, "holds a run that is complete", "choose another --output, or remove it")
    held = sorted(each.name for each in output.iterdir())
    foreign = [each for each in held if each.removesuffix(PART) not in OURS]
    if foreign:
        raise BankError(output, f"contains {foreign[0]}, which this command did not create", "choose another --output")
    if held and not resume:
        raise BankError(output, f"holds `{held[0]}`", "choose another --output, or go on with --resume")


def _begun(args: argparse.Namespace, options: TrainOptions) -> dict[str, Any]:
    """What a run is of: only the same one goes on."""
    digests = {str(each): hashlib.sha256(each.read_bytes()).hexdigest() for each in args.data if each.is_file()}
    return {
        "model": args.model,
        "bank": args.bank,
        "data": digests,
        "max_length": args.max_length,
        "dtype": args.dtype,
        **asdict(options),
    }


def _resumed(output: Path, begun: Mapping[str, Any]) -> list[str]:
    """The stages that are done. Raises BankError where they are of another run."""
    if not (output / BEGUN).is_file():
        return []
    try:
        before = json.loads((output / BEGUN).read_bytes())
        differs = [name for name in begun if before.get(name) != begun[name]]
    except (ValueError, AttributeError):
        raise BankError(output / BEGUN, "is not a record of a run", "choose another --output") from None
    if differs:
        name = differs[0]
        message = f"was begun with another `{name}`"
        raise BankError(output, message, "go on with the same, or choose another --output")
    return [stage for stage in ORDER if (output / STAGES / stage / GATES).is_file()]


def _write_config(args: argparse.Namespace, options: TrainOptions, losses: Mapping[str, float], number: int) -> None:
    """The configuration comes last: what has it is a run."""
    import yaml

    said = {
        "model": args.model,
        "bank": args.bank,
        "data": [str(each) for each in args.data],
        "held_out": [str(each) for each in args.held_out],
        "max_length": args.max_length,
        "questions": number,
        "losses": dict(losses),
        **asdict(options),
    }
    _write(args.output / CONFIG, yaml.safe_dump(said, sort_keys=True, allow_unicode=True))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, [text.rstrip("\n").encode() + b"\n"])
