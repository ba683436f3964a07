"""A corpus -> shards of scores: windows of documents, batches of like length, resumed where a run stopped."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from selection.batching import batches
from selection.chat import encode, write
from selection.corpus import Corpus, entries
from selection.errors import SelectionError
from selection.forward import Scored, Scorer
from selection.shards import ScoreFolder, ShardFacts
from selection.table import MEANS, ROUTER, TOKEN_LOGITS, TOKEN_NLL, WEIGHTED, schema
from selection.values import NOT_FINITE, OVER_LONG, REJECT, TAGGED, CorpusEntry, Document, Reject
from selection.writing_systems import writing_system


@dataclass(frozen=True, slots=True)
class ScoringOptions:
    """What scores depend on, beside the corpus and the model."""

    max_length: int
    over_long: str = REJECT
    style: str = TAGGED
    batch_tokens: int = 4096
    shard_size: int = 4096
    dtype: str = "float32"
    alpha: float = 1.0
    perplexity: bool = True
    router: bool = False
    tokens: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A batch was scored."""

    shard: int
    documents: int
    tokens: int
    began: float  # the share of the corpus that lay before its shard
    share: float  # and the one that is done, about


Tell = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class _Row:
    entry: CorpusEntry
    document: Document
    tokens: list[int]
    characters: int
    script: str


def score_corpus(
    corpus: Corpus,
    scorer: Scorer,
    options: ScoringOptions,
    output: Path,
    rank: int = 0,
    world: int = 1,
    tell: Tell = lambda _: None,
) -> dict[str, Any] | None:
    """Score what is not scored yet.

    Args:
        corpus: what is read; every process reads all of it and scores its shards.
        scorer: the model.
        options: see above.
        output: the folder of the scores.
        rank, world: the number of this process, and how many there are.
        tell: called after every batch.

    Returns:
        The manifest; None where other processes are not done.

    Raises:
        SelectionError: an input that is not there, a folder of another run.
    """
    if next(entries(corpus), None) is None:  # before anything is written
        raise SelectionError(", ".join(corpus.data), "holds no record", "give a corpus that is not empty")
    folder = ScoreFolder(output, rank)
    loaded = scorer.loaded
    description = {
        "data": list(corpus.data),
        "corpus": corpus.described(),
        "gates": loaded.digest,
        "layers": list(loaded.layers),
        "model_type": loaded.model.config.model_type,
        "options": asdict(options),
    }
    folder.open(description)
    number = 0
    for number, window in _windows(corpus, options.shard_size, lambda n: n % world == rank and not folder.is_done(n)):
        if window is not None:
            _score_shard(folder, number, window, scorer, options, tell)
    return folder.finish(number + 1)


def _windows(
    corpus: Corpus, size: int, is_mine: Callable[[int], bool]
) -> Iterator[tuple[int, list[CorpusEntry] | None]]:
    """The entries of each shard that is to be scored; None for the others, which are read past."""
    window: list[CorpusEntry] = []
    number, mine = -1, False
    for entry in entries(corpus):
        if entry.position // size != number:
            if number >= 0:
                yield number, window if mine else None
            number, window = entry.position // size, []
            mine = is_mine(number)
        if mine:
            window.append(entry)
    if number >= 0:
        yield number, window if mine else None


def _score_shard(
    folder: ScoreFolder,
    number: int,
    window: Sequence[CorpusEntry],
    scorer: Scorer,
    options: ScoringOptions,
    tell: Tell,
) -> None:
    began = time.perf_counter()
    rows, rejects = _prepare(window, scorer, options)
    lengths = [len(row.tokens) for row in rows]
    groups = batches(lengths, options.batch_tokens)
    scored: dict[int, Scored] = {}
    padded, done = 0, 0
    first, last = window[0].share, window[-1].share
    for group in groups:
        found = _in_memory(scorer, [rows[each].tokens for each in group])
        scored |= dict(zip(group, found, strict=True))
        padded += max(lengths[each] for each in group) * len(group)
        tokens = sum(lengths[each] for each in group)
        done += tokens
        tell(Step(number, len(group), tokens, first, first + (last - first) * done / max(sum(lengths), 1)))
    good = [each for each in range(len(rows)) if scored[each].is_finite]
    for each in sorted(set(range(len(rows))) - set(good)):
        row = rows[each]
        detail = "the model's scores are not finite numbers"
        rejects.append(
            (row.entry.position, Reject(row.document.id, row.document.source, row.entry.place, NOT_FINITE, detail))
        )
    found_rejects = [reject for _, reject in sorted(rejects, key=lambda pair: pair[0])]
    facts = ShardFacts(
        len(window),
        len(good),
        sum(lengths[each] for each in good),
        padded,
        round(time.perf_counter() - began, 4),
        dict(sorted(Counter(each.reason for each in found_rejects).items())),
    )
    routers = (scored[each].router for each in good)
    width = next((len(router) for router in routers if router is not None), 0)
    columns = schema(len(scorer.loaded.layers), width, options.tokens)
    folder.write(number, [_row(rows[each], scored[each]) for each in good], columns, found_rejects, facts)


def _prepare(
    window: Sequence[CorpusEntry], scorer: Scorer, options: ScoringOptions
) -> tuple[list[_Row], list[tuple[int, Reject]]]:
    """Documents with their tokens, and what is not scored, each with its position."""
    rows, rejects = [], []
    loaded = scorer.loaded
    for entry in window:
        document = entry.found
        if isinstance(document, Reject):
            rejects.append((entry.position, document))
            continue
        encoded = encode(document, loaded.tokenize, loaded.end, options.max_length, options.style)
        if encoded.cut and options.over_long == REJECT:
            detail = f"has more than {options.max_length} tokens"
            rejects.append((entry.position, Reject(document.id, document.source, entry.place, OVER_LONG, detail)))
            continue
        text = write(document, "", options.style).text
        spoken = " ".join(each.content for each in document.messages) or text
        rows.append(_Row(entry, document, encoded.tokens, len(text), writing_system(spoken)))
    return rows, rejects


def _in_memory(scorer: Scorer, documents: list[list[int]]) -> list[Scored]:
    """A batch, or its halves one after the other where a device has no memory for it."""
    try:
        return scorer.score(documents)
    except torch.OutOfMemoryError:
        if len(documents) == 1:
            raise
    torch.cuda.empty_cache()
    half = len(documents) // 2
    return _in_memory(scorer, documents[:half]) + _in_memory(scorer, documents[half:])


def _row(row: _Row, scored: Scored) -> dict[str, Any]:
    found: dict[str, Any] = {
        "position": row.entry.position,
        "id": row.document.id,
        "source": row.document.source,
        "tokens": len(row.tokens),
        "characters": row.characters,
        "script": row.script,
        "perplexity": scored.perplexity,
        "quality": float(scored.layer_scores.mean()),
        WEIGHTED: scored.layer_scores,
        MEANS: scored.layer_means,
        ROUTER: scored.router,
    }
    if scored.token_logits is not None:
        found[TOKEN_LOGITS] = scored.token_logits.ravel()
        found[TOKEN_NLL] = scored.token_nll
    return found
