"""A folder of scores: of one run, whole when all of its shards are, and read as if it were one table."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from selection import table
from selection.errors import SelectionError
from selection.shards import ScoreFolder, ShardFacts, read_folder
from selection.table import MEANS, TOKEN_LOGITS, TOKEN_NLL, WEIGHTED, encode, open_scores, schema
from selection.values import EMPTY, OVER_LONG, Reject


RUN: dict[str, Any] = {"data": ["corpus.jsonl"], "gates": "abc", "layers": [0, 1], "options": {"alpha": 1.0}}


def row(position: int, source: str = "web", tokens: int = 3) -> dict[str, Any]:
    scores = np.array([position, position + 0.5], np.float32)
    known = {"id": f"doc{position}", "source": source, "tokens": tokens, "characters": 9, "script": "Latin"}
    return {"position": position, **known, "perplexity": None, "quality": 0.5, WEIGHTED: scores, MEANS: scores}


def facts(documents: int, **rejects: int) -> ShardFacts:
    return ShardFacts(documents + sum(rejects.values()), documents, 3 * documents, 4 * documents, 0.5, rejects)


def written(folder: Path, sources: list[list[str]]) -> ScoreFolder:
    """A shard for each list of sources."""
    scores = ScoreFolder(folder)
    scores.open(RUN)
    position = 0
    for number, shard in enumerate(sources):
        rows = [row(position + place, source) for place, source in enumerate(shard)]
        scores.write(number, rows, schema(2), [], facts(len(rows)))
        position += len(rows)
    return scores


def test_processes_share_a_folder_and_whoever_is_last_sums_up(tmp_path: Path) -> None:
    first, second = ScoreFolder(tmp_path / "s", 0), ScoreFolder(tmp_path / "s", 1)
    for each in (first, second):
        each.open(RUN)
    second.write(1, [row(2)], schema(2), [Reject("x", "web", "f:3", EMPTY, "")], facts(1, empty=1))
    assert second.finish(2) is None and not second.is_done(0)
    first.write(0, [row(0), row(1)], schema(2), [], facts(2, empty=2, over_long=1))
    manifest = first.finish(2)
    assert manifest is not None and manifest["shards"] == 2
    counted = {"documents": 3, "tokens": 9, "padded_tokens": 12, "seconds": 1.0, "records": 7}
    assert manifest["totals"] == counted | {"rejects": {"empty": 3, "over_long": 1}}
    told, scores = read_folder(tmp_path / "s")
    assert told == manifest and scores.rows == 3 and scores.layers == 2
    assert not [name for name in os.listdir(tmp_path / "s") if name.endswith(".part")]


def test_what_is_not_of_a_folder_of_scores_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SelectionError, match=r"contains notes.txt, which this command did not create"):
        ScoreFolder(tmp_path).open(RUN)
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_the_first_process_takes_away_what_a_killed_one_left(tmp_path: Path) -> None:
    left = tmp_path / "scores-00000.parquet.part"
    left.write_bytes(b"half")
    ScoreFolder(tmp_path, rank=1).open(RUN)
    assert left.exists()  # it may be of a process that is writing
    ScoreFolder(tmp_path, rank=0).open(RUN)
    assert not left.exists()


def test_a_process_that_begins_late_leaves_what_others_are_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = ScoreFolder(tmp_path, 0), ScoreFolder(tmp_path, 1)
    second.open(RUN)
    real = os.fsync

    def begin(handle: int) -> None:
        real(handle)
        monkeypatch.undo()
        first.open(RUN)

    monkeypatch.setattr(os, "fsync", begin)
    second.write(0, [row(0)], schema(2), [], facts(1))
    assert second.is_done(0)


def test_every_process_takes_away_its_own_and_the_last_one_all(tmp_path: Path) -> None:
    for rank in (0, 1, 11):
        (tmp_path / f"scores-00000.parquet.{rank}.part").write_bytes(b"half")
    ScoreFolder(tmp_path, 1).open(RUN)
    assert sorted(tmp_path.glob("*.part")) == [tmp_path / f"scores-00000.parquet.{rank}.part" for rank in (0, 11)]
    written(tmp_path, [["web"]]).finish(1)
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("change", "named"),
    [({"gates": "other"}, "gates"), ({"options": {"alpha": 0.5}}, "options"), ({"more": 1}, "more")],
)
def test_another_run_is_told_by_what_differs(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    ScoreFolder(tmp_path).open(RUN)
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(SelectionError, match=f"was begun by a run with another `{named}`"):
        ScoreFolder(tmp_path).open({**RUN, **change})
    ScoreFolder(tmp_path).open(RUN)
    assert (tmp_path / "run.json").read_bytes() == before


def test_only_a_whole_folder_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    with pytest.raises(SelectionError, match="is not a folder"):
        read_folder(folder)
    folder.mkdir()
    with pytest.raises(SelectionError, match="holds no manifest.json"):
        read_folder(folder)
    scores = written(folder, [["web"], ["code"], ["web"]])
    with pytest.raises(SelectionError, match="is not complete: a run was interrupted; fix: run the same"):
        read_folder(folder)
    scores.finish(3)
    assert read_folder(folder)[1].rows == 3
    (folder / "scores-00001.parquet").rename(folder / "scores-00003.parquet")  # as many, and not those
    with pytest.raises(SelectionError, match="holds 3 shards, and its manifest has 3"):
        read_folder(folder)
    (folder / "manifest.json").write_text(json.dumps({"manifest": 99, "shards": 3}))
    with pytest.raises(SelectionError, match="is not a manifest of this version"):
        read_folder(folder)


def shard(path: Path, **columns: Any) -> Path:
    known: dict[str, Any] = {"id": ["a"], "source": ["s"], "tokens": [1], "perplexity": [1.0], "quality": [0.5]}
    known[WEIGHTED] = pa.FixedSizeListArray.from_arrays(pa.array([0.5, 0.25]), 2)
    kept = {name: value for name, value in (known | columns).items() if value is not None}
    pq.write_table(pa.table(kept), path)
    return path


def test_shards_that_are_none_or_differ_are_told_by_name(tmp_path: Path) -> None:
    good = shard(tmp_path / "good.parquet")
    assert open_scores(tmp_path, [good, good]).counts == (1, 1)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1, and then nothing")
    ragged = shard(tmp_path / "ragged.parquet", **{WEIGHTED: [[0.5]]})
    wide = shard(tmp_path / "wide.parquet", **{WEIGHTED: pa.FixedSizeListArray.from_arrays(pa.array([0.5] * 3), 3)})
    for path, said in (
        (tmp_path / "bad.parquet", "is not a Parquet file"),
        (tmp_path / "gone.parquet", "is not a Parquet file"),
        (shard(tmp_path / "less.parquet", quality=None), "has no column `quality`"),
        (ragged, "`layer_scores` is not a list of one length"),
        (wide, "has other columns than good.parquet"),
    ):
        with pytest.raises(SelectionError, match=said) as refused:
            open_scores(tmp_path, [good, path])
        assert refused.value.path == str(path)
    with pytest.raises(SelectionError, match="holds no shards"):
        open_scores(tmp_path, [])


@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_columns_are_one_whatever_they_are_read_in(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, [["web", "code", "web"], [], ["books", "code"]]).finish(3)
    monkeypatch.setattr(table, "ROWS", block)
    _, scores = read_folder(tmp_path)
    codes, names = scores.codes("source")
    assert names == ["books", "code", "web"] and codes.tolist() == [2, 1, 2, 0, 1]
    assert scores.array("position", np.int64).tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(scores.array("perplexity", np.float32)).all()
    assert scores.texts("id", np.array([4, 0, 3, 0])).tolist() == ["doc4", "doc0", "doc3", "doc0"]
    wide = np.concatenate([found[WEIGHTED] for _, found in scores.blocks([WEIGHTED])])
    assert wide.tolist() == [[place, place + 0.5] for place in range(5)]


def test_a_shard_is_the_same_bytes_for_the_same_rows(tmp_path: Path) -> None:
    more = {TOKEN_LOGITS: np.arange(6, dtype=np.float32), TOKEN_NLL: np.zeros(3, np.float32)}
    rows = [row(0) | more, row(1) | more]
    assert encode(rows, schema(2, tokens=True)) == encode(rows, schema(2, tokens=True))
    path = tmp_path / "one.parquet"
    path.write_bytes(encode([], schema(2, router=4)))
    assert open_scores(tmp_path, [path]).rows == 0
    assert "router" in open_scores(tmp_path, [path]).columns


def test_rejects_are_lines_that_say_which_record(tmp_path: Path) -> None:
    scores = ScoreFolder(tmp_path)
    scores.open(RUN)
    scores.write(0, [], schema(2), [Reject("ä", "web", "f.jsonl:3", OVER_LONG, "5000 tokens")], facts(0, over_long=1))
    [line] = (tmp_path / "rejects-00000.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == {
        "id": "ä", "source": "web", "place": "f.jsonl:3", "reason": OVER_LONG, "detail": "5000 tokens",
    }  # fmt: skip
