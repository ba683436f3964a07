"""The smoke run reads any generated package by its name, and tells a model that does not work from one that does."""

from __future__ import annotations

import json
import pkgutil

import pytest
import torch
from facts.project import generated_models
from facts.tiny import LAYERS
from showcase import cli, smoke
from showcase.scores import SAYS, said_by

import generated


PACKAGES = [module.name for module in pkgutil.iter_modules(generated.__path__)]
MODELS = sorted(name.removeprefix("quality_gate_") for name in PACKAGES if name.startswith("quality_gate_"))
OTHERS = sorted(name for name in PACKAGES if "_gate_" in name and not name.startswith("quality_gate_"))


@pytest.mark.parametrize("model", MODELS)
def test_every_generated_model_runs(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.smoke(["--model", model]) == 0
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if line.startswith("│")]
    tiny = smoke.tiny_model(model)
    assert tiny.num_parameters() < 500_000, "a size of it is in no table of utils/facts/tiny.py"
    assert len(rows) == len(tiny.quality_layers()) <= LAYERS
    written = printed.split("generated: ")[1]
    if model == "csm":  # a depth decoder: its first position is another model's, and it writes nothing alone
        assert "logits [2, 5, 128]" in printed and written.strip() == "[]"
        return
    assert "logits [2, 6, 128]" in printed
    assert len(written.split(",")) == smoke.NEW_TOKENS


@pytest.mark.parametrize("model", OTHERS)
def test_models_of_other_kinds_of_gate_run(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed is what their own gates say, a row for each."""
    assert cli.smoke(["--model", model]) == 0
    printed = capsys.readouterr().out
    tiny, kind = smoke.tiny_model(model), model.partition("_gate_")[0]
    assert tiny.num_parameters() < 500_000 and f"{SAYS[kind].words} over tokens:" in printed
    rows = [line.split("│") for line in printed.splitlines() if line.startswith("│")]
    assert len(rows) == smoke.gate_count(tiny) <= LAYERS and rows
    assert all(0 <= float(row[3]) <= float(row[2]) <= float(row[4]) <= 2 for row in rows)
    assert len(printed.split("generated: ")[1].split(",")) == smoke.NEW_TOKENS


def test_gates_of_a_kind_that_nothing_is_known_of_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    model = smoke.tiny_model("llama")
    monkeypatch.setattr(model.config, "model_type", "other_gate_llama")
    with pytest.raises(LookupError, match="has other gates; what they say is known of quality, "):
        said_by(model)


def test_without_a_name_every_model_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(smoke, "failing", lambda models, quiet: asked.extend(models) or [])
    assert cli.smoke([]) == 0 and asked == [*MODELS, *OTHERS]
    assert MODELS == generated_models() != [] and {name.partition("_")[0] for name in OTHERS} == SAYS.keys() - {
        "quality"
    }


@pytest.mark.parametrize(
    ("name", "code", "fix"),
    [
        ("llma", "unknown-model", "did you mean `llama`?"),
        ("attention_gate_llma", "unknown-model", "did you mean `attention_gate_llama`?"),
        ("no_such_model", "unknown-model", "convert it, or see generated/ for those that are there"),
        ("Llama", "bad-model", "did you mean `llama`?"),
        ("", "bad-model", "convert it, or see generated/ for those that are there"),
    ],
)
def test_an_unknown_model_is_refused_by_name(
    name: str, code: str, fix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.smoke(["--model", name, "--json"]) == 2
    said = capsys.readouterr()
    (problem,) = json.loads(said.out)["problems"]
    assert (problem["code"], problem["fix"]) == (code, fix) and f"there is no gated model {name!r}; {fix}" in said.err


def test_a_broken_gate_fails(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    model = smoke.tiny_model("llama")
    torch.nn.init.constant_(model.model.layers[2].quality_gate.gate.weight, torch.nan)
    monkeypatch.setattr(smoke, "tiny_model", lambda name: model)
    assert cli.smoke(["--model", "llama"]) == 1
    assert "expected finite scores of shape (4, 2, 6)" in capsys.readouterr().out


def test_a_package_without_a_language_model_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import generated.quality_gate_llama.modeling_quality_gate_llama as modeling

    monkeypatch.setattr(modeling, "__all__", ["QualityGateLlamaModel"])
    with pytest.raises(LookupError, match=r"exports no class named ...ForCausalLM: QualityGateLlamaModel"):
        smoke.tiny_model("llama")
    with pytest.raises(ImportError):
        smoke.tiny_model("no_such_model")
