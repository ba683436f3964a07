"""`view_scores.py`: what gates say of texts, as a page, a picture or on the terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from checkpoints.commands import STATUS, guarded
from checkpoints.errors import CheckpointError
from checkpoints.homes import add_generated
from files.writing import write_text
from selection.values import CONFIG as RUN
from telling.answers import Answer
from telling.documents import plain
from telling.grammar import Parser
from telling.tools import named

from viewing.values import Panel


if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_DTYPES = ("float32", "bfloat16", "float16")
_NAME_LENGTH = 60  # characters of a text that serve as its name


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 2 refused."""
    args = parse(argv)
    command = _view_corpus if args.corpus else _view
    return guarded(command, args, args.output or args.corpus or args.model, resumes=False)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line: texts through a model, or a corpus that was scored."""
    parser = _parser()
    args = parser.parse_args(argv)
    texts = {"--text": args.text, "--against": args.against, "--png": args.png, "--max-tokens": args.max_tokens}
    corpus = {"--selection": args.selection, "--data": args.data, "--no-texts": args.no_texts}
    wrong = [name for name, given in (texts if args.corpus else corpus).items() if given]
    if wrong:
        parser.error(f"{wrong[0]} {'does not go with' if args.corpus else 'goes with'} --corpus")
    if args.corpus and not args.output:
        parser.error("--corpus needs --output, the page to write")
    if args.model and not args.text:
        parser.error("--model needs --text")
    return args


def _view_corpus(args: argparse.Namespace) -> Answer:
    read = import_module("viewing.scored").read_corpus
    view = read(args.corpus, args.selection, args.data, not args.no_texts)
    page = import_module("viewing.corpus_page").make_corpus_page(args.title or "Scored corpus", view)
    _write(args.output, page)
    return Answer(document={"output": args.output, "corpus": args.corpus, "documents": view.documents})


def _view(args: argparse.Namespace) -> Answer:
    texts = [_read(each) for each in args.text]
    panels = list(_panels([args.model, *args.against], texts, args))
    if args.output and len({panel.measure for panel in panels}) > 1:
        fix = "give checkpoints with one kind of gate, initialized the same way"
        raise CheckpointError(args.against[0], "has gates of another kind, or that are read otherwise", fix)
    if args.png:
        import_module("viewing.plot").write_picture(panels, args.png)
    if args.output:
        page = import_module("viewing.page").make_page(args.title or "Gate scores", panels)
        _write(args.output, page)
    if not (args.output or args.png or args.json):
        from rich.console import Console

        from viewing.terminal import print_panel

        console = Console(highlight=False, soft_wrap=True)
        for panel in panels:
            print_panel(panel, console)
    shown = [{**plain(panel), "means": panel.means()} for panel in panels]
    return Answer(document={"output": args.output, "png": args.png, "panels": shown})


def _write(output: Path, page: str) -> None:
    """A page that is there already stays as it was until the new one is whole; a pipe or a device is written to."""
    if output.exists() and not output.is_file():
        output.write_text(page, encoding="utf-8")
    else:
        write_text(output.resolve(), page)


def _panels(models: Sequence[str], texts: Sequence[tuple[str, str]], args: argparse.Namespace) -> Sequence[Panel]:
    """A panel for each text and model; texts beside one another, and below them another model's."""
    panel_of = import_module("viewing.kinds").panel_of
    import_module("transformers").logging.set_verbosity_error()
    panels = []
    for place in models:
        model, tokenizer = _load(place, args.dtype, args.generated)
        for name, text in texts:
            title = f"{Path(place).name}: {name}" if len(models) > 1 else name
            try:
                panels.append(panel_of(model, tokenizer, _cut(text, tokenizer, args.max_tokens), title))
            except TypeError as error:
                fix = "give a checkpoint with gates of a kind that can be shown"
                raise CheckpointError(place, str(error), fix) from error
            except ValueError as error:
                fix = "give a text that has some, or --max-tokens to read its beginning"
                raise CheckpointError(name, str(error), fix) from error
        del model
    return panels


def _load(place: str, dtype: str, generated: Path | None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer of a gated checkpoint, or of a run of train_gates.py: its base with the gates of the run."""
    if (Path(place) / RUN).is_file():
        from selection.models import load

        loaded = load(place, dtype, generated=generated)
        return loaded.model, loaded.tokenizer
    from checkpoints.loading import load_gated

    return load_gated(place, dtype, generated=generated)


def _cut(text: str, tokenizer: PreTrainedTokenizerBase, most: int | None) -> str:
    """The beginning of a text that has so many tokens."""
    if most is None:
        return text
    encoded = tokenizer(text, return_offsets_mapping=tokenizer.is_fast, verbose=False)
    if len(encoded["input_ids"]) <= most:
        return text
    if tokenizer.is_fast:
        return text[: max(end for _, end in encoded["offset_mapping"][:most])]
    return str(tokenizer.decode(encoded["input_ids"][:most], skip_special_tokens=True))


def _read(given: str) -> tuple[str, str]:
    """The name and the characters of a text: a file's, those of standard input for "-", or the argument itself."""
    if given == "-":
        return "standard input", sys.stdin.buffer.read().decode("utf-8", "replace")
    try:
        is_file = Path(given).is_file()
    except (OSError, ValueError):  # too long for a path, or with a null byte
        is_file = False
    if is_file:
        return Path(given).name, Path(given).read_bytes().decode("utf-8", "replace")
    first = given.strip().split("\n")[0]
    return (first if len(first) <= _NAME_LENGTH else f"{first[:_NAME_LENGTH]}\u2026") or "text", given


def _parser() -> Parser:
    parser = Parser(
        prog=named("view"),
        description="Show what the gates of a model say of every token of a text, or of the documents of a scored corpus.",
        epilog=f"Without --output and --png the text is printed in colours. {STATUS}",
    )
    shown = parser.add_mutually_exclusive_group(required=True)
    shown.add_argument(
        "--model",
        metavar="GATED",
        help=f"a gated checkpoint: a folder or a name on the Hub; or a run of {named('train')}",
    )
    shown.add_argument(
        "--corpus", type=Path, metavar="SCORES", help=f"what {named('score')} wrote, as a list of documents"
    )
    parser.add_argument(
        "--text",
        action="append",
        default=[],
        metavar="FILE|TEXT",
        help='a file, the text itself, or "-" for standard input; several are shown side by side',
    )
    parser.add_argument(
        "--against", action="append", default=[], metavar="OTHER", help="another gated checkpoint, shown beside it"
    )
    parser.add_argument(
        "--selection", type=Path, metavar="CHOSEN", help=f"what {named('select')} wrote: what was kept"
    )
    parser.add_argument("--data", nargs="+", default=[], metavar="DATA", help="where the scored corpus is now")
    parser.add_argument("--no-texts", action="store_true", help="do not read the scored corpus again for its texts")
    parser.add_argument("--output", type=Path, metavar="page.html", help="write one page that needs nothing else")
    parser.add_argument("--png", type=Path, metavar="FILE", help="write heat maps; needs matplotlib")
    add_generated(parser)
    parser.add_argument("--title", help="the heading of the page")
    parser.add_argument("--max-tokens", type=_positive, metavar="N", help="read no more than N tokens of each text")
    parser.add_argument("--dtype", choices=_DTYPES, default="float32", help="the type that the model runs in")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number
