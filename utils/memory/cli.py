"""`memory_bank.py build|show|edit|search|export|log|undo`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpoints.commands import STATUS, guarded
from selection.options import check_counts
from telling.answers import Answer
from telling.grammar import Parser
from telling.tools import named

from memory.errors import BankError
from memory.exporting import FORMATS, JSONL, export
from memory.log import as_record
from memory.opening import frozen_rows, open_bank, shape_of_config
from memory.searching import rank
from memory.values import CACHES, Row, Shape


if TYPE_CHECKING:
    from memory.disk import DiskBank

_LARGEST = 1 << 20  # rows that are printed at once
_BY = "memory_bank.py"


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    args = _parser().parse_args(argv)
    return guarded(args.command, args, args.output if args.command is _build else args.bank, resumes=False)


def _build(args: argparse.Namespace) -> Answer:
    # late: what reads Parquet and tokenizers takes a second, which the help does without
    from memory.building import build_bank
    from memory.encoding import check_tokenizer, digest_of, load_tokenizer, name_of

    if not args.tokenizer and not args.model:
        raise BankError("--tokenizer", "is not given", "give it, or the --model that the bank is for")
    if args.model and args.tokenizer:
        of_model = Shape(1, 1, 0, 1, 0, tokenizer=name_of(args.model), digest=digest_of(load_tokenizer(args.model)))
        check_tokenizer(load_tokenizer(args.tokenizer), name_of(args.tokenizer), of_model, args.model)
    place = args.model or args.tokenizer
    tokenizer = load_tokenizer(place)
    cache = Path(args.data[0]) if len(args.data) == 1 and Path(args.data[0]).suffix in CACHES else None
    shape = _shape(args, tokenizer, name_of(place), digest_of(tokenizer), cache)
    built = build_bank(args.data, args.output, tokenizer, shape, strict=args.strict, recompute=args.recompute)
    counts = built.counts
    said = f"{counts['filled_rows']} of {shape.knowledge_num} rows hold something, {counts['truncated']} were cut"
    rejects = ", ".join(f"{count} {reason}" for reason, count in counts["rejects"].items())
    said += f", rejects: {rejects}" if rejects else ""
    said = f"{args.output}: {said}" if built.written else f"{args.output}: it was there already, {said}"
    if counts["more_records_than_rows"]:
        fix = "give a larger --knowledge-num"
        print(
            f"{args.data[0]}: has more records than the bank has rows; the rest is left out; fix: {fix}",
            file=sys.stderr,
        )
    document = {"bank": str(args.output), "written": built.written, "counts": counts, **asdict(shape)}
    return Answer(words=said, document=document)


def _shape(args: argparse.Namespace, tokenizer: Any, name: str, digest: str, cache: Path | None) -> Shape:
    """What the bank is made for: as the model has it, as the options say, as the cache is, or as the original has it."""
    from checkpoints.documents import read_document
    from checkpoints.hub import find_folder

    largest = max(tokenizer.get_vocab().values()) + 1
    found = Shape(1 << 20, 16, tokenizer.pad_token_id or 0, largest, 0)
    if args.model:
        path = find_folder(args.model) / "config.json"
        found = shape_of_config(path, read_document(path)[1])
    elif cache is not None:
        from memory.originals import read_cache

        rows, tokens = read_cache(cache).shape
        found = Shape(rows, tokens, found.pad_token_id, largest, 0)
    num, length = args.knowledge_num or found.knowledge_num, args.knowledge_length or found.knowledge_length
    if args.model and (num, length) != (found.knowledge_num, found.knowledge_length):
        message = f"{num} rows of {length} were asked for, and the model has {found.knowledge_num} of {found.knowledge_length}"
        raise BankError(args.model, message, "leave --knowledge-num and --knowledge-length out")
    ratio = 0.2 if args.freeze_ratio is None else args.freeze_ratio
    frozen = (
        found.frozen_rows if args.model and args.freeze_ratio is None else frozen_rows(num, ratio, "--freeze-ratio")
    )
    pad = found.pad_token_id if args.pad_id is None else args.pad_id
    return Shape(num, length, pad, found.vocab_size, frozen, args.special_tokens, name, digest)


def _show(args: argparse.Namespace) -> Answer:
    bank = open_bank(args.bank)
    if args.rows is None:
        return _told(*_overview(bank))
    rows = list(bank.rows(_rows(args.rows, bank)))
    return _told([_record(row, bank) for row in rows], [_line(row, bank) for row in rows])


def _overview(bank: DiskBank) -> tuple[dict[str, Any], list[str]]:
    shape, pad = bank.shape, bank.shape.pad_token_id
    ids = bank.ids()
    filled = sum(int((ids[start : start + 65536] != pad).any(1).sum()) for start in range(0, len(ids), 65536))
    changes = sum(1 for _ in bank.log.read())
    lines = [
        f"{bank.folder}: {shape.knowledge_num} rows of {shape.knowledge_length} tokens, {filled} hold something",
        f"rows 0 to {shape.frozen_rows - 1} are frozen" if shape.frozen_rows else "no row is frozen",
        f"tokenizer of {bank.name}, a vocabulary of {shape.vocab_size}, padded with {pad}",
        f"{changes} changes in the log",
    ]
    return {"bank": str(bank.folder), "filled_rows": filled, "changes": changes, **asdict(shape)}, lines


def _edit(args: argparse.Namespace) -> Answer:
    bank = open_bank(args.bank)
    if args.file:
        if args.row is not None:
            raise BankError("--file", "and a row are given", "give one of both")
        sentences = _edits(args.file)
    else:
        if args.row is None or (args.sentence is None) != args.empty:
            raise BankError("edit", "needs a row and its sentence", "give ROW SENTENCE, or ROW --empty, or --file")
        sentences = {args.row: args.sentence or ""}
        if not args.empty and not args.sentence.strip():
            raise BankError(f"row {args.row}", "the sentence is empty", "give --empty to take the row away")
    return _changes(bank.edit(sentences, args.by, frozen=args.frozen))


def _edits(path: Path) -> dict[int, str]:
    """Row -> sentence of a file's lines. Raises BankError with the line that is none."""
    found: dict[int, str] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            row, sentence = record["row"], record["sentence"]
        except (ValueError, KeyError, TypeError, RecursionError):
            row, sentence = None, None
        if type(row) is not int or not isinstance(sentence, str) or row in found:
            what = (
                "names a row for the second time" if row in found else "is not an object with a `row` and a `sentence`"
            )
            raise BankError(f"{path}:{number}", what, "correct the line: nothing was changed")
        found[row] = sentence
    return found


