"""The original project's files of gates: what they hold, in which space, and what each document's row says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from selection.errors import SelectionError
from selection.quality import layer_scores
from selection.router_data import find_files, load_router_data, rows, sample_info
from selection.table import MEANS, TOKEN_LOGITS, TOKEN_NLL, WEIGHTED


GATES = torch.tensor([[[0.2, 0.4, 0.6], [0.1, 0.3, 0.9]], [[0.5, 0.5, 0.5], [0.7, 0.2, 0.1]]])
PERPLEXITIES = torch.tensor([[3.0, 2.0, 4.0], [5.0, 6.0, 0.0]])  # the second is one token shorter


def written(folder: Path, **changed: Any) -> Path:
    found = {"quality_gates": GATES, "perplexities": PERPLEXITIES, "sample_ids": ["a", 7], "dataset_name": "web"}
    torch.save({**found, **changed}, path := folder / "web_router_data.pt")
    return path


@pytest.mark.parametrize(
    ("file_says", "asked", "gates", "space"),
    [
        ("prob", None, GATES, "prob"),
        (None, "prob", GATES, "prob"),
        (None, "logit", GATES, "logit"),
        ("logit", "prob", GATES, "logit"),  # the file's own word counts
        (None, None, GATES - 1, "logit"),  # some are no probabilities
        (None, None, GATES * 2, "logit"),
    ],
)
def test_gates_are_probabilities_whatever_the_file_holds(
    file_says: str | None, asked: str | None, gates: torch.Tensor, space: str, tmp_path: Path
) -> None:
    path = written(tmp_path, quality_gates=gates, **({"gate_space": file_says} if file_says else {}))
    found = load_router_data(path, asked)
    assert torch.equal(found.gates, gates.sigmoid() if space == "logit" else gates)
    assert (found.dataset, found.ids) == ("web", ("a", "7"))


def test_a_file_that_names_no_data_set_is_called_as_it_is(tmp_path: Path) -> None:
    assert load_router_data(written(tmp_path, dataset_name=None, gate_space="prob")).dataset == "web"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"quality_gates": GATES[0]}, "no `quality_gates` of three dimensions"),
        ({"quality_gates": [1]}, "no `quality_gates` of three dimensions"),
        ({"perplexities": PERPLEXITIES[:1]}, "no `perplexities` of the same documents"),
        ({"perplexities": PERPLEXITIES[:, :2]}, "no `perplexities` of the same documents"),
        ({"sample_ids": ["a"]}, "not one of `sample_ids` for every document"),
        ({"sample_ids": "ab"}, "not one of `sample_ids` for every document"),
        ({}, "does not say whether its gates are logits or probabilities"),
        ({"gate_space": "cubic"}, "does not say whether its gates are logits or probabilities"),
    ],
)
def test_a_file_of_another_form_is_refused(changed: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match=said):
        load_router_data(written(tmp_path, **changed))


@pytest.mark.parametrize("content", [b"", b"no file of torch's", None])
def test_what_is_no_file_of_tensors_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "web_router_data.pt"
    if content is None:
        torch.save([1, 2], path)
    else:
        path.write_bytes(content)
    with pytest.raises(
        SelectionError, match="is not a table of tensors" if content is None else "is not a file of tensors"
    ):
        load_router_data(path)


def test_files_are_those_of_the_right_name_in_order(tmp_path: Path) -> None:
    for name in ("b_router_data.pt", "a_router_data.pt", "other.pt"):
        (tmp_path / name).touch()
    (tmp_path / "c_router_data.pt").mkdir()
    assert [path.name for path in find_files(tmp_path)] == ["a_router_data.pt", "b_router_data.pt"]
    with pytest.raises(SelectionError, match="holds no"):
        find_files(tmp_path / "c_router_data.pt")


def test_rows_leave_padding_out(tmp_path: Path) -> None:
    data = load_router_data(written(tmp_path, gate_space="prob"))
    first, second = rows(data, first=10, alpha=0.5, tokens=True)
    assert [(row["position"], row["id"], row["source"], row["tokens"]) for row in (first, second)] == [
        (10, "a", "web", 3),
        (11, "7", "web", 2),
    ]
    assert first["perplexity"] == pytest.approx(np.sqrt(2.0 * 4.0))  # the first token has nothing before it
    assert second["perplexity"] == pytest.approx(6.0)
    expected = layer_scores(GATES[1, :, :2].numpy(), PERPLEXITIES[1, :2].numpy(), 0.5)
    assert np.allclose(second[WEIGHTED], expected) and second["quality"] == pytest.approx(expected.mean())
    assert np.allclose(second[MEANS], [0.5, 0.45])
    assert np.allclose(second[TOKEN_NLL], np.log([5.0, 6.0]))
    assert np.allclose(second[TOKEN_LOGITS], [0, 0, np.log(0.7 / 0.3), np.log(0.2 / 0.8)], atol=1e-6)
    assert TOKEN_NLL not in next(rows(data, 0))


def test_a_document_of_one_token_has_no_perplexity(tmp_path: Path) -> None:
    alone = torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    data = load_router_data(written(tmp_path, gate_space="prob", perplexities=alone))
    assert [(row["tokens"], row["perplexity"]) for row in rows(data, 0)] == [(1, None), (1, None)]


def test_one_document_is_found_by_its_name(tmp_path: Path) -> None:
    data = load_router_data(written(tmp_path, gate_space="prob"))
    found = sample_info(data, "7")
    assert (found["position_in_dataset"], found["dataset_name"]) == (1, "web")
    assert torch.equal(found["quality_gates"], GATES[1]) and torch.equal(found["perplexities"], PERPLEXITIES[1])
    with pytest.raises(ValueError, match="has no document 'b'"):
        sample_info(data, "b")
