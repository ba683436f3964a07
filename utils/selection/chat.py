"""A document as the text that models read, and which of its tokens are trained on. Pure, given a tokenizer.

Labels go by the characters that a token was made of, so that they hold for any tokenizer: one that makes a piece of the
end of a tag and the line break after it, for one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from selection.values import LINES, TAGGED, Document


IGNORED = -100
ASSISTANT = "assistant"

# text -> tokens, and the characters of each, or None where nothing tells them
Tokenize = Callable[[str], tuple[list[int], list[tuple[int, int]] | None]]


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a message is in the text: its tag, the line of it, and its end, line break included."""

    role: str
    start: int
    tag_end: int
    line_end: int
    end: int


@dataclass(frozen=True, slots=True)
class Written:
    """A document as one text."""

    text: str
    turns: tuple[Turn, ...] = ()


def write(document: Document, end: str, style: str = TAGGED) -> Written:
    """The text of a document: as it is, or its messages, each a line with its tag and its content below.

    Args:
        document: text or messages.
        end: what ends an answer: the tokenizer's token.
        style: TAGGED, or LINES for "role: content" lines.
    """
    if not document.messages:
        return Written(document.text)
    if style == LINES:
        return Written("\n".join(f"{each.role}: {each.content}" for each in document.messages))
    parts, turns, place = [], [], 0
    for each in document.messages:
        tag = f"<|{each.role}|>"
        part = f"{tag}\n{each.content.strip()}{end if each.role == ASSISTANT else ''}\n"
        turns.append(Turn(each.role, place, place + len(tag), place + len(tag) + 1, place + len(part)))
        parts.append(part)
        place += len(part)
    return Written("".join(parts), tuple(turns))


def labels(
    tokens: Sequence[int],
    offsets: Sequence[tuple[int, int]],
    turns: Sequence[Turn],
    full_sequence: bool = True,
    mask_special: bool = True,
) -> list[int]:
    """Which tokens are trained on; the others are IGNORED. A text without turns is trained on whole.

    | full_sequence | mask_special | trained on |
    |---|---|---|
    | yes | yes | all tokens, except those that hold characters of a tag |
    | yes | no | all tokens |
    | no | yes | assistants' parts, except tokens that hold characters of the tag |
    | no | no | assistants' parts, except tokens that hold characters of the tag's line, its break included |

    Args:
        tokens: of the text, which may have been cut.
        offsets: first character of each token, and the one behind its last; tokens of no characters have two alike.
        turns: where messages are in the text.
        full_sequence: whether the user's and the system's parts count.
        mask_special: see the table.
    """
    if not turns:
        return list(tokens)
    found = []
    for token, (start, end) in zip(tokens, offsets, strict=True):
        parts = [turn for turn in turns if turn.start < end and start < turn.end]
        if full_sequence:
            hidden = mask_special and any(start < turn.tag_end for turn in parts)
        else:
            mine = [turn for turn in parts if turn.role == ASSISTANT]
            hidden = not mine or any(start < (t.tag_end if mask_special else t.line_end) for t in mine)
            hidden = hidden or len(mine) < len(parts)
        found.append(IGNORED if hidden else token)
    return found


@dataclass(frozen=True, slots=True)
class Encoded:
    """Tokens of a document, and the labels of its language-model loss."""

    tokens: list[int]
    labels: list[int]
    cut: bool  # whether the document has more tokens
    unplaced: bool = False  # no label is given, since nothing tells which tokens are of which message


def encode(
    document: Document,
    tokenize: Tokenize,
    end: str,
    longest: int,
    style: str = TAGGED,
    full_sequence: bool = True,
    mask_special: bool = True,
) -> Encoded:
    """Tokens and labels of a document, `longest` at most.

    Args:
        document: a text, or messages.
        tokenize: a text -> its tokens, and the characters of each.
        end: what ends an answer.
        longest: tokens that are kept at most.
        style: how messages are written, one of STYLES.
        full_sequence: labels for all that is said, not for what assistants say alone.
        mask_special: no labels for the tags of messages.
    """
    written = write(document, end, style)
    tokens, offsets = tokenize(written.text)
    kept, is_cut = tokens[:longest], len(tokens) > longest
    if offsets is None:
        if written.turns and not (full_sequence and not mask_special):
            return Encoded(kept, [IGNORED] * len(kept), is_cut, unplaced=True)
        return Encoded(kept, list(kept), is_cut)
    return Encoded(kept, labels(kept, offsets[:longest], written.turns, full_sequence, mask_special), is_cut)
