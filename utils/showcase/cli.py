"""`smoke.py` and `demo.py`: their command lines, which need no torch."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module

from diagnostics.errors import UnknownName
from diagnostics.names import is_name, nearest
from facts.project import generated_models, package_of, packages_of_others
from telling.answers import DIFFERENT, DONE, Answer, answer
from telling.grammar import Parser
from telling.refusals import refused
from telling.tools import named


def smoke(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 every model ran, 1 one did not, 2 there is no such model."""
    parser = Parser(
        prog=named("smoke"), description="Run generated models once at a tiny size: forward, gate scores, generation."
    )
    parser.add_argument(
        "--model",
        action="append",
        metavar="NAME",
        help='a model, "llama" or "attention_gate_llama"; repeatable; all of generated/ where none is given',
    )
    return answer(parser.parse_args(argv), _smoke)


def _smoke(args: argparse.Namespace) -> Answer:
    models = [*generated_models(), *packages_of_others()]
    wanted = args.model or models
    known = set(map(package_of, models))
    for name in wanted:
        if package_of(name) not in known:
            message, fix = f"there is no gated model {name!r}", _suggestion(nearest(name.lower(), models))
            return refused(UnknownName("unknown-model" if is_name(name) else "bad-model", message, fix))
    failed = import_module("showcase.smoke").failing(wanted, args.quiet)
    return Answer(DIFFERENT if failed or not wanted else DONE, document={"models": wanted, "failed": failed})


def _suggestion(close: str | None) -> str:
    return f"did you mean `{close}`?" if close else "convert it, or see generated/ for those that are there"


def demo(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 the gated model agrees with its base, 1 it does not or there is no checkpoint."""
    words = "SmolLM2-135M through its gated model: the same logits, the same text, and the gates' scores beside them."
    argparse.ArgumentParser(prog="demo.py", description=words).parse_args(argv)
    from showcase.demo import show

    return show()
