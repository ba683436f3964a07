"""Samples to train on: of every file a part, of files of target tasks all, as tokens and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import TypedDict

import numpy as np

from selection.chat import IGNORED, Tokenize, encode
from selection.corpus import Corpus
from selection.errors import SelectionError
from selection.reading import CorpusPart, read
from selection.records import document_of
from selection.values import Document


UNPLACED = "conversations whose tokens the tokenizer, which is not a fast one, does not place in the text"
UNKNOWN = -1.0  # the target of a sample of which nobody knows


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """How documents become samples."""

    max_length: int = 1024
    subset: str = "1"  # the share of every file's records
    seed: int = 42
    form: str = "auto"
    full_sequence: bool = True
    mask_special: bool = True


class Sample(TypedDict):
    """What a batch is made of: as many labels as tokens."""

    input_ids: list[int]
    labels: list[int]
    target: float  # 1 for the quality to train for, 0 for another, UNKNOWN


@dataclass(frozen=True, slots=True)
class Samples:
    """What is trained on, and what was left out."""

    samples: list[Sample]
    left_out: dict[str, int] = field(default_factory=dict)  # reason -> how many

    @property
    def targets(self) -> dict[str, int]:
        """How many samples are of target tasks, of others, of unknown ones."""
        counts = Counter(sample["target"] for sample in self.samples)
        known = sum(count for target, count in counts.items() if target >= 0)
        of_target = sum(count for target, count in counts.items() if target > 0)
        return {"target": of_target, "other": known - of_target, "unknown": counts[UNKNOWN]}


def gather(
    data: Sequence[str], target_data: Sequence[str], tokenize: Tokenize, end: str, options: SampleOptions
) -> Samples:
    """Samples of some data, and of that of target tasks.

    What a record says of its target counts; where it says nothing, those of `target_data` are 1, and the others 0 if
    there is such data at all.

    Args:
        data: files, folders or names of data sets.
        target_data: those of the quality to train for.
        tokenize: a text -> its tokens, and the characters of each.
        end: what ends an answer.
        options: how documents become samples.

    Raises:
        SelectionError: data that is not there, or without a document.
    """
    left_out: Counter[str] = Counter()
    samples: list[Sample] = []
    otherwise = 0.0 if target_data else UNKNOWN
    for given, target, share in ((data, otherwise, options.subset), (target_data, 1.0, "1")):
        if not given:
            continue
        for part in Corpus(tuple(given), options.form).parts():
            for found in _documents(part, share, options, left_out):
                encoded = encode(
                    found,
                    tokenize,
                    end,
                    options.max_length,
                    full_sequence=options.full_sequence,
                    mask_special=options.mask_special,
                )
                if all(label == IGNORED for label in encoded.labels):
                    left_out[UNPLACED if encoded.unplaced else "nothing to train on"] += 1
                    continue
                own = target if found.target is None else found.target
                samples.append({"input_ids": encoded.tokens, "labels": encoded.labels, "target": own})
    if not samples:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items())) or "no record"
        raise SelectionError(
            ", ".join([*data, *target_data]), f"holds nothing to train on: {reasons}", "give other data"
        )
    return Samples(samples, dict(sorted(left_out.items())))


def _documents(part: CorpusPart, share: str, options: SampleOptions, left_out: Counter[str]) -> Iterator[Document]:
    """The documents of a part's sample, drawn before records are looked into, in the order that they were drawn in."""
    count = sum(1 for _ in read(part))
    drawn = np.random.default_rng(options.seed).permutation(count)[: floor(Fraction(share) * count)]
    place = {int(number): order for order, number in enumerate(drawn)}
    found = []
    for raw in read(part):
        if raw.number not in place:
            continue
        document = document_of(raw, options.form)
        if isinstance(document, Document):
            found.append((place[raw.number], document))
        else:
            left_out[document.reason] += 1
    yield from (document for _, document in sorted(found, key=lambda pair: pair[0]))
