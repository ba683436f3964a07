"""Attention gates as something to look at: rows are heads, values are what the gates multiply by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from seen import model, tokenizer
from viewing.attention import attention_gates
from viewing.cli import main
from viewing.kinds import panel_of

from generated.attention_gate_llama import AttentionGateLlamaConfig, AttentionGateLlamaForCausalLM


TEXT = "the plain words"


def gated(mode: str, init: str) -> AttentionGateLlamaForCausalLM:
    torch.manual_seed(0)
    config = AttentionGateLlamaConfig(
        vocab_size=400,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        initializer_range=0.5,
        attention_gate_mode=mode,
        attention_gate_init=init,
    )
    return AttentionGateLlamaForCausalLM(config).eval()


@pytest.mark.parametrize(("init", "high", "opened"), [("paper", 1.0, "passed on"), ("identity", 2.0, "doubled")])
@pytest.mark.parametrize("mode", ["headwise", "elementwise"])
def test_values_are_the_gates_of_each_head(mode: str, init: str, high: float, opened: str) -> None:
    attention, words = gated(mode, init), tokenizer()
    panel = attention_gates(attention, words, TEXT, "a text")
    assert panel.rows == tuple(f"layer {layer}, head {head}" for layer in range(3) for head in range(2))
    with torch.inference_mode():
        outputs = attention(words(TEXT, return_tensors="pt").input_ids, output_attention_gates=True)
    expected = [gates[0, :, head].mean(-1).tolist() for gates in outputs.attention_gates for head in range(2)]
    assert [list(row) for row in panel.scores] == [pytest.approx(row, rel=1e-6) for row in expected]
    assert panel.values() == [list(row) for row in panel.scores] and (panel.title, panel.text) == ("a text", TEXT)
    assert (panel.measure.low, panel.measure.high, panel.measure.open) == (0.0, high, opened)
    assert panel.numbers["perplexity"][0] is None and len(panel.numbers["perplexity"]) == len(panel.tokens)


def test_each_kind_is_shown_as_its_own(tmp_path: Path) -> None:
    gated("headwise", "paper").save_pretrained(tmp_path / "attention")
    tokenizer().save_pretrained(tmp_path / "attention")
    page = tmp_path / "page.html"
    assert main(["--model", str(tmp_path / "attention"), "--text", TEXT, "--output", str(page)]) == 0
    data = page.read_text(encoding="utf-8").split('<script id="data" type="application/json">')[1]
    found = json.loads(data.split("</script>")[0])
    assert found["measure"]["value"] == "gate" and found["panels"][0]["rows"][-1] == "layer 2, head 1"
    assert panel_of(model(), tokenizer(), TEXT, "").measure.value == "good ratio"


def test_kinds_do_not_mix_on_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, each in (("attention", gated("headwise", "paper")), ("quality", model())):
        each.save_pretrained(tmp_path / name)
        tokenizer().save_pretrained(tmp_path / name)
    capsys.readouterr()
    given = ["--model", str(tmp_path / "quality"), "--against", str(tmp_path / "attention"), "--text", TEXT]
    assert main([*given, "--output", str(tmp_path / "page.html")]) == 2
    assert "gates of another kind" in capsys.readouterr().err and not (tmp_path / "page.html").exists()


def test_a_kind_that_nobody_shows_is_named() -> None:
    other = model()
    other.config.model_type = "select_gate_llama"
    with pytest.raises(TypeError, match="has select gates; shown are those of quality, attention, memory"):
        panel_of(other, tokenizer(), TEXT, "")
    with pytest.raises(TypeError, match="QualityGateLlamaForCausalLM has no attention gates"):
        attention_gates(model(), tokenizer(), TEXT)
