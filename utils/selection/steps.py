"""Steps of datatrove pipelines: the same scoring on its executors, local, Slurm or Ray, and the same cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from checkpoints.documents import read_document
from datatrove.data import Document as Piece
from datatrove.data import DocumentsPipeline
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.writers.disk_base import DiskWriter
from datatrove.utils.batching import batched
from telling.tools import named

from selection.batching import batches
from selection.chat import encode
from selection.errors import SelectionError
from selection.forward import Scorer
from selection.models import load
from selection.quality import LayerStatistics, quality_scores
from selection.values import EMPTY, NOT_FINITE, OVER_LONG, Document


SCORES, PERPLEXITY, TOKENS, REJECTED = "quality_layer_scores", "perplexity", "token_count", "quality_reject"


class QualityGateScorer(PipelineStep):  # type: ignore[misc]  # datatrove says no types
    """Writes the scores of every document into its metadata; none is dropped, what is not scored says why.

    Args:
        model: a run of train_gates.py, or a gated checkpoint; loaded by each task when it begins.
        max_length: tokens of a document; longer ones are not scored. The model's where it is not given.
        window: documents that are put into batches of like length together.
        batch_tokens: tokens of a batch, padding included.
        alpha: the power of the perplexity as a token's weight.
        perplexity: whether the head runs.
    """

    name = "quality gate scorer"
    type = "scorer"

    def __init__(
        self,
        model: str,
        dtype: str = "float32",
        device: str = "cpu",
        max_length: int | None = None,
        window: int = 1024,
        batch_tokens: int = 4096,
        alpha: float = 1.0,
        perplexity: bool = True,
    ) -> None:
        super().__init__()
        self.model, self.dtype, self.device, self.max_length = model, dtype, device, max_length
        self.window, self.batch_tokens, self.alpha, self.perplexity = window, batch_tokens, alpha, perplexity

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """The documents of a task, scored."""
        scorer = Scorer(load(self.model, self.dtype, self.device), self.perplexity, self.alpha)
        for window in batched(data, self.window):
            with self.track_time("batch"):
                self._score(window, scorer)
            for piece in window:
                self.stat_update("rejected" if REJECTED in piece.metadata else "scored")
                self.update_doc_stats(piece)
                yield piece

    def _score(self, pieces: list[Piece], scorer: Scorer) -> None:
        known, tokens = [], []
        longest = self.max_length or scorer.loaded.longest
        for piece in pieces:
            encoded = encode(Document(piece.id, "", piece.text), scorer.loaded.tokenize, scorer.loaded.end, longest)
            if not piece.text.strip() or encoded.cut:
                piece.metadata[REJECTED] = OVER_LONG if encoded.cut else EMPTY
                continue
            known.append(piece)
            tokens.append(encoded.tokens)
        for group in batches([len(each) for each in tokens], self.batch_tokens):
            for place, found in zip(group, scorer.score([tokens[each] for each in group]), strict=True):
                if not found.is_finite:
                    known[place].metadata[REJECTED] = NOT_FINITE
                    continue
                known[place].metadata |= {
                    SCORES: found.layer_scores.tolist(),
                    PERPLEXITY: found.perplexity,
                    TOKENS: len(tokens[place]),
                }


class QualityGateFilter(BaseFilter):  # type: ignore[misc]  # datatrove says no types
    """Keeps what a selection would have kept: documents whose quality, by its statistics, is its cut or more.

    Args:
        summary: `summary.json` of a select_data.py --method quality, run on a sample that was scored alike.
        cut: the lowest quality that is kept, in place of the summary's.
        exclusion_writer: gets what is dropped.
    """

    name = "quality gate filter"

    def __init__(
        self,
        summary: str,
        cut: float | None = None,
        exclusion_writer: DiskWriter | None = None,
        batch_size: int = 1024,
    ) -> None:
        super().__init__(exclusion_writer, batch_size)
        _, found = read_document(Path(summary))
        known, options = found.get("statistics"), found.get("options")
        self.cut = found.get("cut") if cut is None else cut
        if not isinstance(known, dict) or not isinstance(options, dict) or not isinstance(self.cut, int | float):
            raise SelectionError(
                summary, "has no statistics and no cut", f"give the summary.json of {named('select')}"
            )
        low, high, mean = (np.array(known[name], np.float64) for name in ("low", "high", "mean"))
        self.statistics = LayerStatistics(1, low, high, mean)
        self.eps, self.tau = float(options["eps"]), float(options["tau"])

    def filter(self, doc: Piece) -> bool | tuple[bool, str]:
        """Whether one document is kept."""
        return self.filter_batch([doc])[0]

    def filter_batch(self, batch: list[Piece]) -> list[bool | tuple[bool, str]]:
        """Whether each is kept, or why not; its quality goes into its metadata.

        Raises:
            SelectionError: the documents were scored by a model of another depth than the summary is of.
        """
        found: list[bool | tuple[bool, str]] = [
            (False, str(each.metadata.get(REJECTED, "unscored"))) for each in batch
        ]
        scored = [place for place, each in enumerate(batch) if SCORES in each.metadata]
        if not scored:
            return found
        scores = np.array([batch[place].metadata[SCORES] for place in scored], np.float32)
        if scores.shape[1] != len(self.statistics.low):
            message = f"is of {len(self.statistics.low)} layers, and documents were scored by {scores.shape[1]}"
            raise SelectionError("QualityGateFilter", f"its summary {message}", "score both with one model")
        for place, quality in zip(scored, quality_scores(scores, self.statistics, self.eps, self.tau), strict=True):
            batch[place].metadata["quality"] = float(quality)
            found[place] = True if quality >= self.cut else (False, "below-cut")
        return found
