"""Which tokens of a conversation are trained on: the four rows of the table, by hand, on a real tokenizer."""

from __future__ import annotations

import pytest
from selection.alignment import aligned, aligned_whole
from selection.chat import IGNORED, LINES, encode, labels, write
from selection.models import Loaded
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


def test_a_tokenizer_that_tells_no_places_is_aligned_by_its_words() -> None:
    assert aligned("a  bc, d", ["", "a", "bc", "??", ",", " d"]) == [(0, 0), (0, 1), (3, 5), (5, 5), (5, 6), (6, 8)]


@pytest.mark.parametrize("text", ["Hi there", "caf\u00e9 \u20ac5 \U0001f600!", " two  blanks\n"])
def test_words_that_were_aligned_are_where_a_fast_tokenizer_says(tokenize, text: str) -> None:
    tokens, offsets = tokenize(text)
    found = aligned_whole(text, tokens, lambda some: tokenize.tokenizer.decode(some))
    assert found is not None
    # tokens that share a character have one place, and a blank before it is part of that
    assert [text[start:end].strip() for start, end in found] == [text[start:end].strip() for start, end in offsets]


def loaded(tokenizer) -> Loaded:
    return Loaded(None, tokenizer, "tiny", "", ())


class Slow:
    """The tokenizer of other tests, which does not say where its tokens are."""

    is_fast, eos_token = False, "<|im_end|>"

    def __init__(self, tokenizer, lowers: bool = False) -> None:
        self.tokenizer, self.lowers = tokenizer, lowers

    def __call__(self, text: str, return_offsets_mapping: bool, verbose: bool) -> dict[str, list[int]]:
        assert not return_offsets_mapping
        return {"input_ids": self.tokenizer(text.lower() if self.lowers else text)["input_ids"]}

    def decode(self, tokens: list[int], clean_up_tokenization_spaces: bool) -> str:
        return self.tokenizer.decode(tokens)


@pytest.mark.parametrize("full_sequence", [True, False])
@pytest.mark.parametrize("mask_special", [True, False])
def test_a_tokenizer_that_is_not_fast_trains_on_the_same(tokenize, full_sequence: bool, mask_special: bool) -> None:
    how = {"full_sequence": full_sequence, "mask_special": mask_special}
    found = encode(DOCUMENT, loaded(Slow(tokenize.tokenizer)).tokenize, "<|im_end|>", 100, **how)
    assert found == encode(DOCUMENT, tokenize, "<|im_end|>", 100, **how)


def test_no_label_is_guessed_where_the_text_is_not_in_the_tokens(tokenize) -> None:
    lowering = loaded(Slow(tokenize.tokenizer, lowers=True)).tokenize
    found = encode(DOCUMENT, lowering, "<|im_end|>", 100)
    assert found.unplaced and set(found.labels) == {IGNORED}
    kept = encode(DOCUMENT, lowering, "<|im_end|>", 100, mask_special=False)
    assert kept.labels == kept.tokens and not kept.unplaced
    text = encode(Document("1", "s", "A Text"), lowering, "", 100)
    assert text.labels == text.tokens
