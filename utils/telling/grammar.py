"""The options that every command takes, and those that several do, in one place."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from telling.documents import print_document, problem, refusal


JSON = "--json"
USAGE = "usage"  # the code of a command line that makes no sense


class Parser(argparse.ArgumentParser):
    """A command's grammar. It has --json, -q and -v, and where --json is given, what is wrong with the rest is JSON too."""

    def __init__(self, *, quiet: str = "print only the requested result and errors", **given: Any) -> None:
        super().__init__(**given)
        self._words: Sequence[str] = ()
        told = self.add_argument_group("what is told")
        told.add_argument(JSON, action="store_true", help="the result as one JSON document; all else goes to stderr")
        loud = told.add_mutually_exclusive_group()
        loud.add_argument("-q", "--quiet", action="store_true", help=quiet)
        loud.add_argument(
            "-v", "--verbose", action="store_true", help="say more; print the traceback of internal errors"
        )

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse has it."""
        self._words = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and raise SystemExit(2)."""
        if asks_for_json(self._words):
            print_document(refusal([problem(USAGE, message, f"see {self.prog} --help")]))
        super().error(message)


def asks_for_json(words: Sequence[str]) -> bool:
    """Whether a command line, which need not make sense, asks for JSON."""
    before = words[: list(words).index("--")] if "--" in words else words
    return JSON in before


def add_models(parser: argparse.ArgumentParser) -> None:
    """`--model` and `--all`: which generated models a command is about."""
    parser.add_argument("--model", action="append", default=[], metavar="NAME", help='a model, "llama"; repeatable')
    parser.add_argument("--all", action="store_true", help="every model of generated/")


def add_generated(parser: argparse.ArgumentParser, default: Path) -> None:
    """`--generated`: where these are."""
    words = "the folder of the generated models"
    parser.add_argument("--generated", type=Path, default=default, metavar="DIR", help=words)


def add_jobs(parser: argparse.ArgumentParser, default: int, what: str = "how many processes run at a time") -> None:
    """`--jobs`: how many processes there may be."""
    parser.add_argument("--jobs", type=int, default=default, metavar="N", help=what)
