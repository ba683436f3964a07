"""Numbers of command lines, held to what they may be."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from selection.errors import SelectionError
from selection.records import FORMS


# What every training here tells `TrainingArguments`: nothing is kept or reported but what the commands write themselves.
TRAINING: Mapping[str, Any] = {
    "max_grad_norm": 1.0,
    "logging_first_step": True,
    "save_strategy": "no",
    "report_to": "none",
    "remove_unused_columns": False,  # collators know what forward takes
    "disable_tqdm": True,
}


def check_counts(
    args: argparse.Namespace, *names: str, least: int = 1, refuse: type[SelectionError] = SelectionError
) -> None:
    """Raise `refuse` where an option is below what it may be; one that is not given is not looked at.

    Args:
        args: the command line.
        names: of the options, as attributes: "batch_tokens" of --batch-tokens.
        least: what each of them may be.
        refuse: the error that the command's package has.
    """
    for name in names:
        value = getattr(args, name)
        if value is not None and value < least:
            raise refuse(f"--{name.replace('_', '-')}", f"is {value}", f"give {least} or more")


def add_form(parser: argparse.ArgumentParser) -> None:
    """`--format` and `--text-column`: how records become documents."""
    words = "form of the records (default: by their columns)"
    parser.add_argument("--format", default="auto", choices=("auto", *FORMS), help=words)
    parser.add_argument("--text-column", metavar="NAME", help="the column that holds the text, where it is not `text`")


def form_of(args: argparse.Namespace) -> str:
    """The form that a command line asks for, as `selection.records.document_of` takes it.

    Raises SelectionError: a column beside a form that has columns of its own, or without a name.
    """
    if args.text_column is None:
        return str(args.format)
    if args.format not in ("auto", "text") or not args.text_column:
        found = f"is {args.text_column!r} beside --format {args.format}"
        raise SelectionError("--text-column", found, "give it alone, with the name of a column")
    return f"text:{args.text_column}"


def share_of(text: str) -> Fraction | None:
    """A share as it was written, "0.3" or "1/3", exactly; None for what is no number from 0 to 1."""
    try:
        share = Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None
    return share if 0 <= share <= 1 else None
