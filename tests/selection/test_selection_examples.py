"""What the demo and the fine-tuning example are made of, on models small enough for a test."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from selection_models import texts, write_lines


EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def examples_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setattr(sys, "path", sys.path)


TEXT = (
    "The first sentence of a paragraph says what it is about. The second one goes on and gives a reason for it. "
    "A third one, which is shorter, ends the whole."
)


def test_every_third_paragraph_is_corrupted_in_its_way() -> None:
    from selection_corpus import GOOD, KINDS, records

    found = list(records([("package", TEXT)] * 30, seed=0))
    assert found == list(records([("package", TEXT)] * 30, seed=0))
    assert [each["kind"] for each in found].count(GOOD) == 20 and {each["kind"] for each in found} == {GOOD, *KINDS}
    assert all((each["text"] == TEXT) == (each["kind"] == GOOD) for each in found)
    assert len({each["id"] for each in found}) == 30


def test_corruptions_are_what_they_are_called() -> None:
    from selection_corpus import boilerplate, foreign, repeated, shuffled, truncated

    generator = random.Random(0)
    assert sorted(shuffled(TEXT, generator).split()) == sorted(TEXT.split()) and shuffled(TEXT, generator) != TEXT
    assert sorted(shuffled("one two three.", generator).split()) == ["one", "three.", "two"]
    assert truncated(TEXT, generator) in TEXT and len(truncated(TEXT, generator)) < len(TEXT) / 2
    words = repeated(TEXT, generator).split()
    grams = [tuple(words[start : start + 5]) for start in range(len(words) - 4)]
    assert len(words) == len(TEXT.split()) and len(set(grams)) < len(grams)
    assert TEXT.split()[0] in boilerplate(TEXT, generator) and not set(foreign(TEXT, generator).split()) & {
        "The",
        "sentence",
    }


def test_the_demo_measures_ranks_against_the_truth(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from selection_corpus import GOOD, KINDS
    from selection_demo import METHODS, auc, measure, table

    assert auc(np.array([0, 2]), np.array([1, 3])) == 0.75
    kinds = [GOOD, GOOD, *KINDS, GOOD]
    write_lines(tmp_path / "corpus.jsonl", ({"id": str(n), "kind": kind} for n, kind in enumerate(kinds)))
    for method in METHODS:
        (tmp_path / method).mkdir()
        for name, ranks in (("kept", range(3)), ("dropped", range(3, 8))):
            columns = {"id": [str(rank) for rank in ranks], "rank": list(ranks)}
            pq.write_table(pa.table(columns), tmp_path / method / f"{name}.parquet")
    found = measure(tmp_path)["quality"]
    assert found["precision"] == pytest.approx(2 / 3) and found["auc"] == pytest.approx(2 / 3) and found["kept"] == 3
    assert list(found["auc_by_kind"].values()) == pytest.approx([2 / 3] * len(KINDS))
    assert "| precision | 0.667 | 0.667 | 0.667 |" in table({"selection": measure(tmp_path)})


def test_sets_of_equal_tokens_are_tuned_on(gated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from finetune import main

    same = write_lines(tmp_path / "same.jsonl", ({"text": text} for text in texts(30)))
    noise = write_lines(
        tmp_path / "noise.jsonl", ({"text": "".join(chr(33 + (n * k) % 90) for k in range(60))} for n in range(40))
    )
    held_out = write_lines(tmp_path / "held_out.jsonl", ({"text": text} for text in texts(8, seed=1)))
    words = ["--model", gated, "--sets", f"same={same}", f"noise={noise}", "--held-out", held_out, "--tokens", 1000]
    words += ["--output", tmp_path / "losses.json", "--rate", "0.02", "--device", "cpu"]
    assert main(list(map(str, words))) == 0
    found = json.loads((tmp_path / "losses.json").read_text())
    assert found["same"]["tokens"] == found["noise"]["tokens"] == 1000
    assert found["same"]["loss"] < found["untuned"]["loss"] and found["same"]["loss"] < found["noise"]["loss"]
    assert main([*map(str, words[:2]), "--sets", "x=none.jsonl", "--held-out", str(held_out)]) == 2
    assert "does not exist" in capsys.readouterr().err
