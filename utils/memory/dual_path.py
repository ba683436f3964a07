"""Both paths of inference: a model answers, and what it was told becomes rows of its memory. Needs torch."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from memory.errors import BankError
from memory.extractors import FactExtractor, LLMLinguaFactExtractor, SentenceFactExtractor
from memory.prompts import answered, left_padded, pad_token, padding_of, token_ids
from memory.updater import MemoryBankUpdater
from memory.values import Extraction, Result, Skipped, Update


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_READ = ("lru", "importance")  # strategies that go by what was read


@dataclass(frozen=True, slots=True, eq=False)
class Generated(Result):
    """What a call of `generate` came to; of a batch, texts and extractions are tuples."""

    generated_ids: torch.Tensor  # [batch, tokens]: the prompts, padded on the left, and what follows
    generated_text: str | tuple[str, ...]
    fact_extraction: Extraction | tuple[Extraction, ...] | Skipped | None = None
    memory_update: Update | Skipped | None = None
    prompt_length: int | None = None  # tokens of the prompts with their padding
    attention_mask: torch.Tensor | None = None  # [batch, tokens]: 0 where prompts are padded
    # [batch, tokens, M], where reads are tracked: before anything was remembered
    memory_rows: torch.Tensor | None = None
    memory_alphas: torch.Tensor | None = None  # [batch, tokens]


class DualPathInference:
    """Answers by the model, then updates its memory with the facts of the input: they help from the next call on.

    Args:
        model: with memory gates.
        tokenizer: the model's.
        fact_extractor: what finds facts; without, that of LLMLingua-2 where `llmlingua_model_path` is given, else that of
            sentences.
        memory_bank_updater: what writes them; one of `update_strategy` without.
        enable_fact_extraction: whether anything is remembered.
        fact_update_frequency: f: the calls f, 2f, ... remember.
        update_strategy: of `MemoryBankUpdater`.
        compression_rate: the share of an input's tokens that is kept; without, the extractor's own: 0.4 of LLMLingua-2, all
            statements of the extractor of sentences.
        llmlingua_model_path: the folder of an LLMLingua-2 model.
        include_generated: whether facts of the answers are remembered as well.
        track_reads: whether the rows that were read are told to the updater and returned, for which the model runs once
            more over the whole text; by default where the strategy goes by it.

    Raises:
        BankError: an argument is none. ImportError, FileNotFoundError: of LLMLingua-2.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        fact_extractor: FactExtractor | None = None,
        memory_bank_updater: MemoryBankUpdater | None = None,
        enable_fact_extraction: bool = True,
        fact_update_frequency: int = 1,
        update_strategy: str = "fifo",
        compression_rate: float | None = None,
        llmlingua_model_path: str | Path | None = None,
        *,
        include_generated: bool = False,
        track_reads: bool | None = None,
    ) -> None:
        if isinstance(fact_update_frequency, bool) or not isinstance(fact_update_frequency, int):
            raise BankError("fact_update_frequency", f"is {fact_update_frequency!r}", "give a whole number from 1 on")
        if fact_update_frequency < 1:
            raise BankError("fact_update_frequency", f"is {fact_update_frequency}", "give 1 or more")
        self.model, self.tokenizer = model, tokenizer
        self.enable_fact_extraction, self.fact_update_frequency = enable_fact_extraction, fact_update_frequency
        self.compression_rate, self.include_generated = compression_rate, include_generated
        self.calls = 0
        self._lock = threading.Lock()
        self.fact_extractor, self.memory_bank_updater = fact_extractor, memory_bank_updater
        if enable_fact_extraction:
            extractor = fact_extractor or _extractor(llmlingua_model_path, compression_rate)
            updater = memory_bank_updater or MemoryBankUpdater(model, tokenizer, extractor, update_strategy)
            self.fact_extractor, self.memory_bank_updater = extractor, updater
        known = self.memory_bank_updater
        wanted = enable_fact_extraction and known is not None and known.update_strategy in _READ
        self.track_reads = wanted if track_reads is None else track_reads

    def generate(
        self,
        input_ids: Any = None,
        input_text: str | Sequence[str] | None = None,
        attention_mask: torch.Tensor | None = None,
        **gen_kwargs: Any,
    ) -> Generated:
        """Answer, then remember.

        Args:
            input_ids: [batch, tokens] or [tokens]; without, `input_text` is tokenised.
            input_text: what facts are looked for in, one text for each prompt; the prompts themselves without.
            attention_mask: [batch, tokens], 0 for padding; without, pad tokens around a prompt are padding.
            gen_kwargs: of `model.generate`, a `streamer` among them.

        Raises BankError where there is no prompt, or not one text for each.
        """
        return self._run(input_ids, input_text, attention_mask, gen_kwargs)

    def stream(
        self, input_ids: Any = None, input_text: str | None = None, attention_mask: Any = None, **gen_kwargs: Any
    ) -> Generator[str, None, Generated]:
        """`generate` piece by piece: text as it comes into being; the iterator returns what `generate` does.

        One prompt at a time. Whoever stops reading stops the model; then nothing is remembered.

        Raises:
            BankError: several prompts are given, none, or not one text for each; and whatever `generate` raises.
        """
        from transformers import StoppingCriteriaList, TextIteratorStreamer

        ids, _ = self._prompt(input_ids, input_text, attention_mask)
        if len(ids) > 1:
            raise BankError("stream", f"is given {len(ids)} prompts", "give one, or use generate")
        streamer = TextIteratorStreamer(self.tokenizer, skip_prompt=True, skip_special_tokens=True)
        stopped, found, failed = threading.Event(), list[Generated](), list[BaseException]()

        def run() -> None:
            try:
                given = [*gen_kwargs.pop("stopping_criteria", ()), lambda *_, **__: _all(ids, stopped.is_set())]
                more = {"streamer": streamer, "stopping_criteria": StoppingCriteriaList(given)}
                found.append(self._run(input_ids, input_text, attention_mask, gen_kwargs | more, stopped))
            except BaseException as error:
                failed.append(error)
            finally:
                streamer.end()

        thread = threading.Thread(target=run)
        thread.start()
        gone = True
        try:
            yield from (piece for piece in streamer if piece)
            gone = False
        finally:
            if gone:  # whoever was reading
                stopped.set()
            thread.join()
        if failed:
            raise failed[0]
        return found[0]

    def forward(self, *given: Any, **named: Any) -> dict[str, Any]:
        """The model's own output, as {"model_output": ...}; nothing is remembered."""
        return {"model_output": self.model(*given, **named)}

    __call__ = forward

    def get_statistics(self) -> dict[str, Any]:
        """How often was answered, what is on, and the updater's statistics."""
        updater = self.memory_bank_updater
        return {
            "generation_count": self.calls,
            "enable_fact_extraction": self.enable_fact_extraction,
            "fact_update_frequency": self.fact_update_frequency,
            "track_reads": self.track_reads,
            **({"memory_bank": updater.get_statistics()} if updater else {}),
        }

    def _run(
        self,
        input_ids: Any,
        input_text: Any,
        attention_mask: Any,
        given: Mapping[str, Any],
        stopped: threading.Event | None = None,
    ) -> Generated:
        """As `generate`; nothing is remembered where `stopped` says that nobody wants the rest."""
        ids, mask = self._prompt(input_ids, input_text, attention_mask)
        texts = self._texts(ids, mask, input_text)
        given = self._defaults(given)
        with torch.no_grad():
            out = self.model.generate(ids, attention_mask=mask, **given)
        out = out if isinstance(out, torch.Tensor) else out.sequences
        return self._after(out, mask, given, [] if stopped and stopped.is_set() else texts)

    def _prompt(self, input_ids: Any, text: Any, mask: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Prompts and mask, [batch, tokens], padded on the left, where the model is."""
        if input_ids is None and not text:
            raise BankError("generate", "is given no prompt", "give input_ids or input_text")
        pad = pad_token(self.tokenizer)
        if input_ids is None:
            ids, mask = token_ids(self.tokenizer, [text] if isinstance(text, str) else list(text), pad)
        else:
            ids = torch.as_tensor(input_ids)
            ids = ids[None] if ids.dim() == 1 else ids
            mask = padding_of(ids, pad, self.tokenizer.eos_token_id) if mask is None else torch.as_tensor(mask)
        if mask.shape != ids.shape or ids.dim() != 2:
            raise BankError(
                "attention_mask", f"is {list(mask.shape)}, and prompts are {list(ids.shape)}", "give one each"
            )
        device = self.model.memory_bank.device
        ids, mask = left_padded(ids, mask, pad)
        return ids.to(device), mask.to(device)

    def _texts(self, ids: torch.Tensor, mask: torch.Tensor, given: str | Sequence[str] | None) -> list[str]:
        if given is None:
            prompts = (row[kept.bool()] for row, kept in zip(ids, mask, strict=True))
            return [str(self.tokenizer.decode(prompt, skip_special_tokens=True)) for prompt in prompts]
        texts = [given] if isinstance(given, str) else list(given)
        if len(texts) != len(ids):
            raise BankError("input_text", f"has {len(texts)} texts for {len(ids)} prompts", "give one text each")
        return texts

    def _defaults(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """A pad token for `generate`, which batches need."""
        configured = getattr(self.model.generation_config, "pad_token_id", None)
        return dict(given) if configured is not None else {"pad_token_id": pad_token(self.tokenizer), **given}

    def _after(
        self, out: torch.Tensor, mask: torch.Tensor, given: Mapping[str, Any], texts: Sequence[str]
    ) -> Generated:
        length = mask.shape[1]
        answers = self.tokenizer.batch_decode(out[:, length:], skip_special_tokens=True)
        text = answers[0] if len(answers) == 1 else tuple(answers)
        if not texts:
            return Generated(out, text, None, None, length, mask)
        read = self._read(out, self._written(out, mask, given)) if self.track_reads else (None, None)
        return Generated(out, text, *self._remember(texts, answers), length, mask, *read)

    def _remember(self, texts: Sequence[str], answers: Sequence[str]) -> tuple[Any, Any]:
        with self._lock:
            self.calls += 1
            due = self.calls % self.fact_update_frequency == 0
        extractor, updater = self.fact_extractor, self.memory_bank_updater
        if not self.enable_fact_extraction or extractor is None or updater is None:
            return None, None
        if not due:
            skipped = Skipped("frequency_check")
            return skipped, skipped
        given = [*texts, *answers] if self.include_generated else texts
        found = tuple(extractor.extract(each, self.compression_rate) for each in given)
        update = None
        if any(each.compressed_text.strip() for each in found):
            update = updater.update_with_facts([fact for each in found for fact in updater.facts_of(each)])
        return found[0] if len(found) == 1 else found, update

    def _written(self, out: torch.Tensor, mask: torch.Tensor, given: Mapping[str, Any]) -> torch.Tensor:
        """The mask of prompts and answers, [batch, tokens], as `generate` was `given` what ends and pads them."""
        configured = given.get("generation_config") or self.model.generation_config
        ends, pad = (given.get(name, getattr(configured, name, None)) for name in ("eos_token_id", "pad_token_id"))
        ends = [] if ends is None else torch.as_tensor(ends).flatten().tolist()
        own = answered(out[:, mask.shape[1] :], ends, pad_token(self.tokenizer) if pad is None else int(pad))
        each = len(out) // len(mask)  # answers to one prompt
        return torch.cat([mask.repeat_interleave(each, 0), own.to(mask)], 1)

    def _read(self, out: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Which rows were let in and how far, over the whole text; the updater is told."""
        with torch.no_grad():
            found = self.model(out, attention_mask=mask, output_memory=True)
        if not found.memory_rows:  # no layer reads
            return None, None
        rows, alphas = found.memory_rows[-1], found.memory_alphas[-1]  # of the last gate
        if self.memory_bank_updater is not None:
            self.memory_bank_updater.note_reads(rows, alphas, mask)
        return rows, alphas


def _extractor(path: str | Path | None, rate: float | None) -> FactExtractor:
    if path is not None:
        return LLMLinguaFactExtractor(path) if rate is None else LLMLinguaFactExtractor(path, rate)
    return SentenceFactExtractor(compression_rate=1.0 if rate is None else rate)


def _all(ids: torch.Tensor, value: bool) -> torch.Tensor:
    return torch.full((len(ids),), value, device=ids.device)
