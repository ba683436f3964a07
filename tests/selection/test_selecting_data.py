"""select_data.py: kept and dropped, texts, summary, audit; the original's router_data."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from selection.audit import Chosen, audit
from selection.page import page
from selection.quality import add, no_statistics, quality_scores
from selection.score_cli import main as score
from selection.select_cli import main as select
from selection.shards import ScoreFolder, ShardFacts
from selection.table import schema
from selection_models import texts, write_lines
from test_quality_formula import by_hand


LAYERS, COUNT = 3, 40


def made_scores(folder: Path, per_shard: int = 16, **changes: Any) -> Path:
    """Scores that no model has made, of a corpus beside them; its sources are two, one of them with a bad name."""
    random = np.random.default_rng(0)
    sources = ["a", "<script>alert(1)</script>/../b"]
    written = texts(COUNT)
    data = [
        {"id": f"d{n}", "dataset": sources[n % 2], "text": text} if n % 5 else
        {"id": f"d{n}", "dataset": sources[n % 2], "messages": [{"role": "user", "content": text}]}
        for n, text in enumerate(written)
    ]  # fmt: skip
    corpus = write_lines(folder / "corpus.jsonl", data)
    rows = []
    for number in range(COUNT):
        scores = random.random(LAYERS)
        rows.append(
            {
                "position": number,
                "id": f"d{number}",
                "source": sources[number % 2],
                "tokens": len(written[number].split()),
                "characters": len(written[number]),
                "script": "Latin",
                "perplexity": float(random.lognormal(3)) if number else None,
                "quality": float(scores.mean()),
                "layer_scores": scores,
                "layer_means": scores**2,
            }
        )
    out = ScoreFolder(folder / "scores")
    described = {"form": "auto", "files": [["corpus.jsonl", corpus.stat().st_size]]}
    out.open({"data": [str(corpus)], "corpus": described, "layers": [0, 1, 2], "options": {"alpha": 1.0}, **changes})
    for shard, start in enumerate(range(0, COUNT, per_shard)):
        some = rows[start : start + per_shard]
        facts = ShardFacts(len(some), len(some), sum(row["tokens"] for row in some), 0, 0.5, {})
        out.write(shard, some, schema(LAYERS), [], facts)
    out.finish(math.ceil(COUNT / per_shard))
    return folder / "scores"


def run(scores: Path, output: Path, *options: str) -> int:
    return select(["--scores", str(scores), "--output", str(output), "--quiet", *options])


def expected_quality(scores: Path) -> np.ndarray:
    rows = [row for path in sorted(scores.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    return np.array(by_hand([np.array(row["layer_scores"])[:, None] for row in rows], [[1.0]] * COUNT, 1.0, 0.0, 0.0))


def test_the_best_are_kept_with_their_texts_best_first(tmp_path: Path) -> None:
    scores, out = made_scores(tmp_path), tmp_path / "out"
    assert run(scores, out, "--keep", "0.3") == 0
    quality = expected_quality(scores)
    best = [f"d{number}" for number in np.argsort(-quality)[:12]]
    lines = [json.loads(line) for line in (out / "selected_data.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == best
    np.testing.assert_allclose([line["scores"] for line in lines], np.sort(quality)[::-1][:12], rtol=1e-6)
    written = dict(zip((f"d{n}" for n in range(COUNT)), texts(COUNT), strict=True))
    for line in lines:
        text = line["text"] if "text" in line else line["messages"][0]["content"]
        assert text == written[line["id"]] and ("messages" in line) == (int(line["id"][1:]) % 5 == 0)
    kept, dropped = (pq.read_table(out / name).to_pylist() for name in ("kept.parquet", "dropped.parquet"))
    assert sorted(row["id"] for row in kept) == sorted(best) and {row["reason"] for row in kept} == {"kept"}
    assert len(dropped) == COUNT - 12 and {row["reason"] for row in dropped} == {"below-cut"}
    assert {row["rank"] for row in kept} == set(range(12)) and max(row["rank"] for row in dropped) == COUNT - 1
    summary = json.loads((out / "summary.json").read_text())
    assert summary["reasons"] == {"kept": 12, "below-cut": 28} and summary["cut"] == pytest.approx(lines[-1]["scores"])
    assert summary["tokens"] == sum(len(text.split()) for text in texts(COUNT))
    assert sorted(path.name for path in out.iterdir()) == [
        "audit.html", "audit.json", "dropped.parquet", "kept.parquet",
        "selected_data.jsonl", "selection_config.yaml", "summary.json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (("--count", "7"), 7),
        (("--keep", "0.07"), 3),
        (("--threshold", "1e9"), 0),
        (("--threshold", "30", "--method", "perplexity"), None),
        (("--count", "7", "--method", "random"), 7),
        (("--count", "7", "--method", "clusters", "--clusters", "4"), 7),
        (("--count", "7", "--method", "farthest"), 7),
        (("--keep", "0.5", "--quota", "a=3"), 20),
        (("--keep", "1", "--quota", "*=0.1"), 8),
        (("--count", "5", "--alpha", "0"), 5),
    ],
)
def test_methods_and_budgets(tmp_path: Path, options: tuple[str, ...], kept: int | None) -> None:
    scores = made_scores(tmp_path)
    for out in ("one", "two"):
        assert run(scores, tmp_path / out, *options, "--no-texts") == 0
    tables = [pq.read_table(tmp_path / out / "kept.parquet") for out in ("one", "two")]
    assert tables[0].equals(tables[1])  # nothing depends on chance
    if kept is None:
        assert 0 < len(tables[0]) < COUNT and max(tables[0]["perplexity"].to_pylist()) <= 30
    else:
        assert len(tables[0]) == kept
    assert len(tables[0]) + len(pq.read_table(tmp_path / "one" / "dropped.parquet")) == COUNT


def test_a_budget_of_tokens_is_not_exceeded(tmp_path: Path) -> None:
    assert run(made_scores(tmp_path), tmp_path / "out", "--token-budget", "100") == 0
    table = pq.read_table(tmp_path / "out" / "kept.parquet")
    assert 60 < sum(table["tokens"].to_pylist()) <= 100
    reasons = set(pq.read_table(tmp_path / "out" / "dropped.parquet")["reason"].to_pylist())
    assert reasons == {"token-budget"}


def test_shards_of_any_size_give_one_selection(tmp_path: Path) -> None:
    for size in (1, 16, 100):
        assert run(made_scores(tmp_path / str(size), size), tmp_path / f"out{size}", "--keep", "0.3") == 0
    found = {(tmp_path / f"out{size}" / "selected_data.jsonl").read_bytes() for size in (1, 16, 100)}
    assert len(found) == 1


def test_what_cannot_be_selected_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = made_scores(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("precious")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "run.json").write_text("{}")
    refused = [
        (tmp_path / "nothing", "out", ("--keep", "0.3"), "is not a folder"),
        (tmp_path / "full", "out", ("--keep", "0.3"), "holds no manifest.json"),
        (tmp_path / "begun", "out", ("--keep", "0.3"), "a run was interrupted"),
        (scores, "full", ("--keep", "0.3"), "not empty"),
        (scores, "out", ("--keep", "1.5"), "is '1.5'"),
        (scores, "out", ("--keep", "nan"), "is 'nan'"),
        (scores, "out", ("--count", "-1"), "is -1"),
        (scores, "out", ("--keep", "0.3", "--quota", "none=4"), "is not a source"),
        (scores, "out", ("--keep", "0.3", "--quota", "a=1.5"), "is not a quota"),
        (scores, "out", ("--keep", "0.3", "--quota", "a"), "is not a quota"),
        (scores, "out", ("--keep", "0.3", "--alpha", "2"), "was weighed with alpha 1"),
        (scores, "out", ("--keep", "0.3", "--method", "clusters", "--features", "router"), "no features of routers"),
        (scores, "out", ("--threshold", "1", "--method", "farthest"), "needs to know how many"),
    ]
    for folder, out, options, text in refused:
        assert run(folder, tmp_path / out, *options) == 2
        said = capsys.readouterr().err
        assert text in said and said.count("\n") == 1 and "fix:" in said, said
        assert not (tmp_path / "out").exists() and not (tmp_path / "out.partial").exists()
    assert (tmp_path / "full" / "mine.txt").read_text() == "precious"


def test_another_corpus_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = made_scores(tmp_path)
    corpus = tmp_path / "corpus.jsonl"
    text = corpus.read_text()
    corpus.write_text(text + "\n")
    assert run(scores, tmp_path / "out", "--keep", "0.3") == 2 and "other sizes" in capsys.readouterr().err
    corpus.write_text(text.replace('"d3"', '"x3"'))
    assert run(scores, tmp_path / "out", "--keep", "1") == 2 and "'d3' was scored there" in capsys.readouterr().err
    corpus.unlink()
    assert run(scores, tmp_path / "out", "--keep", "1") == 2 and "--no-texts" in capsys.readouterr().err
    (tmp_path / "moved.jsonl").write_text(text)
    assert run(scores, tmp_path / "out", "--keep", "1", "--data", str(tmp_path / "moved.jsonl")) == 0


def test_a_shard_that_is_gone_or_broken_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = made_scores(tmp_path)
    (scores / "scores-00001.parquet").write_bytes(b"no parquet")
    assert run(scores, tmp_path / "out", "--keep", "1") == 2 and "is not a Parquet file" in capsys.readouterr().err
    pq.write_table(pa.table({"x": [1]}), scores / "scores-00001.parquet")
    assert run(scores, tmp_path / "out", "--keep", "1") == 2 and "has no column" in capsys.readouterr().err
    (scores / "scores-00001.parquet").unlink()
    assert run(scores, tmp_path / "out", "--keep", "1") == 2 and "holds 2 shards" in capsys.readouterr().err


def test_the_page_needs_nothing_else_and_escapes_names(tmp_path: Path) -> None:
    assert run(made_scores(tmp_path), tmp_path / "out", "--keep", "0.3") == 0
    text = (tmp_path / "out" / "audit.html").read_text()
    assert "<script" not in text and "&lt;script&gt;" in text and "http" not in text
    numbers = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert numbers["cost"]["tokens_per_second"] == numbers["tokens"] / 1.5
    assert [source["documents"] for source in numbers["by_source"]] == [20, 20]


def test_the_numbers_of_an_audit() -> None:
    quality = np.array([0.0, 1.0, 2.0, 3.0, 1.5, 1.5, 1.5, 1.5])
    chosen = Chosen(
        quality,
        np.array([8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, np.nan], np.float32),
        np.array([1, 2, 3, 4, 5, 6, 7, 8]),
        np.array([0, 0, 0, 0, 1, 1, 1, 1]),
        np.zeros(8, int),
        quality >= 2,
        np.argsort(-quality, kind="stable"),
        ["lively", "flat"],
        ["Latin"],
    )
    numbers = audit(chosen, {"tokens": 2_000_000, "seconds": 4.0})
    assert numbers["cost"] == {"seconds_per_million_tokens": 2.0, "tokens_per_second": 500_000.0}
    assert [source["near_constant"] for source in numbers["by_source"]] == [False, True]
    assert [source["keep_rate"] for source in numbers["by_source"]] == [0.5, 0.0]
    assert numbers["overlap"]["perplexity"] == 0.0 and numbers["kept_tokens"] == 7
    curve = {row["ratio"]: row for row in numbers["keep_rate_curve"]}
    assert curve[0.25]["cut"] == 2.0 and curve[0.25]["tokens"] == pytest.approx(7 / 36) and curve[1.0]["tokens"] == 1
    assert sum(part["documents"] for part in numbers["by_perplexity"]) == 7
    assert sum(part["documents"] for part in numbers["by_length"]) == 8
    same = Chosen(
        *(getattr(chosen, name) if name != "quality" else -chosen.tokens.astype(float) for name in chosen.__slots__)
    )
    assert audit(same, {})["rank_correlation"]["length"] == pytest.approx(-1)
    assert "unknown" in page(audit(same, {}), {"method": "quality"})


def router_data(folder: Path, name: str, values: torch.Tensor, lengths: list[int], **more: Any) -> None:
    perplexities = torch.zeros(values.shape[0], values.shape[2])
    for row, length in enumerate(lengths):
        perplexities[row, :length] = torch.arange(1, length + 1)
    ids = [f"{name}_{row:06d}" for row in range(len(lengths))]
    folder.mkdir(parents=True, exist_ok=True)
    document = {"quality_gates": values, "perplexities": perplexities, "sample_ids": ids, "dataset_name": name, **more}
    torch.save(document, folder / f"{name}_router_data.pt")


@pytest.mark.parametrize("space", ["logit", "prob", "evident"])
def test_the_originals_router_data(tmp_path: Path, space: str) -> None:
    torch.manual_seed(0)
    logits = {"b": torch.randn(4, 2, 6), "a": torch.randn(3, 2, 5)}
    lengths = {"b": [6, 2, 1, 4], "a": [5, 3, 2]}
    for name, values in logits.items():
        stored, more = (
            (values.sigmoid(), {})
            if space == "prob"
            else (values, {"gate_space": "logit"} if space == "logit" else {})
        )
        router_data(tmp_path / "router_data", name, stored, lengths[name], **more)
    options = ["--gate-space", "prob"] if space == "prob" else []
    words = [
        "--router-data",
        tmp_path / "router_data",
        "--output",
        tmp_path / "scores",
        "--shard-size",
        "3",
        "--quiet",
    ]
    assert score([*map(str, words), *options]) == 0
    corpus = write_lines(
        tmp_path / "c.jsonl", ({"id": f"{n}_{i:06d}", "text": f"{n}{i}"} for n in "ab" for i in range(4))
    )
    assert run(tmp_path / "scores", tmp_path / "out", "--keep", "0.5", "--data", str(corpus)) == 0
    pairs = [(name, row) for name in "ab" for row in range(len(lengths[name]))]
    ratios = [logits[name][row, :, : lengths[name][row]].sigmoid().numpy() for name, row in pairs]
    perplexities = [np.arange(1.0, lengths[name][row] + 1) for name, row in pairs]
    quality = by_hand(ratios, perplexities, 1.0, 1e-8, 0.0)
    wanted = [f"{pairs[place][0]}_{pairs[place][1]:06d}" for place in np.argsort(-np.array(quality))[:4]]
    lines = [json.loads(line) for line in (tmp_path / "out" / "selected_data.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == wanted
    np.testing.assert_allclose([line["scores"] for line in lines], sorted(quality)[::-1][:4], rtol=1e-5)


def test_router_data_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "router_data"
    words = ["--router-data", str(folder), "--output", str(tmp_path / "scores")]
    assert score(words) == 2 and "holds no *_router_data.pt" in capsys.readouterr().err
    router_data(folder, "a", torch.rand(2, 3, 4), [4, 2])
    assert score(words) == 2 and "logits or probabilities" in capsys.readouterr().err
    (folder / "a_router_data.pt").write_bytes(b"\x80no pickle")
    assert score(words) == 2 and "is not a file of tensors" in capsys.readouterr().err
    torch.save({"quality_gates": torch.rand(3)}, folder / "a_router_data.pt")
    assert score(words) == 2 and "three dimensions" in capsys.readouterr().err
    torch.save([print], folder / "a_router_data.pt")
    assert score(words) == 2 and "is not a file of tensors" in capsys.readouterr().err


def test_quality_of_later_documents_follows_from_the_summary(tmp_path: Path) -> None:
    scores = made_scores(tmp_path)
    assert run(scores, tmp_path / "out", "--keep", "0.3") == 0
    known = json.loads((tmp_path / "out" / "summary.json").read_text())["statistics"]
    rows = np.concatenate(
        [np.array(pq.read_table(p)["layer_scores"].to_pylist()) for p in sorted(scores.glob("*.parquet"))]
    )
    statistics = add(no_statistics(LAYERS), rows)
    assert known["low"] == statistics.low.tolist() and known["mean"] == pytest.approx(statistics.mean.tolist())
    np.testing.assert_allclose(quality_scores(rows, statistics), expected_quality(scores), rtol=1e-6)
