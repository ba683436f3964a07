"""How rows were used, which ones are free, and states of both: numbers in, numbers out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints.errors import CheckpointError
from memory.errors import BankError
from memory.prompts import left_padded, padding_of
from memory.questions import IGNORED, NOTHING, Encoded
from memory.settings import options_of, pairs
from memory.strategies import Space, Usage, assign, check_strategy, choose
from memory.threshold import best_threshold, held_back
from memory.usage_files import read_state, state_of, usage_of, write_state


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def test_what_was_written_is_newer_one_by_one_and_counts_as_read_once() -> None:
    usage = Usage.new(5)
    usage.wrote(ints(3, 1))
    assert usage.last_used.tolist() == [0, 2, 0, 1, 0] and usage.clock == 2
    assert usage.access_count.tolist() == [0, 1, 0, 1, 0] and usage.importance.tolist() == [0, 1, 0, 1, 0]
    usage.wrote(ints(3))
    assert usage.last_used[3] == usage.clock == 3 and usage.access_count[3] == 2 and usage.importance[3] == 1


def test_what_was_read_at_once_is_as_new_and_what_was_read_before_counts_for_less() -> None:
    usage = Usage.new(4)
    usage.read(ints(1, 1, 2), np.array([0.5, 0.25, 1.0]), decay=0.5)
    assert usage.last_used.tolist() == [0, 1, 1, 0] and usage.access_count.tolist() == [0, 2, 1, 0]
    usage.read(ints(2), np.array([1.0]), decay=0.5)
    assert usage.importance.tolist() == [0, 0.375, 1.5, 0] and usage.last_used.tolist() == [0, 1, 2, 0]
    assert usage.clock == 2


@pytest.mark.parametrize(
    ("space", "free", "empty"),
    [
        (Space(3, 10, ints()), 7, []),
        (Space(3, 10, ints(0, 2, 3, 9, 10)), 7, [3, 9]),
        (Space(3, 10, ints(3, 4, 5), ints(4, 4, 2, 10)), 6, [3, 5]),
        (Space(3, 3, ints(3)), 0, []),
        (Space(5, 3, ints(3, 4)), 0, []),
        (Space(0, 2, ints(0, 1), ints(0, 1)), 0, []),
    ],
)
def test_free_rows_are_inside_and_not_taken(space: Space, free: int, empty: list[int]) -> None:
    assert space.free == free and space.free_empty.tolist() == empty
    assert space.without(ints(4)).taken.tolist() == [*space.taken.tolist(), 4]
    for strategy in ("fifo", "lru", "random", "importance", "similarity"):
        found = choose(strategy, Usage.new(11), space, 99).tolist()
        assert len(found) == free == len(set(found)) and set(found) <= set(range(space.start, space.stop))
        assert not set(found) & set(space.taken.tolist())
        assert choose(strategy, Usage.new(11), space, 0).tolist() == []


@pytest.mark.parametrize(
    ("counts", "rows", "pointer"),
    [
        ([2, 2], [[3, 4], [5, 3]], 1),
        ([3, 3], [[3, 4, 5], [3, 4, 5]], 0),
        ([1, 1, 1, 1], [[3], [4], [5], [3]], 1),
    ],
)
def test_a_ring_goes_on_where_it_was(counts: list[int], rows: list[list[int]], pointer: int) -> None:
    usage, space = Usage.new(6), Space(3, 6, ints())
    assert [choose("fifo", usage, space, count).tolist() for count in counts] == rows and usage.pointer == pointer


def test_a_ring_passes_over_what_is_taken_and_over_empty_rows_that_it_gave() -> None:
    usage = Usage.new(8)
    assert choose("fifo", usage, Space(2, 8, ints(4), ints(2)), 4).tolist() == [4, 3, 5, 6] and usage.pointer == 5
    assert choose("fifo", usage, Space(2, 8, ints()), 2).tolist() == [7, 2]
    usage.pointer = 99  # of a larger bank
    assert choose("fifo", usage, Space(2, 8, ints()), 1).tolist() == [2]


def test_the_least_used_go_first_each_by_its_own_measure() -> None:
    usage = Usage(ints(5, 5, 1, 9), ints(3, 1, 7, 0), np.array([0.5, 2.0, 0.1, 0.5]))
    everything = Space(0, 4, ints())
    assert choose("lru", usage, everything, 4).tolist() == [2, 1, 0, 3]
    assert choose("importance", usage, everything, 4).tolist() == [2, 0, 3, 1]
    with_empty = Space(0, 4, ints(3))
    assert (
        choose("lru", usage, with_empty, 2).tolist() == choose("importance", usage, with_empty, 2).tolist() == [3, 2]
    )


@pytest.mark.parametrize(
    ("ranked", "similar", "taken", "rows"),
    [
        ([[1, 2], [1, 2]], [[0.9, 0.8], [0.9, 0.8]], (), [1, 2]),
        ([[1, 2], [1, 2], [1, 2]], [[0.9, 0.8]] * 3, (), [1, 2, -1]),
        ([[1, 2]], [[0.9, 0.8]], (1,), [2]),
        ([[1, 2]], [[0.5, 0.4]], (), [1]),  # as similar as is asked for
        ([[1, 2]], [[0.49, 0.4]], (), [-1]),
        ([[-1, 2]], [[0.9, 0.8]], (), [2]),
        ([[], []], [[], []], (), [-1, -1]),
        ([[3], [-1], [3]], [[0.9], [0.9], [0.9]], (), [3, -1, -1]),
    ],
)
def test_each_fact_takes_the_row_that_is_most_like_it_and_free(
    ranked: list[list[int]], similar: list[list[float]], taken: tuple[int, ...], rows: list[int]
) -> None:
    assert assign(np.array(ranked, np.int64), np.array(similar), 0.5, taken).tolist() == rows


@pytest.mark.parametrize(
    ("name", "word"), [("FIFO", "'fifo'"), ("randon", "'random'"), ("?", "give one of"), (3, "3")]
)
def test_strategies_are_named_with_the_nearest(name: Any, word: str) -> None:
    with pytest.raises(BankError) as error:
        check_strategy(name)
    assert word in str(error.value) and "similarity" in str(error.value)
    assert check_strategy("lru") == "lru"


# ---- states


def used() -> Usage:
    usage = Usage.new(4, seed=3)
    usage.wrote(ints(2, 3))
    usage.read(ints(2), np.array([0.3]), 0.9)
    usage.pointer = 1
    usage.generator.random(7)
    return usage


def test_a_state_goes_on_as_what_it_was_taken_of(tmp_path: Path) -> None:
    usage = used()
    write_state(tmp_path / "usage", state_of(usage))
    for state in (state_of(usage), read_state(tmp_path / "usage")):
        again = usage_of(state, 4)
        assert (again.clock, again.pointer) == (usage.clock, usage.pointer)
        for name in ("last_used", "access_count", "importance"):
            assert getattr(again, name).tolist() == getattr(usage, name).tolist()
        assert again.generator.random() == usage_of(state_of(usage), 4).generator.random()
    before = state_of(usage)
    usage.wrote(ints(0))
    assert before["last_used"].tolist() != usage.last_used.tolist(), "a state stays as it was"


def generator(**changed: Any) -> str:
    state = Usage.new(1).generator.bit_generator.state
    return json.dumps({**state, **changed, "state": {**state["state"], **changed.get("state", {})}})


BAD_STATES: list[tuple[dict[str, Any], str]] = [
    ({"clock": "x"}, "not the state of an updater"),
    ({"clock": None}, "not the state of an updater"),
    ({"clock": float("inf")}, "not the state of an updater"),
    ({"clock": -1}, "the clock -1"),
    ({"pointer": -2}, "the pointer -2"),
    ({"generator": "{"}, "not the state of an updater"),
    ({"generator": "3"}, "not the state of an updater"),
    ({"generator": json.dumps({"bit_generator": "MT19937"})}, "not the state of an updater"),
    ({"generator": generator(state={"state": -1})}, "not the state of an updater"),
    ({"generator": generator(state={"inc": 1 << 200})}, "not the state of an updater"),
    ({"generator": generator(has_uint32=1 << 70)}, "not the state of an updater"),
    ({"last_used": torch.zeros(3)}, "[3] and [4] rows"),
    ({"importance": torch.zeros(2, 2)}, "rows, and the bank has 4"),
    ({"access_count": "many"}, "not the state of an updater"),
]


@pytest.mark.parametrize(("changed", "word"), BAD_STATES, ids=range(len(BAD_STATES)))
def test_a_state_that_is_none_is_refused(changed: dict[str, Any], word: str) -> None:
    with pytest.raises(BankError) as error:
        usage_of({**state_of(used()), **changed}, 4)
    assert word in str(error.value) and "begin without it" in str(error.value)


def test_a_state_of_another_bank_or_with_a_part_missing_is_refused() -> None:
    with pytest.raises(BankError, match=r"of \[4\] rows, and the bank has 9"):
        usage_of(state_of(used()), 9)
    for name in state_of(used()):
        with pytest.raises(BankError, match="not the state of an updater"):
            usage_of({key: value for key, value in state_of(used()).items() if key != name}, 4)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 8 + b"{}", b"\x02" + b"\0" * 7 + b"[]"])
def test_a_file_that_holds_no_state_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "usage").write_bytes(content)
    with pytest.raises(CheckpointError):
        read_state(tmp_path / "usage")


# ---- prompts


@pytest.mark.parametrize(
    ("ids", "pad", "end", "mask"),
    [
        ([[0, 0, 5, 6]], 0, 1, [[0, 0, 1, 1]]),
        ([[5, 6, 0, 0]], 0, 1, [[1, 1, 0, 0]]),
        ([[0, 5, 0, 6, 0]], 0, 1, [[0, 1, 1, 1, 0]]),
        ([[5, 6, 0, 0]], 0, 0, [[1, 1, 1, 1]]),  # what ends a text may be meant
        ([[0, 0, 5, 0]], 0, 0, [[0, 0, 1, 1]]),
        ([[0, 0, 0]], 0, 1, [[1, 1, 1]]),
        ([[0, 0], [0, 5]], 0, None, [[1, 1], [0, 1]]),
    ],
)
def test_padding_is_seen_on_both_sides(ids: list[list[int]], pad: int, end: int | None, mask: list[list[int]]) -> None:
    assert padding_of(torch.tensor(ids), pad, end).tolist() == mask


@pytest.mark.parametrize(
    ("ids", "mask", "left", "left_mask"),
    [
        ([[5, 6, 9]], [[1, 1, 0]], [[5, 6]], [[1, 1]]),
        ([[5, 9, 6], [7, 9, 9]], [[1, 0, 1], [1, 0, 0]], [[5, 6], [0, 7]], [[1, 1], [0, 1]]),
        ([[9, 9]], [[0, 0]], [[0]], [[0]]),
        ([[5, 6], [9, 7]], [[1, 1], [0, 1]], [[5, 6], [0, 7]], [[1, 1], [0, 1]]),
    ],
)
def test_prompts_are_padded_on_the_left_and_no_longer_than_they_are(
    ids: list[list[int]], mask: list[list[int]], left: list[list[int]], left_mask: list[list[int]]
) -> None:
    found = left_padded(torch.tensor(ids), torch.tensor(mask), 0)
    assert [each.tolist() for each in found] == [left, left_mask]


# ---- training


def asked(row: int) -> Encoded:
    return Encoded([1, 2], [IGNORED, 2], [IGNORED, row])


@pytest.mark.parametrize(
    ("share", "held"),
    [
        (0, []),
        (0.5, [1, 3, NOTHING]),
        (1, [1, 3, NOTHING]),  # never more than every second
        (0.25, [3]),
        (0.1, []),
    ],
)
def test_questions_of_every_so_many_rows_are_held_back(share: float, held: list[int]) -> None:
    questions = [asked(row) for row in (0, 1, NOTHING, 2, 3, NOTHING, NOTHING)]
    kept, back = held_back(questions, share)
    assert [each.targets[-1] for each in back] == held and len(kept) + len(back) == len(questions)
    both = held_back([*questions, asked(1)], share)
    assert not {each.targets[-1] for each in both[0] if each.targets[-1] >= 0} & {
        each.targets[-1] for each in both[1]
    }, "no row is in both"


@pytest.mark.parametrize(
    ("similarities", "is_right", "lacking", "low", "high"),
    [
        ([0.8, 0.9], [True, True], [0.1, 0.2], 0.2, 0.8),
        ([0.8, 0.3], [True, False], [0.1, 0.4], 0.4, 0.8),
        ([0.5], [True], [0.6], 0.6, 0.62),  # as good as letting everything in; the middle of what is best
        ([0.5], [False], [0.4], 0.4, 0.52),
    ],
)
def test_a_threshold_is_where_most_is_right(
    similarities: list[float], is_right: list[bool], lacking: list[float], low: float, high: float
) -> None:
    assert low < best_threshold(similarities, is_right, lacking) < high


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"seed": "1.5"}, "whole number"),
        ({"seed": float("nan")}, "whole number"),
        ({"seed": True}, "whole number"),
        ({"seed": [1]}, "whole number"),
        ({"retrieval_rate": "fast"}, "give a number"),
        ({"retrieval_rate": float("inf")}, "0 or more"),
        ({"retrieval_rate": 10**400}, "give a number"),
        ({"seed": -1}, "0 or more"),
        ({"accumulation": 0}, "1 or more"),
        ({"threshold_share": 0.6}, "from 0 to 0.5"),
        ({"retrival_steps": 1}, "`retrieval_steps`"),
        ({"zzz": 1}, "docs/memory.md"),
    ],
)
def test_settings_are_numbers_that_mean_something(given: dict[str, Any], word: str) -> None:
    with pytest.raises(BankError) as error:
        options_of(given)
    assert word in str(error.value)


def test_later_settings_come_before_earlier_ones_and_have_their_kind() -> None:
    made = options_of({"seed": 1, "fusion_rate": 1}, {"seed": "2"}, pairs(["retrieval_rate=1e-2", "logging_steps=4"]))
    assert (made.seed, made.fusion_rate, made.retrieval_rate, made.logging_steps) == (2, 1.0, 0.01, 4)
    assert type(made.fusion_rate) is float and pairs(["a=b=c"]) == {"a": "b=c"}
    with pytest.raises(BankError, match="KEY=VALUE"):
        pairs(["seed"])
