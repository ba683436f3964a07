"""What a model is told becomes rows of its memory, while it runs. Needs torch."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch

from memory.encoding import check_ids, decode, encode, encode_one, padded, unpadded
from memory.errors import BankError
from memory.extractors import FactExtractor, SentenceFactExtractor
from memory.likeness import Likeness
from memory.loading import check_model, shape_of_model
from memory.log import ChangeLog, Log, MemoryLog, check_undo, taken_back
from memory.sentences import split_facts
from memory.strategies import Space, Usage, assign, check_strategy, choose
from memory.usage_files import read_state, state_of, usage_of, write_state
from memory.values import EDIT, FORGET, Change, Shape, Update


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SHOWN = 10  # rows that an update names
_guard = threading.Lock()
_locks: WeakKeyDictionary[Any, threading.RLock] = WeakKeyDictionary()


class MemoryBankUpdater:
    """Writes facts into the memory of a model, by a strategy that says which rows they replace.

    Rows below `int(knowledge_num * freeze_ratio)` are never chosen. Updates of one model by several threads come one
    after the other; each is in the log before it is in the model.

    Args:
        model: with memory gates; its bank is read through it every time.
        tokenizer: the model's.
        fact_extractor: of `update_from_text`; that of sentences without.
        update_strategy: "fifo", "lru", "random", "similarity" or "importance".
        max_entries: rows that are used at most, from the first unfrozen one on; all without.
        similarity_threshold: the cosine from which "similarity" replaces a row.
        device: taken for the original project's callers; rows are where the model's bank is.
        seed: of "random".
        log_path: a file that every change is a line of; without, changes are kept for `undo` while this object lives.
        log: in the place of `log_path`, a log.
        by: who, for the log.
        min_tokens: shorter sentences are no facts.
        decay: of what was read before, at each reading, for "importance".
        read_alpha: from which alpha on a row was read.

    Raises:
        BankError: the model has no memory, or an argument is none.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        fact_extractor: FactExtractor | None = None,
        update_strategy: str = "fifo",
        max_entries: int | None = None,
        similarity_threshold: float = 0.7,
        device: Any = None,
        *,
        seed: int = 0,
        log_path: str | Path | None = None,
        log: Log | None = None,
        by: str = "MemoryBankUpdater",
        min_tokens: int = 2,
        decay: float = 0.99,
        read_alpha: float = 0.5,
    ) -> None:
        check_model(model, type(model).__name__)
        self.model, self.tokenizer = model, tokenizer
        self.fact_extractor = fact_extractor or SentenceFactExtractor()
        self.update_strategy = check_strategy(update_strategy)
        if max_entries is not None and (not isinstance(max_entries, int) or max_entries < 1):
            raise BankError("max_entries", f"is {max_entries!r}", "give 1 or more rows, or None")
        if not -1 <= similarity_threshold <= 1:
            raise BankError("similarity_threshold", f"is {similarity_threshold!r}", "give a cosine, from -1 to 1")
        self.max_entries, self.similarity_threshold = max_entries, similarity_threshold
        self.by, self.min_tokens, self.decay, self.read_alpha = by, min_tokens, decay, read_alpha
        self.shape: Shape = shape_of_model(model)
        self.usage = Usage.new(self.shape.knowledge_num, seed)
        self.log: Log = log or (ChangeLog(Path(log_path)) if log_path else MemoryLog())
        self._likeness = Likeness(model, self.shape)
        with _guard:
            self._lock = _locks.setdefault(model, threading.RLock())

    def update_from_text(self, text: str | Sequence[str], compression_rate: float | None = None) -> Update:
        """Find the facts of a text, or of several, and write them. `compression_rate`: what the extractor keeps."""
        texts = [text] if isinstance(text, str) else list(text)
        found = (self.fact_extractor.extract(each, compression_rate) for each in texts)
        return self.update_with_facts([fact for each in found for fact in self.facts_of(each)])

    def facts_of(self, extraction: Any) -> list[str]:
        """The facts of an extraction that are long enough."""
        parts = extraction.facts or [extraction.compressed_text]
        return [fact for part in parts for fact in split_facts(part, self._count, self.min_tokens)]

    def update_with_facts(self, facts: str | Iterable[str], update_indices: Sequence[int] | None = None) -> Update:
        """Write facts; blank ones are skipped, and what is longer than a row is cut.

        A space before a fact stays, since its first word is another token with it; white space behind it goes.

        Args:
            facts: one sentence each.
            update_indices: rows to write, frozen ones as well; more than there are facts are left alone, and where there
                are fewer the strategy chooses the rest.

        Raises:
            BankError: an index is no row, or is there twice. Nothing was written.
        """
        facts = [fact.rstrip() for fact in ([facts] if isinstance(facts, str) else facts)]
        facts = [fact for fact in facts if fact]
        given = self._given(update_indices or ())[: len(facts)]
        if not facts:
            return Update(0, message="there is no fact to write")
        encoded = encode(self.tokenizer, facts, self.shape)
        check_ids(encoded.ids, self.shape, "the tokenizer is not the model's")
        with self._lock:
            rows = np.concatenate([given, self._choose(encoded.ids[len(given) :], given)])
            count = len(rows)
            if not count:
                return Update(0, message="there is no row that may be overwritten: all are frozen")
            self._write(rows, encoded.ids[:count], facts, encoded.counts, self.update_strategy)
        cut = sum(each > self.shape.knowledge_length for each in encoded.counts[:count])
        named = tuple(rows[:_SHOWN].tolist())
        return Update(count, named, len(facts), self.update_strategy, None, cut, len(facts) - count)

    def edit(self, row: int, sentence: str, frozen: bool = False) -> Change:
        """Give a row another sentence; an empty one takes the row away. Raises BankError as `DiskBank.edit` does."""
        if not 0 <= row < self.shape.knowledge_num:
            raise BankError("row", f"is {row}", f"give a row from 0 to {self.shape.knowledge_num - 1}")
        if row < self.shape.frozen_rows and not frozen:
            message = f"{row} is frozen: the first {self.shape.frozen_rows} rows are"
            raise BankError("row", message, "allow it: --frozen, in Python frozen=True")
        ids, count = np.full(self.shape.knowledge_length, self.shape.pad_token_id), 0
        if sentence.strip():
            ids, count = encode_one(self.tokenizer, sentence, self.shape, f"row {row}")
        with self._lock:
            strategy = EDIT if count else FORGET
            return self._write(np.array([row]), ids[None].astype(np.int64), [sentence], [count], strategy)[0]

    def undo(self, count: int = 1) -> list[Change]:
        """Take back the last changes, newest first. Raises BankError where a row is not what the log says any more."""
        check_undo(count, "undo")
        with self._lock:
            changes = [taken_back(change, self.by) for change in self.log.undoable(count)]
            bank = {change.row: unpadded(self._rows([change.row])[0], self.shape.pad_token_id) for change in changes}
            for change in changes:
                if bank[change.row] != change.old_ids:
                    message = f"row {change.row} is not what change {change.undoes} of the log made of it"
                    raise BankError("undo", message, "edit the row instead")
                bank[change.row] = change.new_ids
            done = self.log.append(changes)
            rows = np.array(sorted(bank), np.int64)
            self._put(rows, np.stack([padded(bank[row], self.shape) for row in rows.tolist()])) if len(rows) else None
            return done

    def note_reads(
        self, rows: torch.Tensor, alphas: torch.Tensor | None = None, mask: torch.Tensor | None = None
    ) -> None:
        """Tell which rows a model has read, for "lru" and "importance".

        Args:
            rows: [batch, tokens, M], as `memory_rows`.
            alphas: [batch, tokens], as `memory_alphas`: positions below `read_alpha` have read nothing.
            mask: [batch, tokens]: 0 where there is padding.
        """
        weights = torch.ones(rows.shape[:2]) if alphas is None else alphas.detach().float().cpu()
        counts = weights >= (self.read_alpha if alphas is not None else 0)
        counts = counts if mask is None else counts & mask.bool().cpu()
        chosen = rows.detach().cpu()[counts]
        with self._lock:
            repeated = weights[counts][:, None].expand(chosen.shape)
            self.usage.read(chosen.reshape(-1).numpy(), repeated.reshape(-1).numpy().astype(np.float64), self.decay)

    def get_statistics(self) -> dict[str, Any]:
        """How the rows were used."""
        usage = self.usage
        return {
            "total_entries": self.shape.knowledge_num,
            "max_entries": self.max_entries or self.shape.knowledge_num - self.shape.frozen_rows,
            "frozen_entries": self.shape.frozen_rows,
            "update_strategy": self.update_strategy,
            "access_counter": usage.clock,
            "usage_stats": {
                "min_last_used": int(usage.last_used.min()),
                "max_last_used": int(usage.last_used.max()),
                "min_access_count": int(usage.access_count.min()),
                "max_access_count": int(usage.access_count.max()),
            },
            "importance_stats": {
                "min": float(usage.importance.min()),
                "max": float(usage.importance.max()),
                "mean": float(usage.importance.mean()),
            },
        }

    def state_dict(self) -> dict[str, Any]:
        """Clocks and counts, to go on from: tensors of [N], numbers, and the state of the generator as text."""
        with self._lock:
            return state_of(self.usage)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state. Raises BankError where it is of another number of rows, or none; then nothing changes."""
        usage = usage_of(state, self.shape.knowledge_num)
        with self._lock:
            self.usage = usage

    def save_state(self, path: str | Path) -> None:
        """Write the state to a file, whole or not at all."""
        write_state(Path(path), self.state_dict())

    def load_state(self, path: str | Path) -> None:
        """Go on from a file. Raises BankError as `load_state_dict`, CheckpointError where it is no such file."""
        self.load_state_dict(read_state(Path(path)))

    def _given(self, indices: Sequence[int]) -> np.ndarray:
        rows = np.array([int(each) for each in indices], np.int64)
        wrong = rows[(rows < 0) | (rows >= self.shape.knowledge_num)]
        if len(wrong):
            raise BankError("update_indices", f"has {wrong[0]}", f"give rows from 0 to {self.shape.knowledge_num - 1}")
        if len(np.unique(rows)) < len(rows):
            raise BankError("update_indices", "has a row twice", "give each row once")
        return rows

    def _choose(self, ids: np.ndarray, given: np.ndarray) -> np.ndarray:
        """Rows for facts, [R, K], as far as there are rows."""
        start = self.shape.frozen_rows
        stop = min(self.shape.knowledge_num, start + (self.max_entries or self.shape.knowledge_num))
        space = Space(start, stop, self._empty(), given)
        if self.update_strategy != "similarity":
            return choose(self.update_strategy, self.usage, space, len(ids))
        ranked, similar = self._likeness.rank(torch.from_numpy(ids[: space.free]), start, stop)
        rows = assign(ranked, similar, self.similarity_threshold, given.tolist())
        rest = space.without(rows[rows >= 0])
        rows[rows < 0] = choose("fifo", self.usage, rest, int((rows < 0).sum()))
        return rows

    def _empty(self) -> np.ndarray:
        """Rows without a token: those whose first is none are looked at whole."""
        bank = self.model.memory_bank
        first = (bank[:, 0] == self.shape.pad_token_id).nonzero()[:, 0]
        empty: np.ndarray = first[(bank[first] == self.shape.pad_token_id).all(1)].cpu().numpy()
        return empty

    def _write(
        self, rows: np.ndarray, ids: np.ndarray, facts: Sequence[str], counts: Sequence[int], strategy: str
    ) -> list[Change]:
        pad, changes = self.shape.pad_token_id, []
        for row, old, new, fact, count in zip(rows.tolist(), self._rows(rows), ids, facts, counts, strict=False):
            was, now = unpadded(old, pad), unpadded(new, pad)
            before = decode(self.tokenizer, was)
            known = (fact if now else "", strategy, self.by)
            changes.append(Change(row, was, before, now, *known, token_count=count, old_token_count=len(was)))
        done = self.log.append(changes)
        try:
            self._put(rows, ids)
        except BaseException:
            self.log.append([taken_back(change, self.by) for change in reversed(done)])
            raise
        return done

    def _put(self, rows: np.ndarray, ids: np.ndarray) -> None:
        device = self.model.memory_bank.device
        with torch.no_grad():
            self.model.write_memory(torch.from_numpy(rows).to(device), torch.from_numpy(ids).to(device))
        self.usage.wrote(rows)

    def _rows(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        bank = self.model.memory_bank
        found: np.ndarray = bank[torch.as_tensor(np.asarray(rows), device=bank.device)].cpu().numpy()
        return found

    def _count(self, text: str) -> int:
        return encode(self.tokenizer, [text], self.shape).counts[0]
