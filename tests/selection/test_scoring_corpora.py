"""score_corpus.py: what is in the shards, what is rejected, and that a killed run goes on to the same bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from selection import forward
from selection.forward import Scorer, find_head
from selection.models import load
from selection.quality import layer_scores
from selection.score_cli import main
from selection_models import texts, write_lines

from generated import register_quality_gate
from transformers import AutoModelForCausalLM


UTILS = Path(__file__).parents[2] / "utils"
BROKEN = [
    b'{"id": 0, "text": "a second one"}',
    b'{"id": 900, "text": "\xff"}',
    {"id": 901, "text": float("nan")},
    {"id": 902, "text": "  "},
    {"id": 903, "text": 5},
    {"id": 904, "text": "word " * 110},
    b"nonsense",
    {"id": "../../905", "source": "../../elsewhere", "text": "a name is only a name"},
]


def corpus_of(folder: Path, count: int = 40) -> Path:
    good = [{"id": number, "text": text} for number, text in enumerate(texts(count))]
    return write_lines(folder / "corpus.jsonl", [*good[: count // 2], *BROKEN, *good[count // 2 :]])


def score(gated: Path, data: Path, output: Path, *options: str) -> int:
    words = ["--model", gated, "--data", data, "--output", output, "--quiet", "--device", "cpu", *options]
    return main(list(map(str, words)))


def rows(folder: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.glob("scores-*.parquet")) for row in pq.read_table(path).to_pylist()]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.match("scores-*.parquet") or path.match("rejects-*")
    }


def test_every_record_is_scored_or_rejected(gated: Path, tmp_path: Path) -> None:
    assert score(gated, corpus_of(tmp_path), tmp_path / "scores", "--shard-size", "10") == 0
    found, manifest = rows(tmp_path / "scores"), json.loads((tmp_path / "scores" / "manifest.json").read_text())
    rejects = [
        json.loads(line)
        for path in sorted((tmp_path / "scores").glob("rejects-*"))
        for line in path.read_text().splitlines()
    ]
    assert Counter(each["reason"] for each in rejects) == manifest["totals"]["rejects"]
    assert manifest["totals"]["rejects"] == {
        "duplicate-id": 1, "empty": 1, "nan": 1, "no-json": 1, "non-utf-8": 1, "over-long": 1, "wrong-type": 1,
    }  # fmt: skip
    assert len(found) + len(rejects) == 48 == manifest["totals"]["records"] and manifest["shards"] == 5
    assert sorted(row["position"] for row in found) == sorted(set(range(48)) - {20, 21, 22, 23, 24, 25, 26})
    assert [row["position"] for row in found] == sorted(row["position"] for row in found)
    stranger = next(row for row in found if row["source"] == "../../elsewhere")
    assert stranger["id"] == "../../905" and {path.parent for path in tmp_path.rglob("*")} <= {
        tmp_path,
        tmp_path / "scores",
    }


@pytest.mark.parametrize("options", [(), ("--style", "role-lines"), ("--alpha", "0.5")])
def test_scores_are_those_of_documents_alone(gated: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    """Batched and padded, the numbers are those of the public forward on one document, by the formula."""
    register_quality_gate()
    model = AutoModelForCausalLM.from_pretrained(gated).eval()
    tokenizer = load(str(gated)).tokenizer
    data = corpus_of(tmp_path, 12)
    assert score(gated, data, tmp_path / "scores", "--tokens", *options) == 0
    alpha = 0.5 if "--alpha" in options else 1.0
    by_id = {row["id"]: row for row in rows(tmp_path / "scores")}
    for number, text in enumerate(texts(12)):
        tokens = tokenizer(text, return_tensors="pt").input_ids
        with torch.inference_mode():
            outputs = model(tokens, output_router_logits=True)
        ratios = torch.stack(outputs.quality_logits)[:, 0, :, 0].sigmoid().double().numpy()
        losses = torch.nn.functional.cross_entropy(outputs.logits[0, :-1].float(), tokens[0, 1:], reduction="none")
        perplexities = np.concatenate([[1.0], losses.double().exp().numpy()])
        row = by_id[str(number)]
        expected = layer_scores(ratios, perplexities, alpha)
        np.testing.assert_allclose(row["layer_scores"], expected, rtol=2e-5)
        np.testing.assert_allclose(row["layer_means"], ratios.mean(1), rtol=2e-5)
        assert row["quality"] == pytest.approx(expected.mean(), rel=2e-5) and row["tokens"] == tokens.shape[1]
        assert row["perplexity"] == pytest.approx(float(losses.mean().exp()), rel=1e-4)
        logits = np.array(row["token_logits"]).reshape(len(ratios), -1)
        np.testing.assert_allclose(logits, np.log(ratios / (1 - ratios)), atol=1e-4)
        assert len(row["token_nll"]) == tokens.shape[1] and row["token_nll"][0] == 0


def test_without_perplexity_the_head_does_not_run(
    gated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the head ran")

    monkeypatch.setattr(torch.nn.functional, "cross_entropy", refuse)
    monkeypatch.setattr(forward, "find_head", refuse)
    assert score(gated, corpus_of(tmp_path, 6), tmp_path / "scores", "--no-perplexity") == 0
    for row in rows(tmp_path / "scores"):
        assert row["perplexity"] is None and row["layer_scores"] == pytest.approx(row["layer_means"])


def test_logits_are_computed_for_a_few_tokens_at_a_time(gated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(str(gated))
    whole = Scorer(loaded).score([[5, 6, 7, 8, 9], [5, 6, 7], [9]])
    monkeypatch.setattr(forward, "_LOGITS", 2 * 260)
    scorer, widest = Scorer(loaded), []
    output = loaded.model.get_output_embeddings()
    watch = output.register_forward_hook(lambda _, __, logits: widest.append(logits.shape[0]))
    parts = scorer.score([[5, 6, 7, 8, 9], [5, 6, 7], [9]])
    watch.remove()
    assert widest == [2, 2, 2]
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one.layer_scores, other.layer_scores, rtol=1e-6)
    assert whole[2].perplexity is None  # of one token nothing is predicted


@pytest.mark.parametrize("change", ["none", "factor", "cap", "other"])
def test_what_a_model_does_to_logits_is_found(gated: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(str(gated))
    model = loaded.model
    plain = type(model).forward
    model.config.final_logit_softcapping = 0.01 if change == "cap" else None
    changes = {
        "none": lambda logits: logits,
        "factor": lambda logits: logits * 3,
        "cap": lambda logits: (logits / 0.01).tanh() * 0.01,
        "other": lambda logits: logits.abs(),
    }

    def forward_of(self: Any, *args: Any, **kwargs: Any) -> Any:
        outputs = plain(self, *args, **kwargs)
        outputs.logits = changes[change](outputs.logits)
        return outputs

    monkeypatch.setattr(type(model), "forward", forward_of)
    head = find_head(model, model.base_model)
    assert (head is None) == (change == "other")
    tokens = torch.tensor([[5, 6, 7, 8, 9]])
    with torch.inference_mode():
        logits = model(tokens).logits[0]
    expected = torch.nn.functional.cross_entropy(logits[:-1], tokens[0, 1:]).exp().item()
    assert Scorer(loaded).score([[5, 6, 7, 8, 9]])[0].perplexity == pytest.approx(expected, rel=1e-4)


def test_a_killed_run_goes_on_to_the_same_bytes(gated: Path, tmp_path: Path) -> None:
    data = corpus_of(tmp_path, 300)
    options = ("--shard-size", "16", "--batch-tokens", "64")
    assert score(gated, data, tmp_path / "whole", *options) == 0
    command = [
        sys.executable,
        UTILS / "score_corpus.py",
        "--model",
        gated,
        "--data",
        data,
        "--output",
        tmp_path / "killed",
    ]
    with subprocess.Popen([*command, "--quiet", "--device", "cpu", *options], start_new_session=True) as process:
        wait_for(lambda: len(list((tmp_path / "killed").glob("scores-*.parquet"))) >= 2)
        os.killpg(process.pid, signal.SIGKILL)
    before = contents(tmp_path / "killed")
    done = [name for name in before if name.endswith(".parquet")]
    assert 2 <= len(done) < 20 and not (tmp_path / "killed" / "manifest.json").exists()
    stamps = {name: (tmp_path / "killed" / name).stat().st_mtime_ns for name in done}
    assert score(gated, data, tmp_path / "killed", *options) == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert stamps == {name: (tmp_path / "killed" / name).stat().st_mtime_ns for name in done}  # not scored again
    assert not list((tmp_path / "killed").glob("*.part"))


def wait_for(condition: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_processes_share_the_shards(gated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = corpus_of(tmp_path, 60)
    assert score(gated, data, tmp_path / "whole", "--shard-size", "16") == 0
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, done in ((1, [1, 3]), (0, [0, 1, 2, 3, 4])):
        monkeypatch.setenv("RANK", str(rank))
        assert score(gated, data, tmp_path / "shared", "--shard-size", "16") == 0
        assert sorted((tmp_path / "shared").glob("scores-*")) == [
            tmp_path / "shared" / f"scores-{n:05}.parquet" for n in done
        ]
        assert (tmp_path / "shared" / "manifest.json").exists() == (rank == 0)
    assert contents(tmp_path / "shared") == contents(tmp_path / "whole")


def test_what_cannot_be_scored_is_refused_in_one_line(
    gated: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, empty = corpus_of(tmp_path, 4), write_lines(tmp_path / "empty.jsonl", [])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious.txt").write_text("mine")
    assert score(gated, data, tmp_path / "scores") == 0
    refused = [
        (base, data, tmp_path / "a", (), "is neither a gated checkpoint nor a run of train_gates.py"),
        (gated, tmp_path / "none.jsonl", tmp_path / "a", (), "does not exist"),
        (gated, empty, tmp_path / "a", (), "holds no record"),
        (gated, data, tmp_path / "other", (), "contains precious.txt, which this command did not create"),
        (gated, data, tmp_path / "scores", ("--alpha", "2"), "another `options`"),
        (gated, data, tmp_path / "a", ("--batch-tokens", "0"), "is 0; fix: give 1 or more"),
        (tmp_path / "nowhere", data, tmp_path / "a", (), "does not exist"),
    ]
    for model, corpus, output, options, text in refused:
        assert score(model, corpus, output, *options) == 2
        said = capsys.readouterr().err
        assert text in said and said.count("\n") == 1 and "fix:" in said
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "other" / "precious.txt").read_text() == "mine"


@pytest.mark.parametrize("options", [("--data", "nofile"), ("--data", "{data}", "nofile"), ("--data", "{torn}")])
def test_nothing_is_written_for_data_that_cannot_be_read(
    options: tuple[str, ...], gated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name without an ending is that of a data set, which only loading it finds out."""
    data, output = corpus_of(tmp_path, 4), tmp_path / "scores"
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 torn")
    options = tuple(each.format(data=data, torn=tmp_path / "torn.parquet") for each in options)
    assert main(["--model", str(gated), "--output", str(output), *options]) == 2
    assert "fix:" in capsys.readouterr().err and not output.exists()
    assert score(gated, data, output) == 0


def test_scores_that_are_no_numbers_are_rejects(gated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Scorer.score

    def broken(self: Scorer, documents: Any) -> Iterator[Any]:
        found = plain(self, documents)
        for each in found:
            each.layer_scores[0] = np.nan if len(each.layer_scores) and each.perplexity else 0
        return found

    monkeypatch.setattr(Scorer, "score", broken)
    assert score(gated, corpus_of(tmp_path, 6), tmp_path / "scores") == 0
    manifest = json.loads((tmp_path / "scores" / "manifest.json").read_text())
    assert manifest["totals"]["rejects"]["not-finite"] == 7 and not rows(tmp_path / "scores")


def test_over_long_documents_can_be_cut(gated: Path, tmp_path: Path) -> None:
    assert (
        score(gated, corpus_of(tmp_path, 4), tmp_path / "scores", "--over-long", "truncate", "--max-length", "20") == 0
    )
    assert max(row["tokens"] for row in rows(tmp_path / "scores")) == 20
    assert "904" in {row["id"] for row in rows(tmp_path / "scores")}
