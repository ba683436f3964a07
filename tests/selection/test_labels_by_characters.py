"""Which tokens of a conversation are trained on: the four rows of the table, by hand, on a real tokenizer."""

from __future__ import annotations

import pytest
from selection.chat import IGNORED, LINES, encode, labels, write
from selection.values import Document, Message
from selection_models import real_tokenizer


DOCUMENT = Document("1", "s", "", (Message("user", " Hi there "), Message("assistant", "Hello!")))
# The tokens of "<|user|>\nHi there\n<|assistant|>\nHello!<|im_end|>\n", and the rows in which each is trained on:
# full sequence with tags masked, full sequence, assistant with its tag masked, assistant without its tag's line.
TABLE = [
    ("<", "-F--"),
    ("|", "-F--"),
    ("user", "-F--"),
    ("|", "-F--"),
    (">", "-F--"),
    ("\n", "TF--"),
    ("Hi", "TF--"),
    (" there", "TF--"),
    ("\n", "TF--"),
    ("<", "-F--"),
    ("|", "-F--"),
    ("ass", "-F--"),
    ("istant", "-F--"),
    ("|", "-F--"),
    (">", "-F--"),
    ("\n", "TFA-"),
    ("Hello", "TFAC"),
    ("!", "TFAC"),
    ("<|im_end|>", "TFAC"),
    ("\n", "TFAC"),
]


@pytest.fixture(scope="module")
def tokenize():
    tokenizer = real_tokenizer()

    def both(text: str) -> tuple[list[int], list[tuple[int, int]]]:
        found = tokenizer(text, return_offsets_mapping=True)
        return found["input_ids"], found["offset_mapping"]

    both.tokenizer = tokenizer
    return both


@pytest.mark.parametrize(
    ("row", "full_sequence", "mask_special"), [(0, True, True), (1, True, False), (2, False, True), (3, False, False)]
)
def test_the_four_rows(tokenize, row: int, full_sequence: bool, mask_special: bool) -> None:
    encoded = encode(DOCUMENT, tokenize, "<|im_end|>", 100, full_sequence=full_sequence, mask_special=mask_special)
    pieces = [tokenize.tokenizer.decode([token]) for token in encoded.tokens]
    trained = [label != IGNORED for label in encoded.labels]
    wanted = [marks[row] != "-" for _, marks in TABLE]
    assert list(zip(pieces, trained, strict=True)) == [
        (text, want) for (text, _), want in zip(TABLE, wanted, strict=True)
    ]
    assert all(label in (token, IGNORED) for token, label in zip(encoded.tokens, encoded.labels, strict=True))


def test_a_piece_of_tag_and_line_break_is_masked_with_the_tag() -> None:
    """As tokenizers like Qwen's make one; there a tag alone is cut otherwise than a tag in its place."""
    written = write(DOCUMENT, "E")
    start = written.text.index("<|assistant|>")
    offsets = [(0, start), (start, start + 11), (start + 11, start + 14), (start + 14, len(written.text))]
    tokens = [1, 2, 3, 4]
    assert written.text[start + 11 : start + 14] == "|>\n"
    assert labels(tokens, offsets, written.turns, False, True) == [IGNORED, IGNORED, IGNORED, 4]
    assert labels(tokens, offsets, written.turns, False, False) == [IGNORED, IGNORED, IGNORED, 4]


def test_text_is_trained_on_whole_and_cut_at_the_longest(tokenize) -> None:
    encoded = encode(Document("1", "s", "<|user|> is a word here"), tokenize, "", 4, full_sequence=False)
    assert encoded.cut and len(encoded.tokens) == 4 and encoded.labels == encoded.tokens


def test_the_lines_of_the_original_stage() -> None:
    assert write(DOCUMENT, "E", LINES).text == "user:  Hi there \nassistant: Hello!"
