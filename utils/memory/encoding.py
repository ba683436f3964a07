"""Sentences -> rows of token ids, and back; what tells one tokenizer from another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from diagnostics.errors import words_of

from memory.errors import BankError
from memory.values import Row, Shape


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Two tokenizers with one vocabulary may still cut texts differently.
_PROBE = "The river Aa is 1,024 km long; naïve — 水的沸点是100℃。 camelCase\tHTTPServer\n  ¿Qué?"


@dataclass(frozen=True, slots=True)
class Encoded:
    """Sentences as rows."""

    ids: np.ndarray  # int64 [R, K], padded on the right
    counts: tuple[int, ...]  # tokens before they were cut


def encode(tokenizer: PreTrainedTokenizerBase, sentences: Sequence[str], shape: Shape) -> Encoded:
    """Rows of sentences: the first K tokens of each. Raises BankError where the tokenizer cannot read one."""
    ids = np.full((len(sentences), shape.knowledge_length), shape.pad_token_id, np.int64)
    if not sentences:
        return Encoded(ids, ())
    try:
        found = tokenizer(list(sentences), add_special_tokens=shape.special_tokens, verbose=False)["input_ids"]
    except Exception as error:  # tokenizers raise plain exceptions, on half a character as well
        said = words_of(error, whole=True)[:200]
        raise BankError("a sentence", f"cannot be read by the tokenizer: {said}", "give whole characters") from error
    for row, tokens in enumerate(found):
        kept = tokens[: shape.knowledge_length]
        ids[row, : len(kept)] = kept
    return Encoded(ids, tuple(map(len, found)))


def encode_one(
    tokenizer: PreTrainedTokenizerBase, sentence: str, shape: Shape, place: object
) -> tuple[np.ndarray, int]:
    """The row of a sentence and how many tokens it has. Raises BankError where it has none, or they are none of the vocabulary.

    Args:
        tokenizer: of the bank.
        sentence: the text of the row.
        shape: what the bank is made for.
        place: what an error is told of.

    Returns:
        int64 [K], and the number of tokens before the row was filled up.
    """
    encoded = encode(tokenizer, [sentence], shape)
    if not encoded.counts[0] or not sentence.strip():
        raise BankError(str(place), "the sentence has no token", "give a text, or take the row away: --empty")
    check_ids(encoded.ids, shape, place)
    return encoded.ids[0], encoded.counts[0]


def decode(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """The text of tokens, as it was before it was cut."""
    text = tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return str(text).strip()


def unpadded(ids: np.ndarray, pad: int) -> tuple[int, ...]:
    """A row, int64 [K], without what fills it up."""
    used = np.flatnonzero(ids != pad)
    return tuple(ids[: used[-1] + 1].tolist()) if len(used) else ()


def padded(ids: Sequence[int], shape: Shape) -> np.ndarray:
    """A row of tokens, int64 [K]."""
    row = np.full(shape.knowledge_length, shape.pad_token_id, np.int64)
    row[: len(ids)] = ids
    return row


def check_ids(ids: np.ndarray, shape: Shape, place: object, first: int = 0) -> None:
    """Raise BankError where a token is none of the vocabulary.

    Args:
        ids: [rows, K].
        shape: what the bank is made for.
        place: what an error is told of.
        first: the number of the first of these rows.
    """
    wrong = np.argwhere((ids < 0) | (ids >= shape.vocab_size))
    if len(wrong):
        row, column = wrong[0]
        message = f"row {first + row} has the token {ids[row, column]}, and the vocabulary has {shape.vocab_size}"
        raise BankError(str(place), message, "build the bank with the tokenizer of the model that reads it")


def row_of(row: int, ids: np.ndarray, tokenizer: PreTrainedTokenizerBase, pad: int) -> Row:
    """A row by its tokens alone.

    Args:
        row: its number.
        ids: int64 [K].
        tokenizer: of the bank.
        pad: the token that fills a row up.
    """
    kept = unpadded(ids, pad)
    return Row(row, decode(tokenizer, kept), len(kept), False, {}, kept)


def load_tokenizer(place: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder, or of a name in the Hub's cache. Raises BankError where there is none."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(Path(place).expanduser()), trust_remote_code=False)
    except Exception as error:  # tokenizers raise plain exceptions on a vocabulary that they cannot build
        said = words_of(error, whole=True)[:200]
        fix = "give the folder of a tokenizer or a model, or a name that was fetched from the Hub"
        raise BankError(place, f"has no tokenizer that can be read: {said}", fix) from error


def name_of(place: str | Path) -> str:
    """What a tokenizer is called: a name on the Hub, or the last part of a path."""
    path = Path(place).expanduser()
    return path.resolve().name if path.exists() else str(place)


def digest_of(tokenizer: PreTrainedTokenizerBase) -> str:
    """Of the vocabulary, and of what becomes of a text: the same in every release of the library."""
    vocabulary = json.dumps(sorted(tokenizer.get_vocab().items()), ensure_ascii=True)
    probed = tokenizer(_PROBE, add_special_tokens=False, verbose=False)["input_ids"]
    return sha256(f"{vocabulary}{probed}".encode()).hexdigest()


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, name: str, shape: Shape, place: object) -> None:
    """Raise BankError, with both names, where a bank was built with another tokenizer than this one.

    Args:
        tokenizer: that of the model which reads the bank.
        name: what it is called.
        shape: what the bank is made for.
        place: what an error is told of.
    """
    if shape.digest and digest_of(tokenizer) != shape.digest:
        message = f"was built with the tokenizer of {shape.tokenizer or 'another model'}, and this is that of {name}"
        fix = f"give the tokenizer of {shape.tokenizer or 'the bank'}, or build the bank again with that of {name}"
        raise BankError(str(place), message, fix)
