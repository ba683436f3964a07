"""Every way transformers runs a model gives the base's results, with scores on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from families import FAMILIES, LAYERS, Family, left_padded, tokens, word_tokenizer

from transformers import GenerationConfig, pipeline
from transformers.generation import ContinuousBatchingConfig


WITH_FLEX = [family for family in FAMILIES if "sdpa" in family.attentions]  # sinks have no flex attention on CPU
GREEDY = {"max_new_tokens": 8, "min_new_tokens": 8, "do_sample": False}


@pytest.mark.parametrize("family", WITH_FLEX, ids=str)
def test_flex_attention(family: Family) -> None:
    base, gated = family.pair(attention="flex_attention", output_router_logits=True)
    batch, mask = left_padded(tokens(), 3)
    with torch.no_grad():
        with torch.compiler.set_stance("force_eager"):  # compiling the same kernel takes a minute
            outputs = gated(batch, attention_mask=mask)
            assert torch.equal(outputs.logits, base(batch, attention_mask=mask).logits)
    assert len(outputs.quality_logits) == LAYERS


def test_continuous_batching(family: Family) -> None:
    base, gated = family.pair(output_router_logits=True)
    options = {
        "generation_config": GenerationConfig(max_new_tokens=8, do_sample=False, eos_token_id=-1, pad_token_id=0),
        "continuous_batching_config": ContinuousBatchingConfig(num_blocks=16, max_batch_tokens=64),
        "progress_bar": False,
    }
    prompts = [tokens(1, 9)[0].tolist(), tokens(1, 5, seed=2)[0].tolist()]
    expected, actual = (
        [each.generated_tokens for each in model.generate_batch(prompts, **options).values()]
        for model in (base, gated)
    )
    assert [len(each) for each in actual] == [8, 8]
    assert actual == expected


def test_assisted_decoding(family: Family) -> None:
    base, gated = family.pair(output_router_logits=True)
    batch = tokens(1)
    expected = base.generate(batch, **GREEDY)
    assert torch.equal(gated.generate(batch, **GREEDY, assistant_model=base), expected)
    assert torch.equal(base.generate(batch, **GREEDY, assistant_model=gated), expected)


def test_sampling_and_beams(family: Family) -> None:
    base, gated = family.pair(output_router_logits=True)
    batch, mask = left_padded(tokens(), 3)
    for options in ({"do_sample": True, "top_k": 5}, {"num_beams": 2}):
        torch.manual_seed(0)
        expected = base.generate(batch, attention_mask=mask, **{**GREEDY, **options})
        torch.manual_seed(0)
        assert torch.equal(gated.generate(batch, attention_mask=mask, **{**GREEDY, **options}), expected)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_layers_on_several_devices(family: Family, tmp_path: Path) -> None:
    accelerate = pytest.importorskip("accelerate")
    gated = family.gated(quality_gate_init_std=1)
    expected = gated(tokens(), labels=tokens(), output_router_logits=True)
    # The second layer lives on disk, and its weights visit the CPU: two devices as far as accelerate is concerned.
    places = {"model.embed_tokens": "cpu", "model.layers.0": "cpu", "model.layers.1": "disk"}
    places |= {"model.norm": "cpu", "model.rotary_emb": "cpu", "lm_head": "cpu"}
    spread = accelerate.dispatch_model(gated, places, offload_dir=str(tmp_path), main_device="cpu")
    outputs = spread(tokens(), labels=tokens(), output_router_logits=True)
    assert torch.equal(outputs.logits, expected.logits) and torch.equal(outputs.loss, expected.loss)
    assert all(map(torch.equal, outputs.quality_logits, expected.quality_logits))


def test_kernels_of_the_hub_do_not_bypass_the_gate(family: Family) -> None:
    gated = family.gated(output_router_logits=True)
    expected = gated(tokens())
    for layer in gated.model.layers:  # what `use_kernels=True` does to a layer: another forward for the same module
        forward = layer.mlp.forward
        layer.mlp.forward = lambda hidden_states, forward=forward: forward(hidden_states)
    outputs = gated(tokens())
    assert all(map(torch.equal, outputs.quality_logits, expected.quality_logits))


def test_text_generation_pipeline(family: Family) -> None:
    models = family.pair(output_router_logits=True)
    pipelines = [pipeline("text-generation", model=model, tokenizer=word_tokenizer()) for model in models]
    expected, actual = (each("a b c", **GREEDY)[0]["generated_text"] for each in pipelines)
    assert actual == expected and actual.startswith("a b c") and len(actual) > 5


def test_text_classification_pipeline(family: Family) -> None:
    base, gated = family.pair("ForSequenceClassification")
    expected, actual = (
        pipeline("text-classification", model=model, tokenizer=word_tokenizer())(["a b c", "d e f g"], batch_size=2)
        for model in (base, gated)
    )
    assert actual == expected and len(actual) == 2
    gated.config.output_router_logits = True
    assert pipeline("text-classification", model=gated, tokenizer=word_tokenizer())("a b c") == expected[:1]
