"""Memory gates as something to look at: values are how far rows were let in, and notes are what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from seen import tokenizer
from viewing.cli import main
from viewing.kinds import panel_of
from viewing.memory import READ, memory_reads

from generated.memory_gate_llama import MemoryGateLlamaConfig, MemoryGateLlamaForCausalLM


TEXT = "the plain words"
SIZES = {"vocab_size": 400, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3}
HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64}
MEMORY = {"knowledge_num": 4, "knowledge_length": 8, "knowledge_dim": 8, "num_candidates": 2, "pad_token_id": 0}


def gated(design: str = "content") -> MemoryGateLlamaForCausalLM:
    """A model whose memory has one row, which it lets in at every token."""
    torch.manual_seed(0)
    config = MemoryGateLlamaConfig(**SIZES, **HEADS, **MEMORY, memory_design=design, memory_query_layer=0)
    model = MemoryGateLlamaForCausalLM(config).eval()
    words = tokenizer()("plain words", add_special_tokens=False)["input_ids"][:8]
    model.write_memory(torch.tensor([2]), torch.tensor([words + [0] * (8 - len(words))]))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("null_similarity"):
                parameter.fill_(-2.0)  # below any cosine
    return model


@pytest.mark.parametrize(("design", "rows"), [("content", 1), ("original", 3)])
def test_values_are_how_far_rows_are_let_in(design: str, rows: int) -> None:
    memory, words = gated(design), tokenizer()
    panel = memory_reads(memory, words, TEXT, "a text")
    with torch.inference_mode():
        outputs = memory(words(TEXT, return_tensors="pt").input_ids, output_memory=True)
    assert panel.rows == (("memory",) if rows == 1 else tuple(f"layer {number}" for number in range(rows)))
    assert [list(row) for row in panel.scores] == [pytest.approx(each[0].tolist()) for each in outputs.memory_alphas]
    assert panel.values() == [list(row) for row in panel.scores] and panel.measure.value == "alpha"
    assert len(panel.notes) == len(panel.tokens) == len(panel.numbers["perplexity"])


def test_notes_say_what_was_read_and_nothing_else() -> None:
    memory, words = gated(), tokenizer()
    panel = memory_reads(memory, words, TEXT)
    assert max(panel.scores[0]) > READ, "the test's model reads nothing, and so says nothing"
    for alpha, notes in zip(panel.scores[0], panel.notes, strict=True):
        assert bool(notes) == (alpha >= READ)
        for note in notes:
            assert note.startswith(f"memory, alpha {alpha:.2f}, row 2: ") and "words" in note


def test_other_models_are_refused() -> None:
    with pytest.raises(TypeError, match="has no memory gates"):
        memory_reads(torch.nn.Linear(1, 1), tokenizer(), TEXT)


def test_a_checkpoint_with_a_bank_is_a_page(tmp_path: Path) -> None:
    gated().save_pretrained(tmp_path / "memory")
    tokenizer().save_pretrained(tmp_path / "memory")
    page = tmp_path / "page.html"
    assert main(["--model", str(tmp_path / "memory"), "--text", TEXT, "--output", str(page)]) == 0
    data = page.read_text(encoding="utf-8").split('<script id="data" type="application/json">')[1]
    found = json.loads(data.split("</script>")[0])
    assert found["measure"]["value"] == "alpha" and found["panels"][0]["rows"] == ["memory"]
    assert any("row 2" in note for notes in found["panels"][0]["notes"] for note in notes)


def test_the_kind_is_known_by_the_model() -> None:
    assert panel_of(gated(), tokenizer(), TEXT, "x").rows == ("memory",)
