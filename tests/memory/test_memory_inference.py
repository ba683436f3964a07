"""Both paths of inference: answers of single prompts, batches and streams; what is remembered, and when."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from memory.dual_path import DualPathInference
from memory.errors import BankError
from memory.extractors import SentenceFactExtractor
from memory.prompts import answered, left_padded, padding_of
from memory.updater import MemoryBankUpdater
from memory.values import Extraction
from memory_models import Tokenizer, in_memory, small_model

from transformers import GenerationConfig, TextStreamer


HOW: dict[str, Any] = {"max_new_tokens": 6, "do_sample": False}


class Counting(SentenceFactExtractor):
    """Knows what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def extract(self, text: str, compression_rate: float | None = None) -> Extraction:
        self.asked.append(text)
        return super().extract(text, compression_rate)


def ids_of(tokenizer: Tokenizer, text: str) -> torch.Tensor:
    return torch.tensor([tokenizer(text)["input_ids"]])


def test_an_answer_comes_first_and_the_fact_helps_the_next(model: Any, tokenizer: Tokenizer) -> None:
    paths = DualPathInference(model, tokenizer)
    ids = ids_of(tokenizer, "Melk is big. What is Melk?")
    found = paths.generate(ids, **HOW)
    wanted = model.generate(ids, attention_mask=torch.ones_like(ids), **HOW)
    assert torch.equal(found["generated_ids"], wanted)
    assert found["generated_text"] == tokenizer.decode(wanted[0, ids.shape[1] :], skip_special_tokens=True)
    assert found["fact_extraction"]["facts"] == ("Melk is big.",) and found["memory_update"]["update_indices"] == (3,)
    assert in_memory(model, tokenizer) == {3: "Melk is big."}
    read = model(ids_of(tokenizer, "Melk is big."), output_memory=True)
    assert read.memory_rows[-1][0, -1].tolist() == [3] and read.memory_alphas[-1][0, -1] > 0.9


def test_facts_are_those_of_the_input_and_found_once(model: Any, tokenizer: Tokenizer) -> None:
    extractor = Counting()
    paths = DualPathInference(model, tokenizer, extractor)
    paths.generate(ids_of(tokenizer, "prompt with a template"), "Tars is old.", **HOW)
    assert extractor.asked == ["Tars is old."]
    paths.generate(input_text="Bergen has rain.", **HOW)
    assert extractor.asked == ["Tars is old.", "Bergen has rain."]
    assert list(in_memory(model, tokenizer).values()) == ["Tars is old.", "Bergen has rain."]


@pytest.mark.parametrize("frequency", [1, 2, 3])
def test_every_so_many_calls_remember(frequency: int, model: Any, tokenizer: Tokenizer) -> None:
    paths = DualPathInference(model, tokenizer, fact_update_frequency=frequency)
    for call in range(1, 7):
        found = paths.generate(input_text=f"Fact number {call}.", max_new_tokens=1)
        if call % frequency:
            skipped = {"skipped": True, "reason": "frequency_check"}
            assert dict(found["fact_extraction"]) == dict(found["memory_update"]) == skipped
        else:
            assert found["memory_update"]["updated_count"] == 1
    wanted = [f"Fact number {call}." for call in range(frequency, 7, frequency)]
    assert list(in_memory(model, tokenizer).values()) == wanted
    assert paths.get_statistics()["generation_count"] == 6
    assert paths.get_statistics()["memory_bank"]["access_counter"] == len(wanted)


def test_nothing_is_remembered_where_nothing_is_stated_or_wanted(model: Any, tokenizer: Tokenizer) -> None:
    found = DualPathInference(model, tokenizer).generate(input_text="What is Melk?", **HOW)
    assert "memory_update" not in found and found["fact_extraction"]["compressed_text"] == ""
    paths = DualPathInference(model, tokenizer, enable_fact_extraction=False)
    found = paths.generate(input_text="Melk is big.", **HOW)
    assert set(found) == {"generated_ids", "generated_text", "prompt_length", "attention_mask"}
    assert "memory_bank" not in paths.get_statistics() and in_memory(model, tokenizer) == {}


TEXTS = ["Melk is big.", "Tars was built in 1204, they say.", "Hi!"]


