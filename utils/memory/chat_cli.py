"""`chat_with_memory.py`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpoints.commands import STATUS, guarded
from checkpoints.errors import CheckpointError
from selection.options import check_counts
from telling.answers import Answer
from telling.grammar import Parser
from telling.tools import named

from memory.errors import BankError
from memory.values import STRATEGIES


if TYPE_CHECKING:
    from memory.chat import Conversation

_BY = "chat_with_memory.py"


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    args = _parser().parse_args(argv)
    return guarded(_chat, args, args.model, resumes=False)


def _chat(args: argparse.Namespace) -> Answer:
    check_counts(args, "max_new_tokens", "frequency", refuse=BankError)
    if not 0 <= args.temperature < float("inf"):
        raise BankError("--temperature", f"is {args.temperature}", "give 0 for the likeliest tokens, or more")
    conversation = _conversation(args)
    turns: list[dict[str, Any]] = []
    try:
        _begin(args, conversation)
        for line in _lines():
            if line.split(maxsplit=1)[0] == "/quit":
                break
            turns.append(_turn(conversation, line, args.json))
    finally:
        conversation.close()
        if conversation.saved is not None and conversation.paths.memory_bank_updater is not None:
            from memory.chat import usage_file

            conversation.paths.memory_bank_updater.save_state(usage_file(conversation.saved))
    return Answer(document={"model": args.model, "turns": turns})


def _conversation(args: argparse.Namespace) -> Conversation:
    # late: torch takes seconds, which the help and a wrong option do without
    import torch
    from checkpoints.hub import find_folder

    from memory.chat import Conversation, usage_file
    from memory.dual_path import DualPathInference
    from memory.extractors import LLMLinguaFactExtractor, SentenceFactExtractor
    from memory.loading import load_bank, load_model
    from memory.opening import open_bank
    from memory.updater import MemoryBankUpdater

    torch.manual_seed(args.seed)
    rate = {} if args.rate is None else {"compression_rate": args.rate}
    extractor = (
        LLMLinguaFactExtractor(args.llmlingua, device=args.device, **rate)
        if args.llmlingua
        else SentenceFactExtractor(**rate)
    )
    bank = open_bank(args.bank or find_folder(args.model))
    model, tokenizer = load_model(args.model, args.dtype, args.device)
    if args.bank:
        load_bank(model, tokenizer, args.bank)
    log: dict[str, Any] = {"log": bank.log} if args.save else {"log_path": args.log}
    updater = MemoryBankUpdater(model, tokenizer, extractor, args.strategy, seed=args.seed, by=_BY, **log)
    if args.save and usage_file(bank).is_file():
        updater.load_state(usage_file(bank))
    paths = DualPathInference(
        model,
        tokenizer,
        extractor,
        None if args.no_remember else updater,
        not args.no_remember,
        args.frequency,
        track_reads=True,
    )
    how: dict[str, Any] = {"max_new_tokens": args.max_new_tokens, "do_sample": args.temperature > 0}
    how |= {"temperature": args.temperature} if args.temperature else {}
    return Conversation(paths, how, not args.raw, args.frozen, bank if args.save else None)


def _begin(args: argparse.Namespace, conversation: Conversation) -> None:
    if sys.stdin.isatty() and not args.json and not args.quiet:
        kept = "changes are kept in the bank" if args.save else "changes end with the conversation (--save keeps them)"
        print(f"{args.model}: {kept}; /help lists the commands, /quit ends")


def _lines() -> Iterator[str]:
    """What is typed or piped, without blank lines."""
    if sys.stdin.isatty():
        import readline  # noqa: F401 - gives `input` its editing
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="replace")
    while True:
        try:
            line = input("> ") if sys.stdin.isatty() else next(sys.stdin)
        except (EOFError, StopIteration):
            return
        if line := line.encode("utf-8", "replace").decode().strip():
            yield line


def _turn(conversation: Conversation, line: str, silent: bool) -> dict[str, Any]:
    """Answer a line, or do what it says; what is wrong with it ends nothing."""
    turn: dict[str, Any] = {"line": line}
    try:
        if line.startswith("/"):
            turn["said"] = conversation.command(line)
            _say("\n".join(turn["said"]), silent)
            return turn
        pieces = conversation.answer(line)
        reply = None
        while reply is None:
            try:
                _say(next(pieces), silent, end="")
            except StopIteration as done:
                reply = done.value
        _say("\n" + "\n".join(reply.notes), silent)
        remembered = [{"row": row.row, "sentence": row.sentence} for row in reply.remembered]
        answered = {"row": reply.row, "alpha": reply.alpha, "sentence": reply.sentence}
        return {**turn, "answer": reply.text, **answered, "remembered": remembered}
    except CheckpointError as error:
        if silent:
            return {**turn, "error": str(error)}
        print(error, file=sys.stderr)
    return turn


def _say(text: str, silent: bool, end: str = "\n") -> None:
    if not silent:
        print(text.encode("utf-8", "backslashreplace").decode(), end=end, flush=True)


def _parser() -> Parser:
    words = "Talk with a model that remembers facts, in rows that people read. Lines come from a terminal or a pipe."
    parser = Parser(prog=named("chat"), description=words, epilog=STATUS)
    add = parser.add_argument
    add("model", metavar="CHECKPOINT", help="a gated checkpoint with a memory: a folder, or a name on the Hub")
    add("--bank", type=Path, metavar="BANK", help="a bank in the place of the checkpoint's own")
    add("--save", action="store_true", help="keep changes in the bank; else they end with the conversation")
    add("--log", type=Path, metavar="FILE", help="a log of changes that are not kept (with --save it is the bank's)")
    add("--strategy", default=STRATEGIES[0], choices=STRATEGIES, help="which rows new facts take (%(default)s)")
    add("--frequency", type=int, default=1, metavar="N", help="remember once in N lines (%(default)s)")
    add("--no-remember", action="store_true", help="answer, and remember nothing")
    add("--llmlingua", type=Path, metavar="DIR", help="an LLMLingua-2 model that finds facts (default: a rule)")
    add("--rate", type=float, metavar="X", help="the share of a line that is kept (default: every statement; 0.4)")
    add("--frozen", action="store_true", help="let frozen rows be edited")
    add("--raw", action="store_true", help="give lines to the model as they are, not in its chat template")
    add("--max-new-tokens", type=int, default=64, metavar="N", help="tokens of an answer at most (%(default)s)")
    add(
        "--temperature",
        type=float,
        default=0.0,
        metavar="X",
        help="of sampling; 0 takes the likeliest tokens (%(default)s)",
    )
    add("--seed", type=int, default=0, help='seed of sampling and of the strategy "random" (%(default)s)')
    add(
        "--dtype",
        default="float32",
        choices=("float32", "bfloat16", "float16"),
        help="type of the model (%(default)s)",
    )
    add("--device", default="cpu", help="where it runs: cpu, cuda, cuda:1 (%(default)s)")
    return parser
