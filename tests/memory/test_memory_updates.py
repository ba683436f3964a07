"""Updates of a model's memory: which rows they take, what they write, what is logged and taken back."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from memory.errors import BankError
from memory.log import ChangeLog
from memory.strategies import Space, Usage, choose, least
from memory.updater import MemoryBankUpdater
from memory.values import STRATEGIES
from memory_models import K, N, Tokenizer, encode, fill, in_memory, small_model


FROZEN = 3
FULL = [f"Fact number {number}." for number in range(N)]


@pytest.fixture
def full(model: object, tokenizer: Tokenizer) -> object:
    """A model with something in every row."""
    fill(model, tokenizer, FULL)
    model.written.clear()
    return model


def rows_of(update: object) -> list[int]:
    return list(update["update_indices"])


# ---- strategies


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("filled", [0, 9, N])
def test_no_strategy_touches_frozen_rows_or_takes_a_row_twice(
    strategy: str, filled: int, model: object, tokenizer: Tokenizer
) -> None:
    fill(model, tokenizer, FULL[:filled])
    frozen = model.memory_bank[:FROZEN].clone()
    updater = MemoryBankUpdater(model, tokenizer, update_strategy=strategy)
    model.written.clear()
    for count in (1, 2, 5, 13, 40):
        update = updater.update_with_facts([f"{count}: fact {number}" for number in range(count)])
        assert update["updated_count"] == min(count, N - FROZEN) and update["facts_count"] == count
        assert update.left_out == max(0, count - (N - FROZEN))
    assert len(model.written) == 5 and all(FROZEN <= row < N for rows in model.written for row in rows)
    assert all(len(set(rows)) == len(rows) for rows in model.written)
    assert torch.equal(model.memory_bank[:FROZEN], frozen)


def test_fifo_goes_around_the_unfrozen_rows(full: object, tokenizer: Tokenizer) -> None:
    updater = MemoryBankUpdater(full, tokenizer)
    seen = [row for number in range(15) for row in rows_of(updater.update_with_facts([f"New {number}."]))]
    assert seen == [*range(3, 16), 3, 4]
    assert rows_of(updater.update_with_facts(["A a.", "B b.", "C c."])) == [5, 6, 7]


def test_fifo_takes_empty_rows_first(model: object, tokenizer: Tokenizer) -> None:
    fill(model, tokenizer, FULL[:10])
    updater = MemoryBankUpdater(model, tokenizer)
    assert rows_of(updater.update_with_facts([f"New {number}." for number in range(8)])) == [*range(10, 16), 3, 4]
    updater.edit(12, "")
    assert rows_of(updater.update_with_facts(["One more.", "And one more."])) == [12, 5]


def test_a_row_that_begins_with_the_pad_token_is_not_empty(full: object, tokenizer: Tokenizer) -> None:
    full.memory_bank[9, 0] = 0
    assert rows_of(MemoryBankUpdater(full, tokenizer).update_with_facts(["New one."])) == [3]


def test_lru_takes_what_was_not_read_for_longest(full: object, tokenizer: Tokenizer) -> None:
    updater = MemoryBankUpdater(full, tokenizer, update_strategy="lru")
    assert rows_of(updater.update_with_facts(["A fact."])) == [3]
    rows = torch.tensor([[[4], [5], [6], [7]]])
    updater.note_reads(rows, torch.tensor([[0.9, 0.9, 0.1, 0.9]]), torch.tensor([[1, 1, 1, 0]]))
    assert rows_of(updater.update_with_facts(["B fact.", "C fact."])) == [6, 7]
    updater.note_reads(torch.tensor([[[row] for row in range(8, 16)]]))
    assert rows_of(updater.update_with_facts(["D fact.", "E fact.", "F fact."])) == [3, 4, 5]


def test_lru_takes_fewest_accesses_among_those_read_at_once(full: object, tokenizer: Tokenizer) -> None:
    updater = MemoryBankUpdater(full, tokenizer, update_strategy="lru")
    reads = [row for row in range(3, 16) for _ in range(20 - row)]
    updater.note_reads(torch.tensor(reads)[None, :, None])
    assert rows_of(updater.update_with_facts(["A fact.", "B fact."])) == [15, 14]


def test_importance_keeps_what_is_read_most(full: object, tokenizer: Tokenizer) -> None:
    updater = MemoryBankUpdater(full, tokenizer, update_strategy="importance", decay=0.5)
    updater.note_reads(torch.tensor([[[row] * 2 for row in range(3, 15)]]))
    assert rows_of(updater.update_with_facts(["A fact."])) == [15]
    updater.note_reads(torch.tensor([[[15], [4]]]))
    for _ in range(2):
        updater.note_reads(torch.tensor([[[row] for row in range(3, 16) if row not in (9, 10)]]))
    assert rows_of(updater.update_with_facts(["B fact.", "C fact."])) == [9, 10]
    first = MemoryBankUpdater(full, tokenizer, update_strategy="importance")
    seen = [rows_of(first.update_with_facts([f"Fact {number}."]))[0] for number in range(13)]
    assert seen == list(range(3, 16)), "a new fact is not the next to go"


def test_what_was_read_long_ago_counts_for_less(full: object, tokenizer: Tokenizer) -> None:
    updater = MemoryBankUpdater(full, tokenizer, update_strategy="importance", decay=0.5)
    updater.note_reads(torch.tensor([[[4]] * 3 + [[row] for row in range(5, 16) for _ in range(9)]]))
    updater.note_reads(torch.tensor([[[3], [3]]]))
    assert rows_of(updater.update_with_facts(["A fact."])) == [4], "three times long ago are less than twice just now"


def test_random_is_drawn_from_a_seed(full: object, tokenizer: Tokenizer) -> None:
    def drawn(seed: int) -> list[list[int]]:
        updater = MemoryBankUpdater(full, tokenizer, update_strategy="random", seed=seed)
        return [rows_of(updater.update_with_facts(["A b.", "C d.", "E f."])) for _ in range(6)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert {row for rows in sum(map(drawn, range(3, 15)), []) for row in rows} == set(range(3, 16))


def test_similarity_replaces_the_row_that_is_like_a_fact(model: object, tokenizer: Tokenizer) -> None:
    fill(
        model,
        tokenizer,
        ["The capital of Zorvania is Melk.", "Aaaa bbbb.", "xyz xyz xyz", "The capital of Zorvania is Melk."],
    )
    fill(model, tokenizer, ["qqq www zzz kkk"], 4)
    updater = MemoryBankUpdater(model, tokenizer, update_strategy="similarity")
    assert rows_of(updater.update_with_facts(["The capital of Zorvania is Linz."])) == [3]
    facts = ["The capital of Zorvania is Graz.", "qqq www zzz kkkk", "The capital of Zorvania is Wels.", "12345 67890"]
    assert rows_of(updater.update_with_facts(facts)) == [3, 4, 5, 6]
    assert in_memory(model, tokenizer)[0] == "The capital of Zorvania is Melk.", "the frozen row was the most similar"
    lenient = MemoryBankUpdater(model, tokenizer, update_strategy="similarity", similarity_threshold=-1)
    assert rows_of(lenient.update_with_facts(["~~~~"]))[0] in (3, 4, 5, 6), "rows without a token are like nothing"
    strict = MemoryBankUpdater(model, tokenizer, update_strategy="similarity", similarity_threshold=1.0)
    assert rows_of(strict.update_with_facts(["The capital of Zorvania is Wien."])) == [7]


def test_similarity_sees_rows_that_others_have_written(model: object, tokenizer: Tokenizer) -> None:
    updater = MemoryBankUpdater(model, tokenizer, update_strategy="similarity")
    assert rows_of(updater.update_with_facts(["abc def"])) == [3]
    fill(model, tokenizer, ["Berge sind hoch."], 11)
    keyed: list[int] = []
    kept = model.memory_keys
    model.memory_keys = lambda ids: keyed.append(len(ids)) or kept(ids)
    assert rows_of(updater.update_with_facts(["Berge sind hoch!"])) == [11]
    assert sum(keyed) == 3, "one fact, and the two rows that are others than before"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_million_rows_take_no_step_of_python_each(strategy: str) -> None:
    usage = Usage.new(1 << 20)
    usage.last_used[:] = np.random.default_rng(0).integers(0, 1 << 20, 1 << 20)
    began = time.perf_counter()
    rows = choose(strategy, usage, Space(200_000, 1 << 20, np.empty(0, np.int64)), 100)
    assert time.perf_counter() - began < 2  # some 0.05 s; a million steps of `.item()` take longer
    assert len(np.unique(rows)) == 100 and rows.min() >= 200_000
    if strategy == "lru":
        wanted = np.sort(usage.last_used[200_000:])[:100]
        assert usage.last_used[rows].tolist() == wanted.tolist()


def test_the_least_are_those_of_a_full_sort() -> None:
    draw = np.random.default_rng(0)
    for count in (1, 3, 10, 29, 30):
        first, second = draw.integers(0, 4, 30), draw.integers(0, 3, 30)
        wanted = np.lexsort([np.arange(30), second, first])[:count]
        assert least(count, first, second).tolist() == wanted.tolist()


def test_a_name_that_is_no_strategy_is_refused_with_the_nearest(model: object, tokenizer: Tokenizer) -> None:
    with pytest.raises(BankError, match="is 'fifi', which is not a strategy; fix: did you mean 'fifo'"):
        MemoryBankUpdater(model, tokenizer, update_strategy="fifi")
    with pytest.raises(ValueError, match="give one of: fifo, lru, random, similarity, importance"):
        MemoryBankUpdater(model, tokenizer, update_strategy="zzz")


@pytest.mark.parametrize(
    ("name", "value"), [("max_entries", 0), ("similarity_threshold", 2.0), ("similarity_threshold", float("nan"))]
)
def test_wrong_arguments_are_refused_by_name(name: str, value: object, model: object, tokenizer: Tokenizer) -> None:
    with pytest.raises(BankError, match=f"{name}: is"):
        MemoryBankUpdater(model, tokenizer, **{name: value})


# ---- what is written


def test_a_fact_is_in_the_memory_as_the_builder_would_have_it(model: object, tokenizer: Tokenizer) -> None:
    update = MemoryBankUpdater(model, tokenizer).update_with_facts(["Melk is big.", "  ", "x" * 50])
    assert dict(update) == {
        "updated_count": 2,
        "update_indices": (3, 4),
        "facts_count": 2,
        "strategy": "fifo",
        "truncated_count": 1,
        "left_out": 0,
    }
    assert model.memory_bank[3].tolist() == encode(tokenizer, "Melk is big.")
    assert model.memory_bank[4].tolist() == encode(tokenizer, "x" * K)


def test_the_memory_is_the_models_after_it_moved(model: object, tokenizer: Tokenizer) -> None:
    updater = MemoryBankUpdater(model, tokenizer)
    model.model.memory.memory_bank = model.memory_bank.clone()  # as `.to(device)` does
    updater.update_with_facts(["Melk is big."])
    assert in_memory(model, tokenizer) == {3: "Melk is big."}


def test_given_rows_come_first(full: object, tokenizer: Tokenizer) -> None:
    updater = MemoryBankUpdater(full, tokenizer)
    assert rows_of(updater.update_with_facts(["A a.", "B b.", "C c."], [9, 3])) == [9, 3, 4]
    assert rows_of(updater.update_with_facts(["A a."], [7, 8])) == [7]
    assert rows_of(updater.update_with_facts(["A a."], [0])) == [0], "who names a frozen row means it"
    before = full.memory_bank.clone()
    for rows, what in ([16], "has 16; fix: give rows from 0 to 15"), ([-1], "has -1"), ([4, 4], "has a row twice"):
        with pytest.raises(BankError, match=what):
            updater.update_with_facts(["A a.", "B b."], rows)
    assert torch.equal(full.memory_bank, before)


@pytest.mark.parametrize("facts", [[], ["", "  "], ""])
def test_nothing_to_write_is_said(facts: object, model: object, tokenizer: Tokenizer) -> None:
    update = MemoryBankUpdater(model, tokenizer).update_with_facts(facts)
    assert update["updated_count"] == 0 and "no fact" in update["message"] and model.written == []


def test_a_memory_that_is_frozen_whole_stays(tokenizer: Tokenizer) -> None:
    model = small_model(freeze_ratio=1.0)
    update = MemoryBankUpdater(model, tokenizer).update_with_facts(["A a."])
    assert update["updated_count"] == 0 and "all are frozen" in update["message"]


def test_max_entries_is_how_many_rows_updates_use(full: object, tokenizer: Tokenizer) -> None:
    updater = MemoryBankUpdater(full, tokenizer, max_entries=2)
    assert [rows_of(updater.update_with_facts([f"Fact {number}."]))[0] for number in range(4)] == [3, 4, 3, 4]
    assert updater.update_with_facts(["A a.", "B b.", "C c."])["updated_count"] == 2


def test_texts_become_facts(model: object, tokenizer: Tokenizer) -> None:
    updater = MemoryBankUpdater(model, tokenizer)
    text = "Hello! Melk lies on the Dun. What is Tars? 水的沸点是100℃。猫吃鱼。"
    assert updater.update_from_text(text)["updated_count"] == 3
    updater.update_from_text(["Bergen has rain.", "Hi there!"])
    assert list(in_memory(model, tokenizer).values()) == [
        "Melk lies on the Dun.",
        "水的沸点是100℃。",
        "猫吃鱼。",
        "Bergen has rain.",
    ]


def test_a_model_without_a_memory_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(BankError, match="Linear: is a model without a memory"):
        MemoryBankUpdater(torch.nn.Linear(2, 2), tokenizer)


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(model: object, tokenizer: Tokenizer) -> None:
    model.config.vocab_size = 50
    with pytest.raises(BankError, match="the vocabulary has 50"):
        MemoryBankUpdater(model, tokenizer).update_with_facts(["Melk is big."])
    assert model.written == []


# ---- the log, and threads


def test_changes_are_logged_and_taken_back(full: object, tokenizer: Tokenizer, tmp_path: Path) -> None:
    updater = MemoryBankUpdater(full, tokenizer, log_path=tmp_path / "log.jsonl", by="Ada")
    before = full.memory_bank.clone()
    updater.update_with_facts(["A a.", "B b."])
    updater.edit(4, "Changed.")
    changes = [change for _, change in ChangeLog(tmp_path / "log.jsonl").read()]
    assert [(each.row, each.old_sentence, each.new_sentence, each.strategy, each.by) for each in changes] == [
        (3, FULL[3], "A a.", "fifo", "Ada"),
        (4, FULL[4], "B b.", "fifo", "Ada"),
        (4, "B b.", "Changed.", "edit", "Ada"),
    ]
    assert [change.row for change in updater.undo()] == [4] and in_memory(full, tokenizer)[4] == "B b."
    again = MemoryBankUpdater(full, tokenizer, log_path=tmp_path / "log.jsonl")
    assert [change.row for change in again.undo(9)] == [4, 3]
    assert torch.equal(full.memory_bank, before) and again.undo() == []


def test_undo_works_without_a_file_and_refuses_what_others_wrote(full: object, tokenizer: Tokenizer) -> None:
    updater = MemoryBankUpdater(full, tokenizer)
    updater.update_with_facts(["A a."])
    fill(full, tokenizer, ["Another's."], 3)
    with pytest.raises(BankError, match="row 3 is not what change 1"):
        updater.undo()
    with pytest.raises(BankError, match="cannot take back 0"):
        updater.undo(0)
    assert in_memory(full, tokenizer)[3] == "Another's."


def test_a_write_that_fails_is_taken_back_in_the_log(full: object, tokenizer: Tokenizer, tmp_path: Path) -> None:
    updater = MemoryBankUpdater(full, tokenizer, log_path=tmp_path / "log.jsonl")

    def fails(*_: object) -> None:
        raise RuntimeError("no memory left")

    full.write_memory = fails
    with pytest.raises(RuntimeError, match="no memory left"):
        updater.update_with_facts(["A a."])
    assert updater.log.undoable(9) == [] and in_memory(full, tokenizer)[3] == FULL[3]


def test_frozen_rows_are_edited_on_request_alone(full: object, tokenizer: Tokenizer) -> None:
    updater = MemoryBankUpdater(full, tokenizer)
    with pytest.raises(BankError, match="is frozen"):
        updater.edit(2, "New.")
    with pytest.raises(BankError, match="is 16; fix: give a row from 0 to 15"):
        updater.edit(16, "New.")
    updater.edit(2, "New.", frozen=True)
    assert in_memory(full, tokenizer)[2] == "New."


def test_threads_of_several_updaters_come_one_after_the_other(model: object, tokenizer: Tokenizer) -> None:
    inside, most = [0], [0]
    kept = model.write_memory

    def write(rows: torch.Tensor, ids: torch.Tensor) -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.001)
        kept(rows, ids)
        inside[0] -= 1

    model.write_memory = write
    updaters = [MemoryBankUpdater(model, tokenizer) for _ in range(2)]
    threads = [
        threading.Thread(
            target=lambda each=each, who=who: [each.update_with_facts([f"{who} says {n}."]) for n in range(5)]
        )
        for who, each in enumerate(updaters * 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] and len(model.written) == 20
    assert [updater.usage.clock for updater in updaters] == [10, 10]


# ---- statistics and states


def test_statistics_count(full: object, tokenizer: Tokenizer) -> None:
    updater = MemoryBankUpdater(full, tokenizer)
    updater.update_with_facts(["A a.", "B b."])
    assert updater.get_statistics() == {
        "total_entries": N,
        "max_entries": N - FROZEN,
        "frozen_entries": FROZEN,
        "update_strategy": "fifo",
        "access_counter": 2,
        "usage_stats": {"min_last_used": 0, "max_last_used": 2, "min_access_count": 0, "max_access_count": 1},
        "importance_stats": {"min": 0.0, "max": 1.0, "mean": 2 / N},
    }


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_updater_goes_on_where_another_stopped(
    strategy: str, full: object, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    updater = MemoryBankUpdater(full, tokenizer, update_strategy=strategy)
    updater.update_with_facts(["A a.", "B b."])
    updater.note_reads(torch.tensor([[[3], [9]]]))
    updater.save_state(tmp_path / "state.safetensors")
    other = MemoryBankUpdater(full, tokenizer, update_strategy=strategy, seed=7)
    other.load_state(tmp_path / "state.safetensors")
    assert other.get_statistics() == updater.get_statistics()
    bank = full.memory_bank.clone()
    mine = updater.update_with_facts(["C c.", "D d.", "E e."])
    full.memory_bank.copy_(bank)
    assert rows_of(other.update_with_facts(["C c.", "D d.", "E e."])) == rows_of(mine)


def test_a_state_of_another_bank_is_refused(full: object, tokenizer: Tokenizer) -> None:
    updater = MemoryBankUpdater(full, tokenizer)
    state = MemoryBankUpdater(small_model(25), tokenizer).state_dict()
    for wrong, what in (
        (state, "is of .25. rows, and the bank has 16"),
        ({}, "is not the state of an updater"),
        ({**updater.state_dict(), "generator": "x"}, "is not the state of an updater"),
        ({**updater.state_dict(), "pointer": -1}, "has the clock 0 and the pointer -1"),
    ):
        with pytest.raises(BankError, match=what):
            updater.load_state_dict(wrong)


def test_a_space_before_a_fact_stays(tokenizer: Tokenizer) -> None:
    model = small_model()
    updater = MemoryBankUpdater(model, tokenizer)
    updater.update_with_facts([" Melk is big.", "Tars is old. \n", " \n"])
    assert in_memory(model, tokenizer) == {3: " Melk is big.", 4: "Tars is old."}
    assert [each.new_sentence for each in updater.log.undoable(2)] == ["Tars is old.", " Melk is big."]


def test_updates_inside_inference_mode_and_outside_take_turns(tokenizer: Tokenizer) -> None:
    model = small_model()
    updater = MemoryBankUpdater(model, tokenizer, update_strategy="similarity")
    with torch.inference_mode():
        updater.update_with_facts("Melk is big.")
    updater.update_with_facts("Tars was built in 1204.")
    with torch.inference_mode():
        updater.update_with_facts("Tars was built in 1205.")
    assert in_memory(model, tokenizer) == {3: "Melk is big.", 4: "Tars was built in 1205."}
