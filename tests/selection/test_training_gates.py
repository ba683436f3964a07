"""train_gates.py: only gates learn, they learn what the targets say, and a run is what score_corpus.py reads."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from selection.chat import IGNORED
from selection.models import Loaded, load, load_for_training
from selection.samples import UNKNOWN, SampleOptions, gather
from selection.score_cli import main as score
from selection.train_cli import main as train
from selection.training import accumulation
from selection_models import texts, write_lines


def corpora(folder: Path, count: int = 24) -> tuple[Path, Path]:
    """Bad data, and data of the quality to train for."""
    good = texts(count, longest=8)
    shuffled = ["".join(random.Random(0).sample(text, len(text))) for text in good]
    pairs = (("bad", shuffled), ("good", good))
    one, two = (write_lines(folder / f"{name}.jsonl", ({"text": text} for text in some)) for name, some in pairs)
    return one, two


def run(model: Path, output: Path, *options: object) -> int:
    words = ["--model", model, "--output", output, "--quiet", "--device-batch", "8", "--batch", "8", *options]
    return train(list(map(str, words)))


@pytest.mark.parametrize("mode", ["full_rank", "lora"])
def test_gates_learn_and_nothing_else(gated: Path, tmp_path: Path, mode: str) -> None:
    bad, good = corpora(tmp_path)
    out = tmp_path / "run"
    rate = "0.1" if mode == "full_rank" else "0.01"  # an adapter is scaled up by lora_alpha / lora_rank
    options = ("--data", bad, "--target-data", good, "--mode", mode, "--max-steps", "12", "--rate", rate)
    assert run(gated, out, *options) == 0
    before, after = load(str(gated)), load(str(out))
    weights = dict(before.model.named_parameters())
    changed = {name for name, weight in after.model.named_parameters() if not torch.equal(weight, weights[name])}
    assert changed == {name for name in weights if ".quality_gate." in name} and len(changed) == 3
    original = torch.load(out / "full_rank_weights.pt", weights_only=True)
    assert original["mode"] == "parameter" and original["tokenizer_saved"] is True
    assert all(
        torch.equal(weight, dict(after.model.named_parameters())[name])
        for name, weight in original["full_rank_weights"].items()
    )
    settings = yaml.safe_load((out / "config.yaml").read_text())
    assert settings["mode"] == mode and settings["targets"] == {"target": 24, "other": 24, "unknown": 0}
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert lines[0]["step"] == 1 and lines[-1]["step"] == 12
    assert quality_loss(after, bad, good) < quality_loss(before, bad, good)  # on the same texts: steps have others
    assert (out / "adapter").exists() == (mode == "lora")
    assert (
        score(list(map(str, ("--model", out, "--data", bad, good, "--output", tmp_path / "scores", "--quiet")))) == 0
    )


def test_processes_of_torchrun_train_together(gated: Path, tmp_path: Path) -> None:
    bad, good = corpora(tmp_path)
    script = Path(__file__).parents[2] / "utils" / "train_gates.py"
    words = ["--model", gated, "--output", tmp_path / "run", "--quiet", "--batch", "8", "--device-batch", "2"]
    words += ["--data", bad, "--target-data", good, "--max-steps", "2"]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", script, *words]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(list(map(str, launch)), capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    settings = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (settings["processes"], settings["accumulation"], settings["total_batch"]) == (2, 2, 8)


def quality_loss(loaded: Loaded, bad: Path, good: Path) -> float:
    """Of all texts of both, one by one."""
    total = 0.0
    for path, target in ((bad, 0.0), (good, 1.0)):
        for line in path.read_text().splitlines():
            ids = torch.tensor([loaded.tokenize(json.loads(line)["text"])[0]])
            with torch.no_grad():
                found = loaded.model(
                    ids, labels=ids, quality_targets=torch.tensor([target]), output_router_logits=True
                )
            total += found.quality_loss.item()
    return total


def test_a_base_is_gated_first(base: Path, tmp_path: Path) -> None:
    bad, _ = corpora(tmp_path, 4)
    assert run(base, tmp_path / "run", "--data", bad, "--max-steps", "1") == 0
    assert (tmp_path / "run" / "model" / "config.json").exists() and len(load(str(tmp_path / "run")).layers) == 3


@pytest.mark.parametrize(
    ("field", "value"), [("sample_wise_averaging", False), ("quality_loss_type", "beta_moment_matching")]
)
def test_targets_that_would_do_nothing_are_refused(
    gated: Path, tmp_path: Path, field: str, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "gated"
    shutil.copytree(gated, copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {field: value}))
    bad, good = corpora(tmp_path)
    assert run(copy, tmp_path / "run", "--data", bad, "--target-data", good, "--max-steps", "1") == 2
    assert field in capsys.readouterr().err


def test_batches_are_accumulated_to_the_total() -> None:
    assert [accumulation(16, *pair) for pair in ((1, 1), (8, 1), (32, 1), (6, 1), (1, 3))] == [16, 2, 1, 3, 5]
    assert accumulation(10, 4, 1) == 2  # 8 and 12 are as near


def test_samples(gated: Path, tmp_path: Path) -> None:
    loaded, _ = load_for_training(str(gated), tmp_path)
    own = [{"text": "a", "is_target_task": 1}, {"text": "b", "quality_targets": -1}, {"text": "c"}, {"text": ""}]
    one = write_lines(tmp_path / "one.jsonl", own)
    two = write_lines(tmp_path / "two.jsonl", ({"text": str(number)} for number in range(10)))

    def found(data: list[Path], targets: list[Path], **options: object) -> list[tuple[str, float]]:
        samples = gather([*map(str, data)], [*map(str, targets)], loaded.tokenize, "", SampleOptions(**options))
        return [(loaded.tokenizer.decode(each["input_ids"]), each["target"]) for each in samples.samples]

    assert sorted(found([one], [])) == [("a", 1.0), ("b", UNKNOWN), ("c", UNKNOWN)]
    assert sorted(found([one], [two]))[-3:] == [("a", 1.0), ("b", 0.0), ("c", 0.0)]
    half = found([two], [], subset="0.5")
    assert len(half) == 5 and half == found([two], [], subset="0.5") != found([two], [], subset="0.5", seed=1)
    assert len(found([two], [two], subset="0.5")) == 15  # target tasks are taken whole
    talk = write_lines(tmp_path / "talk.jsonl", [{"messages": [{"role": "user", "content": "only asks"}]}])
    samples = gather([str(one), str(talk)], [], loaded.tokenize, "", SampleOptions(full_sequence=False))
    assert samples.left_out == {"empty": 1, "nothing to train on": 1}
    assert all(label != IGNORED for sample in samples.samples for label in sample["labels"])


def test_what_cannot_be_trained_on_is_refused_in_one_line(
    gated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, _ = corpora(tmp_path, 4)
    empty = write_lines(tmp_path / "empty.jsonl", [{"text": ""}])
    for folder, name in (("full", "mine.txt"), ("done", "config.yaml")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("precious")
    refused = [
        (gated, "run", (), "is not given"),
        (gated, "run", ("--data", empty), "holds nothing to train on: 1 empty"),
        (gated, "new", ("--data", tmp_path / "no.jsonl"), "does not exist"),
        (gated, "new", ("--data", bad, "--target-data", "nofile"), "data set that can be loaded"),
        (gated, "run", ("--data", bad, "--subset", "2"), "is '2'"),
        (gated, "run", ("--data", bad, "--balance", "3"), "from 0 to 2"),
        (gated, "full", ("--data", bad), "contains mine.txt, which this command did not create"),
        (gated, "done", ("--data", bad), "holds a run that is complete"),
        (tmp_path / "nowhere", "run", ("--data", bad), "does not exist"),
    ]
    for model, out, options, text in refused:
        assert run(model, tmp_path / out, *options) == 2
        said = capsys.readouterr().err
        assert text in said and said.strip().count("\n") == 0 and "fix:" in said, said
    assert (tmp_path / "full" / "mine.txt").read_text() == "precious" and not (tmp_path / "new").exists()
