"""The three commands. Only this room prints and knows exit statuses."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from telling.answers import DIFFERENT, DONE, Answer
from telling.grammar import Parser
from telling.tools import named

from checkpoints.banks import OPTION, Bank, Rows
from checkpoints.commands import guarded
from checkpoints.comparing import Comparison, compare_models
from checkpoints.errors import CheckpointError
from checkpoints.experts import FUSED, KEEP, SEPARATE
from checkpoints.fields import SET
from checkpoints.gating import LATER, NOW, Gated, describe, gate_checkpoint
from checkpoints.homes import add_generated
from checkpoints.plan import Options
from checkpoints.progress import progress_for
from checkpoints.ungating import ungate_checkpoint
from checkpoints.writing import COPY, HARD, SYMLINK


_STATUS = "exit status: 0 done, 2 refused: one line says which file, what is wrong with it and what to do"
_COMPARE_STATUS = "exit status: 0 every check passed, 1 one failed, 2 a checkpoint could not be read"


def gate(argv: Sequence[str] | None = None, rows: Rows | None = None) -> int:
    """`gate_checkpoint.py`; returns the exit status. `rows` reads the bank that `--bank` names."""
    args = _gate_parser(takes_banks=rows is not None).parse_args(argv)
    return guarded(partial(_gate, rows=rows), args, _place(args))


def compare(argv: Sequence[str] | None = None) -> int:
    """`compare_models.py`; returns the exit status."""
    args = _compare_parser().parse_args(argv)
    return guarded(_compare, args, _place(args))


def ungate(argv: Sequence[str] | None = None) -> int:
    """`ungate_checkpoint.py`; returns the exit status."""
    args = _ungate_parser().parse_args(argv)
    return guarded(_ungate, args, _place(args))


def _place(args: argparse.Namespace) -> str:
    """What a command was run on."""
    return str(getattr(args, "gated", None) or args.base)


def _gate(args: argparse.Namespace, rows: Rows | None = None) -> Answer:
    args.fields = _fields(args.fields)
    options = Options(**{name: getattr(args, name) for name in Options.__slots__})
    progress = progress_for(args.quiet)
    done = gate_checkpoint(
        args.base,
        args.output,
        options=options,
        hashes=args.hash,
        dry_run=args.dry_run,
        progress=progress,
        generated=args.generated,
        bank=Bank(args.bank, rows) if rows and args.bank else None,
    )
    planned = "\n".join(describe(done.plan)) if args.dry_run else ""
    return Answer(result=planned, words="" if planned else _summary(done), document=_document(done))


def _fields(said: Sequence[str]) -> dict[str, Any]:
    """FIELD=VALUE of a command line, values as JSON spells them, words as they are. Raises CheckpointError."""
    found: dict[str, Any] = {}
    for each in said:
        name, mark, value = each.partition("=")
        if not mark or not name.strip() or name.strip() in found:
            what = "gives a field a second time" if mark and name.strip() else "names no field and its value"
            raise CheckpointError(SET, f"{each!r} {what}", f"give {SET} FIELD=VALUE, once for each field")
        try:
            found[name.strip()] = json.loads(value)
        except ValueError:
            found[name.strip()] = value.strip()
    return found


def _document(done: Gated) -> dict[str, Any]:
    plan = done.plan
    return {
        "output": plan.output,
        "model_type": plan.config["model_type"],
        "gates": len(plan.gates),
        "shards": {shard.name: "linked" if shard.linked else "written" for shard in plan.shards},
        "links": done.links,
        "bytes_to_write": plan.bytes_to_write,
        "left_out": dict(plan.tensors.left_out),
        "written": done.written,
        "hashed": done.hashed,
        "seconds": done.seconds,
    }


def _summary(done: Gated) -> str:
    plan = done.plan
    base = sum(shard.size for shard in plan.shards)
    what = f"{plan.output}: {plan.config['model_type']}, {len(plan.gates)} gates on {base / 1e9:.2f} GB"
    if not done.written:
        return f"{what}: it was there already" + ("" if done.hashed else ", not hashed yet")
    how = {"hard": "hard-linked", "symlink": "symlinked", COPY: "copied", "": "written anew"}[done.links]
    said = f"{what} ({how}), {done.seconds:.2f} s"
    if done.hashed:
        return f"{said}, {done.seconds_of_hashing:.2f} s of them for hashing"
    return f"{said}; not hashed yet: the same command with --hash {NOW} adds the digests"


def _compare(args: argparse.Namespace) -> Answer:
    progress = progress_for(args.quiet)
    result = compare_models(
        args.base,
        args.gated,
        dtype=args.dtype,
        text=args.text,
        weights_only=args.weights_only,
        trained=args.trained,
        trust_remote_code=args.trust_remote_code,
        progress=progress,
        generated=args.generated,
    )
    if result.passed:
        return Answer(DONE, words=_table(result), document=result.as_dict())
    return Answer(DIFFERENT, result=_table(result), document=result.as_dict())


def _table(result: Comparison) -> str:
    words = {True: "ok", False: "FAILED", None: "left out"}
    width = max(len(check.name) for check in result.checks)
    lines = [f"{check.name:<{width}}  {words[check.passed]:<8}  {check.found}" for check in result.checks]
    verdict = "equal to its base" if result.passed else "NOT equal to its base"
    return "\n".join([*lines, f"{result.gated} is {verdict}"])


def _ungate(args: argparse.Namespace) -> Answer:
    done = ungate_checkpoint(
        args.gated, args.output, link=args.link, progress=progress_for(args.quiet), generated=args.generated
    )
    hashes = {True: "hashes equal the base's", False: "hashes differ", None: "no hashes to compare with"}
    shards = f"{done.linked} shards as they were, {done.written} written anew"
    said = f"{done.output}: {done.removed} gates removed, {shards}, {hashes[done.hashes_equal]}, {done.seconds:.2f} s"
    return Answer(words=said, document=asdict(done))


def _gate_parser(takes_banks: bool) -> Parser:
    parser = _parser("gate", "Make a gated checkpoint of a base, mostly by linking its files.", _STATUS)
    parser.add_argument("--base", required=True, metavar="PATH_OR_HUB_ID", help="the base checkpoint")
    parser.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="the gated one; written whole or not at all"
    )
    parser.add_argument(
        "--gate", default=Options().gate, metavar="KIND", help="the kind of gate (default: %(default)s)"
    )
    parser.add_argument(
        "--mode", default="", metavar="MODE", help="of the gates, where their kind has modes: headwise, elementwise"
    )
    parser.add_argument(
        SET,
        dest="fields",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="a field of the gated configuration, as often as wanted: knowledge_num=4096, memory_layers=[20]",
    )
    if takes_banks:
        bank = f"a folder of {named('memory')} build"
        words = f"of memory gates: {bank}, or another gated checkpoint (default: empty rows)"
        parser.add_argument(OPTION, default="", metavar="BANK", help=words)
    parser.add_argument(
        "--model", default="auto", metavar="NAME", help="the generated model: llama (default: by type)"
    )
    parser.add_argument(
        "--init-mean", type=float, default=0.0, metavar="X", help="mean of the weights of new gates (%(default)s)"
    )
    parser.add_argument(
        "--init-std", type=float, default=0.02, metavar="X", help="their standard deviation (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=42, help="seed of their weights (%(default)s)")
    parser.add_argument(
        "--dtype",
        default="keep",
        choices=("keep", "float32", "bfloat16", "float16"),
        help="of the base's weights; gates are float32 always. Other than keep, all weights are written anew",
    )
    parser.add_argument(
        "--experts", default=KEEP, choices=(KEEP, FUSED, SEPARATE), help="how experts are laid out; either way loads"
    )
    parser.add_argument(
        "--link", default=HARD, choices=(HARD, SYMLINK, COPY), help="how shards are shared with the base"
    )
    parser.add_argument(
        "--export-code", action="store_true", help="copy the model's code along, for trust_remote_code"
    )
    parser.add_argument(
        "--for-transformers",
        default="",
        metavar="RELEASE",
        help="make that code for another release: a version (5.19.0), or a folder that holds one",
    )
    parser.add_argument("--hash", default=NOW, choices=(NOW, LATER), help="when SHA-256 of the files is computed")
    parser.add_argument("--dry-run", action="store_true", help="say what would be written, and write nothing")
    return parser


def _compare_parser() -> Parser:
    words = "Check that a gated checkpoint is its base and gates, and computes what its base does."
    parser = _parser("compare", words, _COMPARE_STATUS)
    parser.add_argument("--base", required=True, metavar="PATH_OR_HUB_ID", help="the base checkpoint")
    parser.add_argument("--gated", required=True, metavar="PATH_OR_HUB_ID", help="the gated one")
    parser.add_argument(
        "--dtype", default="float32", choices=("float32", "bfloat16", "float16"), help="that the models run in"
    )
    parser.add_argument("--text", type=Path, metavar="FILE", help="what they read; random tokens without it")
    parser.add_argument("--weights-only", action="store_true", help="compare tensors alone: streams, without torch")
    parser.add_argument("--trained", action="store_true", help="the gates were trained: leave out how they were drawn")
    parser.add_argument(
        "--trust-remote-code", action="store_true", help="run code that comes with a checkpoint, if it has any"
    )
    return parser


def _ungate_parser() -> Parser:
    parser = _parser("ungate", "Remove the gates of a checkpoint: what is left is its base.", _STATUS)
    parser.add_argument("--gated", required=True, metavar="PATH_OR_HUB_ID", help="the gated checkpoint")
    parser.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="the base; written whole or not at all"
    )
    parser.add_argument("--link", default=HARD, choices=(HARD, SYMLINK, COPY), help="how shards are shared")
    return parser


def _parser(command: str, description: str, epilog: str) -> Parser:
    parser = Parser(prog=named(command), description=description, epilog=epilog)
    add_generated(parser)
    return parser