def _search(args: argparse.Namespace) -> Answer:
    bank = open_bank(args.bank)
    query = " ".join(args.words)
    if not query.strip():
        raise BankError("search", "is given no word", "give one")
    check_counts(args, "limit", refuse=BankError)
    if args.model or args.keys:
        from memory.lookup import by_keys

        found = by_keys(bank, args.model or args.bank, query, args.limit)
    else:
        found = rank(bank.rows(), query, args.limit)
    records = [{"score": round(score, 4), **_record(row, bank)} for score, row in found]
    return _told(records, [f"{score:.2f}  {_line(row, bank)}" for score, row in found] or ["no row has any of that"])


def _export(args: argparse.Namespace) -> Answer:
    count = export(open_bank(args.bank), args.output, args.format)
    said = f"{args.output}: {count} rows"
    return Answer(words=said, document={"output": str(args.output), "rows": count})


def _log(args: argparse.Namespace) -> Answer:
    bank = open_bank(args.bank)
    changes = [change for _, change in bank.log.read()]
    changes = changes[-args.last :] if args.last else changes
    lines = [f"{each.number}  {each.time}  {each}  ({each.strategy}, {each.by})" for each in changes]
    return _told([as_record(each) for each in changes], lines or ["nothing was changed"])


def _undo(args: argparse.Namespace) -> Answer:
    return _changes(open_bank(args.bank).undo(args.count, args.by))


def _changes(changes: Sequence[Any]) -> Answer:
    said = [str(each) for each in changes] or ["nothing to take back"]
    return Answer(words=_printable(said), document=[as_record(each) for each in changes])


def _rows(text: str, bank: DiskBank) -> list[int]:
    """Rows of "17", "10-20" (the last one included), "3,7-9". Raises BankError where it is none of these."""
    found: list[int] = []
    for part in text.split(","):
        first, mark, last = part.strip().partition("-")
        if not first.isdecimal() or (mark and not last.isdecimal()):
            raise BankError("ROWS", f"is {text!r}", "give a row, or several: 17, 10-20, 3,7-9")
        low, high = int(first), int(last if mark else first)
        for row in {low, high}:
            bank.check_row(row, frozen=True)
        if high < low or high - low + len(found) >= _LARGEST:
            raise BankError("ROWS", f"is {text!r}", f"give rising ranges, of {_LARGEST:,} rows at most")
        found += range(low, high + 1)
    return sorted(set(found))


def _record(row: Row, bank: DiskBank) -> dict[str, Any]:
    record = {"row": row.row, "sentence": row.sentence, **row.named, "token_count": row.token_count}
    return record | {
        "truncated": row.truncated,
        "frozen": row.row < bank.shape.frozen_rows,
        "token_ids": list(row.ids),
    }