@pytest.mark.parametrize("side", ["left", "right", "none given"])
def test_each_of_a_batch_has_the_answer_that_it_has_alone(side: str, model: Any, tokenizer: Tokenizer) -> None:
    alone = [DualPathInference(model, tokenizer, None, None, False).generate(input_text=each, **HOW) for each in TEXTS]
    paths = DualPathInference(model, tokenizer)
    if side == "none given":
        found = paths.generate(input_text=TEXTS, **HOW)
    else:
        padded = tokenizer(TEXTS, padding=True, padding_side=side, return_tensors="pt")
        found = paths.generate(padded["input_ids"], attention_mask=padded["attention_mask"], **HOW)
    assert found["generated_text"] == tuple(each["generated_text"] for each in alone)
    assert [each["facts"] for each in found["fact_extraction"]] == [(TEXTS[0],), (TEXTS[1],), ()]
    assert found["memory_update"]["updated_count"] == 2 and len(model.written) == 1
    assert found["attention_mask"][:, -1].all() and found["attention_mask"].sum(1).tolist() == list(map(len, TEXTS))


def test_padding_without_a_mask_is_seen() -> None:
    ids = torch.tensor([[0, 0, 5, 0, 6], [5, 6, 7, 0, 0], [0, 0, 0, 0, 0]])
    assert padding_of(ids, 0, 1).tolist() == [[0, 0, 1, 1, 1], [1, 1, 1, 0, 0], [1] * 5]
    assert padding_of(ids, 0, 0).tolist() == [[0, 0, 1, 1, 1], [1] * 5, [1] * 5]
    left, mask = left_padded(ids[:2], padding_of(ids, 0, 1)[:2], 9)
    assert left.tolist() == [[5, 0, 6], [5, 6, 7]] and mask.tolist() == [[1] * 3] * 2
    left, mask = left_padded(torch.tensor([[5, 6, 7], [8, 0, 0]]), torch.tensor([[1, 1, 1], [1, 0, 0]]), 9)
    assert left.tolist() == [[5, 6, 7], [9, 9, 8]] and mask.tolist() == [[1, 1, 1], [0, 0, 1]]


def test_a_prompt_may_be_a_row_of_numbers(model: Any, tokenizer: Tokenizer) -> None:
    ids = tokenizer("Melk is big.")["input_ids"]
    paths = DualPathInference(model, tokenizer)
    one, other = (paths.generate(each, **HOW)["generated_text"] for each in (ids, torch.tensor(ids)))
    assert one == other


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({}, "is given no prompt"),
        ({"input_ids": [[5, 6]], "input_text": ["a", "b"]}, "has 2 texts for 1 prompts"),
        ({"input_ids": [[5, 6]], "attention_mask": torch.ones(1, 3)}, r"attention_mask: is \[1, 3\]"),
    ],
)
def test_what_is_no_prompt_is_refused(given: dict, what: str, model: Any, tokenizer: Tokenizer) -> None:
    with pytest.raises(BankError, match=what):
        DualPathInference(model, tokenizer).generate(**given)


@pytest.mark.parametrize("frequency", [0, -1, 1.5, True])
def test_a_frequency_is_a_whole_number(frequency: Any, model: Any, tokenizer: Tokenizer) -> None:
    with pytest.raises(BankError, match="fact_update_frequency: is"):
        DualPathInference(model, tokenizer, fact_update_frequency=frequency)


def test_streams_are_the_answer_in_pieces(model: Any, tokenizer: Tokenizer) -> None:
    wanted = DualPathInference(model, tokenizer, None, None, False).generate(input_text="Melk is big.", **HOW)
    pieces, stream = [], DualPathInference(model, tokenizer).stream(input_text="Melk is big.", **HOW)
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as done:
            found = done.value
            break
    assert "".join(pieces) == found["generated_text"] == wanted["generated_text"]
    assert in_memory(model, tokenizer) == {3: "Melk is big."}
    shown = TextStreamer(tokenizer, skip_prompt=True)
    found = DualPathInference(model, tokenizer).generate(input_text="Tars is old.", streamer=shown, **HOW)
    assert found["memory_update"]["updated_count"] == 1


def test_who_stops_reading_a_stream_stops_the_model(model: Any, tokenizer: Tokenizer) -> None:
    before = threading.active_count()
    model.generation_config.eos_token_id = None
    letter, blank = tokenizer("a ", add_special_tokens=False)["input_ids"]

    def words(_: int, ids: torch.Tensor) -> list[int]:  # a streamer gives words when they end
        return [blank if ids[-1] == letter else letter]

    how = {"max_new_tokens": 99_999, "do_sample": False, "prefix_allowed_tokens_fn": words}
    stream = DualPathInference(model, tokenizer).stream(input_text="Melk is big.", **how)
    assert next(stream).strip() == "a"
    stream.close()
    assert threading.active_count() == before and in_memory(model, tokenizer) == {}


