"""What is looked at of a scored corpus: a sample of its documents, and how the scores of all of them lie. Pure."""

from __future__ import annotations

from dataclasses import dataclass


KEPT = "kept"  # the reason of a document that a selection keeps


@dataclass(frozen=True, slots=True)
class Seen:
    """A document of the sample.

    `layers` has the mean good ratio of each layer; `tokens_map` the good ratios of its tokens, [layers][columns], where they
    were kept: a column is a token, or the mean of a few. `text` is its beginning, or empty. `verdict` is what a selection
    says of it: "kept", or why it is dropped.
    """

    id: str
    source: str
    tokens: int
    score: float
    perplexity: float | None
    layers: tuple[float, ...]
    tokens_map: tuple[tuple[float, ...], ...] = ()
    text: str = ""
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many of all documents have a score between two edges; `kept` counts those that are kept, where that is known."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    kept: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CorpusView:
    """A corpus to look at; `score` is what its documents are ordered by."""

    score: str
    documents: int
    sample: tuple[Seen, ...]
    histogram: Histogram
    layers: tuple[str, ...]

    @property
    def kept(self) -> int | None:
        """How many documents are kept, of all."""
        return sum(self.histogram.kept) if self.histogram.kept else None