def _line(row: Row, bank: DiskBank) -> str:
    marks = ["frozen"] * (row.row < bank.shape.frozen_rows) + [f"cut from {row.token_count} tokens"] * row.truncated
    return f"{row.row:>7}  {row.sentence or '(empty)'}" + (f"  [{', '.join(marks)}]" if marks else "")


def _told(document: Any, lines: Iterable[str]) -> Answer:
    """What was asked for."""
    return Answer(result=_printable(lines), document=document)


def _printable(lines: Iterable[str]) -> str:
    return "\n".join(lines).encode("utf-8", "backslashreplace").decode()


def _parser() -> Parser:
    words = "A table of knowledge that people read and edit: in a file of its own, or among the weights of a model."
    parser = Parser(prog=named("memory"), description=words, epilog=STATUS)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _build_arguments(_command(commands, "build", _build, "records -> a bank", bank=False))
    add = _command(commands, "show", _show, "what a bank is, or some of its rows").add_argument
    add("rows", nargs="?", metavar="ROWS", help="rows by number: 17, 10-20 or 3,7-9")
    add = _command(commands, "edit", _edit, "give a row another sentence").add_argument
    add("row", nargs="?", type=int, metavar="ROW")
    add("sentence", nargs="?", metavar="SENTENCE")
    add("--file", type=Path, metavar="JSONL", help="many rows at once: lines with a row and a sentence each")
    add("--empty", action="store_true", help="empty the row")
    add("--frozen", action="store_true", help="edit frozen rows, too")
    add("--by", default=_BY, metavar="NAME", help="who made the change, for the log (default: this tool)")
    add = _command(commands, "search", _search, "rows by words, or by a model's keys").add_argument
    add("words", nargs="+", metavar="WORD")
    add("--limit", type=int, default=10, metavar="N", help="how many rows at most (%(default)s)")
    add("--model", metavar="CHECKPOINT", help="rank by the keys of this gated model, not by words")
    add("--keys", action="store_true", help="the same with a gated checkpoint's own bank")
    add = _command(commands, "export", _export, "rows for other tools").add_argument
    add(
        "--format", default=JSONL, choices=FORMATS, help="form of the file (%(default)s); original: knowledge_cache.pt"
    )
    add("--output", required=True, type=Path, metavar="FILE", help="a new file; written whole or not at all")
    add = _command(commands, "log", _log, "what was changed, when and by whom").add_argument
    add("--last", type=int, default=0, metavar="N", help="only the last N changes")
    add = _command(commands, "undo", _undo, "take back the last changes").add_argument
    add("count", nargs="?", type=int, default=1, metavar="N", help="how many changes (%(default)s)")
    add("--by", default=_BY, metavar="NAME", help="who made the change, for the log (default: this tool)")
    return parser


def _build_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("--data", nargs="+", required=True, metavar="DATA", help=".jsonl, .json, .parquet, a folder, or a cache.pt")
    add("--output", required=True, type=Path, metavar="DIR", help="the bank's folder; written whole or not at all")
    add("--tokenizer", metavar="PATH_OR_NAME", help="the tokenizer of the model that reads the bank")
    add("--model", metavar="CHECKPOINT", help="the gated checkpoint that reads it: its shape and its tokenizer")
    add("--knowledge-num", type=int, metavar="N", help="rows, a perfect square (default: 1048576)")
    add("--knowledge-length", type=int, metavar="K", help="tokens of a row (default: 16)")
    add("--freeze-ratio", type=float, metavar="X", help="the leading share that updates never overwrite (0.2)")
    add("--pad-id", type=int, metavar="ID", help="what fills rows (default: the tokenizer's, else 0)")
    add("--special-tokens", action="store_true", help="tokenise with special tokens, as the original project does")
    add("--strict", action="store_true", help="refuse a record that cannot be used, in place of an empty row")
    add("--recompute", action="store_true", help="build again where the bank is up to date, or rows were changed")


def _command(
    commands: Any, name: str, command: Callable[[argparse.Namespace], Answer], words: str, bank: bool = True
) -> Parser:
    parser: Parser = commands.add_parser(name, help=words, description=words, epilog=STATUS)
    if bank:
        parser.add_argument("bank", type=Path, metavar="BANK", help="a bank's folder, or a gated checkpoint with one")
    for action in parser._actions:
        if action.dest in ("json", "quiet", "verbose"):
            action.default = argparse.SUPPRESS  # else it would undo what stands before the command's name
    parser.set_defaults(command=command)
    return parser