def test_what_fails_in_a_stream_is_raised(model: Any, tokenizer: Tokenizer) -> None:
    paths = DualPathInference(model, tokenizer)
    with pytest.raises(BankError, match="is given 2 prompts"):
        list(paths.stream(input_text=["a", "b"]))
    model.write_memory = None
    with pytest.raises(TypeError):
        list(paths.stream(input_text="Melk is big.", **HOW))


@pytest.mark.parametrize(("strategy", "tracks"), [("fifo", False), ("lru", True), ("importance", True)])
def test_reads_are_told_where_the_strategy_goes_by_them(
    strategy: str, tracks: bool, model: Any, tokenizer: Tokenizer
) -> None:
    paths = DualPathInference(model, tokenizer, update_strategy=strategy)
    paths.generate(input_text=["Melk is big.", "Tars is very old."], **HOW)
    before = paths.memory_bank_updater.usage.access_count.copy()
    paths.generate(input_text=["Melk is big?", "no such thing as this one?"], **HOW)
    more = paths.memory_bank_updater.usage.access_count - before
    assert (more[3] > 0) == tracks and more[5:].sum() == 0


def test_answers_are_remembered_on_request(model: Any, tokenizer: Tokenizer) -> None:
    extractor = Counting()
    paths = DualPathInference(model, tokenizer, extractor, include_generated=True)
    found = paths.generate(input_text="Melk is big.", **HOW)
    assert extractor.asked == ["Melk is big.", found["generated_text"]]


@pytest.mark.parametrize(
    ("ends", "pad", "mask"),
    [
        ([1], 0, [[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]),
        ([1], 1, [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1]]),
        ([1, 9], 0, [[1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]),
        ([], 0, [[1, 1, 1, 1, 1]] * 3),
    ],
)
def test_an_answer_goes_up_to_its_end(ends: list[int], pad: int, mask: list[list[int]]) -> None:
    answers = torch.tensor([[7, 8, 1, 0, 0], [0, 9, 8, 0, 0], [7, 0, 8, 0, 8]])
    assert answered(answers, ends, pad).tolist() == mask


@pytest.mark.parametrize("how", ["argument", "configuration", "a configuration of this call"])
def test_padding_behind_an_answer_reads_nothing(
    how: str, model: Any, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts, answers = torch.tensor([[5, 6], [0, 7]]), torch.tensor([[9, 3, 0, 0], [9, 9, 9, 3]])
    out = torch.cat([prompts, answers], 1).repeat_interleave(2, 0)
    told: list[torch.Tensor] = []
    paths = DualPathInference(model, tokenizer, track_reads=True)
    monkeypatch.setattr(paths.memory_bank_updater, "note_reads", lambda rows, alphas, mask: told.append(mask))
    monkeypatch.setattr(model, "generate", lambda ids, **given: out)
    given: dict[str, Any] = {"eos_token_id": 3} if how == "argument" else {}
    config = GenerationConfig(eos_token_id=[3, 4], pad_token_id=0)
    if how == "configuration":
        model.generation_config = config
    elif how != "argument":
        given = {"generation_config": config}
    paths.generate(prompts, attention_mask=torch.tensor([[1, 1], [0, 1]]), input_text=["Melk is big.", "Hi"], **given)
    rows = [[1, 1, 1, 1, 0, 0], [0, 1, 1, 1, 1, 1]]
    assert [each.tolist() for each in told] == [[row for row in rows for _ in range(2)]]


def test_the_models_output_is_handed_on(model: Any, tokenizer: Tokenizer) -> None:
    ids = ids_of(tokenizer, "Melk is big.")
    paths = DualPathInference(model, tokenizer)
    assert torch.equal(paths.forward(ids)["model_output"].logits, model(ids).logits)
    assert in_memory(model, tokenizer) == {}


def test_an_updater_of_ones_own_is_used(tokenizer: Tokenizer) -> None:
    model = small_model()
    updater = MemoryBankUpdater(model, tokenizer, update_strategy="random", seed=3)
    paths = DualPathInference(model, tokenizer, None, updater)
    paths.generate(input_text="Melk is big.", **HOW)
    assert paths.memory_bank_updater is updater and updater.usage.clock == 1


def test_reads_are_those_before_anything_was_remembered(model: Any, tokenizer: Tokenizer) -> None:
    paths = DualPathInference(model, tokenizer, track_reads=True)
    first, second = (paths.generate(input_text="Melk is big.", **HOW) for _ in range(2))
    length = first["prompt_length"]
    assert first["memory_alphas"].shape == first["generated_ids"].shape and first["memory_rows"].dim() == 3
    assert first["memory_alphas"][0, length - 1] < 0.01, "the memory was empty"
    assert second["memory_alphas"][0, length - 1] > 0.9 and second["memory_rows"][0, length - 1].tolist() == [3]
