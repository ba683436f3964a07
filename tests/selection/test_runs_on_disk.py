"""Runs of train_gates.py as they lie on disk: which base they belong to, and what is no run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints.errors import CheckpointError
from checkpoints.loading import load_gated
from safetensors.torch import load_file, save_file
from selection.errors import SelectionError
from selection.models import (
    Loaded,
    freeze_all_but_gates,
    load,
    load_for_training,
    read_run,
    target_argument,
    write_original_gates,
)
from selection.router_data import RouterData, rows, sample_info
from selection.table import MEANS, TOKEN_LOGITS, TOKEN_NLL, WEIGHTED


GATES = "quality_gates.safetensors"


def run_of(gated: Path, folder: Path, text: str) -> Path:
    """A run whose gates are all 1."""
    loaded = load(str(gated))
    folder.mkdir()
    with torch.no_grad():
        for name, weight in loaded.model.named_parameters():
            if ".quality_gate." in name:
                weight.fill_(1.0)
    loaded.model.save_quality_gates(folder)
    loaded.tokenizer.save_pretrained(folder)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    return folder


def gates_of(loaded: Loaded) -> list[float]:
    weights = (weight for name, weight in loaded.model.named_parameters() if ".quality_gate." in name)
    return sorted({float(value) for weight in weights for value in weight.flatten()})


def test_a_run_is_its_base_with_its_gates(gated: Path, tmp_path: Path) -> None:
    found = load(str(run_of(gated, tmp_path / "run", f"gated_model: {gated}\n")))
    assert gates_of(found) == [1.0] and found.layers == (0, 1, 2) and not found.model.training
    assert found.digest != load(str(gated)).digest


def test_a_base_that_was_moved_is_named(gated: Path, tmp_path: Path) -> None:
    run = run_of(gated, tmp_path / "run", "gated_model: /nowhere/at/all\n")
    with pytest.raises(CheckpointError, match="does not exist"):
        load(str(run))
    assert gates_of(load(str(run), base=str(gated))) == [1.0]


def test_gates_of_another_width_are_refused(gated: Path, tmp_path: Path) -> None:
    run = run_of(gated, tmp_path / "run", f"gated_model: {gated}\n")
    wide = {name: torch.ones(1, 2 * weight.shape[1]) for name, weight in load_file(run / GATES).items()}
    save_file(wide, run / GATES)
    with pytest.raises(
        SelectionError, match="its gates do not load: .*; fix: give the base that they were trained on"
    ):
        load(str(run))
    (run / GATES).unlink()
    with pytest.raises(SelectionError, match="its gates do not load"):
        load(str(run))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a: [1, 2", "is not YAML"),
        (b"\xff\xfe\xfa", "is not YAML"),
        (b"- one\n- two\n", "is not a run's configuration"),
        (b"", "is not a run's configuration"),
        (b"a: !!python/object/apply:os.getcwd []\n", "is not YAML"),
    ],
)
def test_what_is_no_configuration_of_a_run(tmp_path: Path, text: bytes, said: str) -> None:
    (tmp_path / "config.yaml").write_bytes(text)
    with pytest.raises(SelectionError, match=said):
        read_run(tmp_path)


@pytest.mark.parametrize("text", ["epochs: 2\n", "gated_model: 7\n", "gated_model: [a]\n"])
def test_a_run_that_does_not_say_its_base_asks_for_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(SelectionError, match="does not say `gated_model`; fix: name the gated checkpoint with --base"):
        load(str(tmp_path))


def test_a_configuration_that_leads_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("gated_model: here\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").symlink_to(tmp_path / "secret.yaml")
    with pytest.raises(CheckpointError, match="outside-folder"):
        read_run(tmp_path / "run")


def test_a_model_without_weights_or_tokenizer_is_told_in_a_line(gated: Path, tmp_path: Path) -> None:
    for name in ("no_weights", "no_tokenizer"):
        (tmp_path / name).mkdir()
        for path in gated.iterdir():
            is_weights, is_tokenizer = path.suffix == ".safetensors", "token" in path.name
            if not (is_weights if name == "no_weights" else is_tokenizer):
                (tmp_path / name / path.name).write_bytes(path.read_bytes())
    for load_it in (lambda place: load(str(place)), load_gated, lambda place: load_for_training(str(place), tmp_path)):
        with pytest.raises(CheckpointError) as refused:
            load_it(tmp_path / "no_weights")
        assert refused.value.path.startswith(str(tmp_path / "no_weights"))
        with pytest.raises(CheckpointError, match="holds no tokenizer that can be read"):
            load_it(tmp_path / "no_tokenizer")


@pytest.mark.parametrize(
    ("most", "longest"),
    [(512, 512), (4096, 4096), (131072, 4096), (None, 4096), (0, 4096), (-1, 4096), ("many", 4096)],
)
def test_documents_are_as_long_as_the_model_was_made_for(most: Any, longest: int) -> None:
    text = SimpleNamespace(max_position_embeddings=most)
    model = SimpleNamespace(config=SimpleNamespace(get_text_config=lambda: text))
    assert Loaded(model, None, "", "", ()).longest == longest
    text.n_positions = 77  # what older configurations call it
    assert Loaded(model, None, "", "", ()).longest == (
        77 if longest == 4096 and most not in (4096, 131072) else longest
    )


def test_targets_are_called_as_forward_calls_them() -> None:
    def newer(input_ids: Any, quality_targets: Any = None) -> None: ...
    def older(input_ids: Any, quality_labels: Any = None) -> None: ...
    def both(quality_labels: Any = None, quality_targets: Any = None) -> None: ...
    def neither(**kwargs: Any) -> None: ...

    names = [target_argument(SimpleNamespace(forward=each)) for each in (newer, older, both, neither)]
    assert names == ["quality_targets", "quality_labels", "quality_targets", "quality_targets"]


def test_only_gates_learn_and_the_originals_file_holds_them(gated: Path, tmp_path: Path) -> None:
    model = load(str(gated)).model
    assert freeze_all_but_gates(model) == 3
    learning = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert len(learning) == 3 and all(".quality_gate." in name for name in learning)
    write_original_gates(model, tmp_path / "full_rank_weights.pt")
    kept = torch.load(tmp_path / "full_rank_weights.pt", weights_only=True)
    assert kept["mode"] == "parameter" and set(kept["full_rank_weights"]) == learning
    other = load(str(gated)).model
    with torch.no_grad():
        for name, weight in other.named_parameters():
            weight.zero_() if name in learning else None
    other.load_quality_gates(tmp_path)
    assert all(torch.equal(weight, dict(model.named_parameters())[name]) for name, weight in other.named_parameters())


def test_rows_of_the_originals_data_are_those_of_single_documents() -> None:
    gates = torch.tensor([[[0.2, 0.4, 0.9]], [[0.5, 0.7, 0.1]]])
    data = RouterData(Path("x"), "set", ("one", "two"), gates, torch.tensor([[1.0, 2.0, 4.0], [3.0, 0.0, 0.0]]))
    long, short = rows(data, 7, alpha=1.0, tokens=True)
    assert [each["position"] for each in (long, short)] == [7, 8] and [each["tokens"] for each in (long, short)] == [
        3,
        1,
    ]
    assert long["perplexity"] == pytest.approx(8**0.5) and short["perplexity"] is None  # the first token has none
    assert long[WEIGHTED] == pytest.approx([(0.2 * 1 + 0.4 * 2 + 0.9 * 4) / 7]) and short[WEIGHTED] == pytest.approx(
        [0.5]
    )
    assert long[MEANS] == pytest.approx([0.5])
    assert 1 / (1 + np.exp(-long[TOKEN_LOGITS])) == pytest.approx([0.2, 0.4, 0.9])
    assert np.exp(long[TOKEN_NLL]) == pytest.approx([1.0, 2.0, 4.0])
    assert sample_info(data, "two")["position_in_dataset"] == 1
    with pytest.raises(ValueError, match="has no document 'three'"):
        sample_info(data, "three")
