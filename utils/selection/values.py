"""The frozen nouns: a record as it was read, a document, what is wrong with a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from naming.kinds import MEANT


# Why a record is not scored
NOT_UTF8, NO_JSON, WRONG_TYPE, NOT_A_NUMBER = "non-utf-8", "no-json", "wrong-type", "nan"
EMPTY, DUPLICATE, OVER_LONG, TOO_LARGE, NOT_FINITE = "empty", "duplicate-id", "over-long", "too-large", "not-finite"
REASONS = (NOT_UTF8, NO_JSON, WRONG_TYPE, NOT_A_NUMBER, EMPTY, DUPLICATE, OVER_LONG, TOO_LARGE, NOT_FINITE)
QUALITY, RANDOM, PERPLEXITY, CLUSTERS, FARTHEST = "quality", "random", "perplexity", "clusters", "farthest"
METHODS = (QUALITY, RANDOM, PERPLEXITY, CLUSTERS, FARTHEST)
# What ranges and means are at least, and what is added to means, unless somebody says otherwise
EPSILON, TAU = 1e-8, 0.0
TARGET_COLUMNS = (
    "quality_targets",
    "is_target_task",
    "quality_labels",
)  # what records say of the quality to train for
# What options are called
LAYERS, ROUTERS = "layers", "router"  # features
DTYPES = ("float32", "bfloat16", "float16")
LOGIT, PROB = "logit", "prob"
TRUNCATE, REJECT = "truncate", "reject"
TAGGED, LINES = "tagged", "role-lines"  # how messages are written: as gates are trained, or as the original scored
STYLES = (TAGGED, LINES)
CONFIG, MODEL, METRICS = "config.yaml", "model", "metrics.jsonl"  # of a run: MODEL is the gated base where it made one
GATES, ORIGINAL_GATES = f"{MEANT.kind}_gates.safetensors", "full_rank_weights.pt"
FULL_RANK, LORA = "full_rank", "lora"


@dataclass(frozen=True, slots=True)
class Raw:
    """A record of a file, or the reason why there is none at its place."""

    source: str  # the name of the file without its endings, or of the data set
    place: str  # "part/a.jsonl:12"
    number: int  # of the record in its file, from 0
    record: Any = None
    reason: str = ""  # one of REASONS
    detail: str = ""
    share: float = 0.0  # of its file that was read when it came, about: files are read in blocks


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Document:
    """What is trained on or scored: a text, or the messages of a conversation."""

    id: str
    source: str
    text: str = ""
    messages: tuple[Message, ...] = ()
    target: float | None = None  # 1 for a document of the quality to train for, 0 for another, None for unknown


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that is not scored, and why."""

    id: str
    source: str
    place: str
    reason: str  # one of REASONS
    detail: str


@dataclass(frozen=True, slots=True)
class CorpusEntry:
    """A record by its place in the whole corpus: a document, or what is wrong with it."""

    position: int
    place: str
    found: Document | Reject
    share: float  # of the corpus, in bytes, that was read when it came, about
