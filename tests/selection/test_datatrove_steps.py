"""Scoring and filtering as steps of datatrove: on its local executor, several tasks and workers, resumed after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from selection.errors import SelectionError
from selection.score_cli import main as score
from selection.select_cli import main as select
from selection_models import texts, write_lines


pytest.importorskip("datatrove", reason="datatrove is not installed: it is of the extra `data`")
SCRIPT = Path(__file__).with_name("datatrove_run.py")


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]


def test_the_same_scores_and_the_same_cut_after_a_kill(gated: Path, tmp_path: Path) -> None:
    records = [{"id": str(number), "text": text} for number, text in enumerate(texts(80))]
    for part in range(4):
        write_lines(tmp_path / "data" / f"{part}.jsonl", records[part::4])
    odd = [{"id": "900", "text": "word " * 110}, {"id": "901", "text": " "}]
    write_lines(tmp_path / "data" / "0.jsonl", [*records[0::4], *odd])
    words = [
        "--model",
        gated,
        "--data",
        tmp_path / "data",
        "--output",
        tmp_path / "scores",
        "--quiet",
        "--device",
        "cpu",
    ]
    assert score(list(map(str, words))) == 0
    words = [
        "--scores",
        tmp_path / "scores",
        "--output",
        tmp_path / "chosen",
        "--keep",
        "0.3",
        "--quiet",
        "--no-texts",
    ]
    assert select(list(map(str, words))) == 0
    wanted, others = (
        pq.read_table(tmp_path / "chosen" / f"{name}.parquet").to_pylist() for name in ("kept", "dropped")
    )
    # between two documents: other batches, other rounding
    cut = (min(row["score"] for row in wanted) + max(row["score"] for row in others)) / 2
    arguments = [gated, tmp_path / "chosen" / "summary.json", tmp_path / "data", tmp_path / "out"]
    command = [sys.executable, SCRIPT, *arguments, "2"]
    environment = {**os.environ, "CUT": str(cut)}
    with subprocess.Popen(
        command, env={**environment, "SLOW": "0.03"}, start_new_session=True, stderr=subprocess.DEVNULL
    ) as process:
        end = time.monotonic() + 120
        while not list((tmp_path / "out" / "logs").glob("completions/*")):
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    done = {path.name for path in (tmp_path / "out" / "logs" / "completions").iterdir()}
    assert 1 <= len(done) < 4
    subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL, timeout=120)
    kept, dropped = lines(tmp_path / "out" / "kept"), lines(tmp_path / "out" / "dropped")
    assert sorted(each["id"] for each in kept) == sorted(row["id"] for row in wanted)
    assert len(kept) + len(dropped) == 82  # each once, whatever was killed
    by_id = {row["id"]: row["score"] for row in wanted}
    np.testing.assert_allclose(
        [each["metadata"]["quality"] for each in kept], [by_id[each["id"]] for each in kept], rtol=1e-4
    )
    reasons = {each["id"]: each["metadata"].get("quality_reject") for each in dropped}
    assert reasons["900"] == "over-long" and {reason for name, reason in reasons.items() if name < "900"} == {None}


def test_a_summary_of_something_else_is_refused(tmp_path: Path) -> None:
    from selection.steps import QualityGateFilter

    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(SelectionError, match="no statistics"):
        QualityGateFilter(str(tmp_path / "summary.json"))
