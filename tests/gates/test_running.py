"""Every way transformers runs a model gives the base's results, with scores on."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from pathlib import Path
from types import MethodType, ModuleType
from typing import Any

import pytest
import torch
from families import FAMILIES, HIDDEN, LAYERS, Family, gates, left_padded, tokens, word_tokenizer
from rounding.comparing import assert_equal_but_for_rounding, assert_equal_but_for_ties, rounding_bound

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
    # Requests run packed behind one another, [1, tokens, 1] for all of them: what the gates say is seen on their way out
    scores = []
    hook = gates(gated)[-1].register_forward_hook(lambda *call: scores.append(call[-1][0].detach().clone()))
    expected, actual = (
        [each.generated_tokens for each in model.generate_batch(prompts, **options).values()]
        for model in (base, gated)
    )
    hook.remove()
    assert [len(each) for each in actual] == [8, 8]
    assert actual == expected
    packed = torch.cat([each.flatten() for each in scores])
    for prompt in prompts:
        alone = gated(torch.tensor([prompt])).quality_logits[-1].flatten()
        within = rounding_bound(HIDDEN, alone.abs().max().item())
        assert ((packed[:, None] - alone).abs().min(0).values <= within).all()


QUANTIZED = {"cache_implementation": "quantized", "cache_config": {"backend": "fp8"}, **GREEDY}


def test_quantized_cache(family: Family) -> None:
    sizes = {name: value for name, value in family.sizes.items() if name != "use_sliding_window"}
    family = replace(family, sizes=sizes | {"layer_types": ["full_attention"] * LAYERS})
    base, gated = family.pair(output_router_logits=True)
    every = {"output_logits": True, "return_dict_in_generate": True}
    expected, actual = (model.generate(tokens(), **QUANTIZED, **every) for model in (base, gated))
    assert torch.equal(actual.sequences, expected.sequences)
    assert all(map(torch.equal, actual.logits, expected.logits))
    exact = base.generate(tokens(), **GREEDY, **every)
    assert not torch.equal(actual.logits[-1], exact.logits[-1])  # the cache did lose bits


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.sizes], ids=str)
def test_sliding_windows_have_no_quantized_cache_as_in_the_base(family: Family) -> None:
    for model in family.pair():
        with pytest.raises(ValueError, match="only full attention layers"):
            model.generate(tokens(), **QUANTIZED)


def test_assisted_decoding(family: Family) -> None:
    base, gated = family.pair(output_router_logits=True)
    batch = tokens(1)
    expected = base.generate(batch, **GREEDY, return_dict_in_generate=True, output_logits=True)
    assert_equal_but_for_ties(gated.generate(batch, **GREEDY, assistant_model=base), expected, HIDDEN)
    assert_equal_but_for_ties(base.generate(batch, **GREEDY, assistant_model=gated), expected, HIDDEN)


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
    for name in ("logits", "loss", "quality_logits"):  # of weights that lie elsewhere in memory
        assert_equal_but_for_rounding(outputs[name], expected[name], HIDDEN, name)


def kernel_classes(module: ModuleType) -> set[str]:
    """The classes whose `forward` may be replaced where kernels of the hub are switched on."""
    return set(re.findall(r"@use_kernel_forward_from_hub\(.*\)\nclass (\w+)", inspect.getsource(module)))


def test_kernels_of_the_hub_do_not_bypass_the_gate(family: Family) -> None:
    bases = kernel_classes(inspect.getmodule(family.base_class("ForCausalLM")))
    replaced = kernel_classes(family.modeling)
    assert replaced == {f"QualityGate{name}" for name in bases}  # so neither the gate nor the layer that calls it
    gated = family.gated(output_router_logits=True)
    expected = gated(tokens())
    ran = []
    for module in gated.modules():  # what `use_kernels=True` does: a forward of another class, bound to the module
        if type(module).__name__ in replaced or type(module).__name__.endswith("MLP"):

            def kernel(self: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
                ran.append(self)
                return type(self).forward(self, *args, **kwargs)

            module.forward = MethodType(kernel, module)
    outputs = gated(tokens())
    assert len(ran) >= LAYERS and torch.equal(outputs.logits, expected.logits)
    assert all(map(torch.equal, outputs.quality_logits, expected.quality_logits))


def test_scores_of_a_generated_text_are_those_of_a_forward_over_it(family: Family) -> None:
    model, batch = family.gated(), tokens(2, 5)
    generated = model.generate(batch, attention_mask=torch.ones_like(batch), max_new_tokens=4, do_sample=False)
    scores = model(generated, attention_mask=torch.ones_like(generated), output_router_logits=True).quality_logits
    asked = {"output_router_logits": True, "return_dict_in_generate": True, "do_sample": False}
    outputs = model.generate(batch, attention_mask=torch.ones_like(batch), max_new_tokens=4, **asked)
    assert torch.equal(outputs.sequences, generated) and "quality_logits" not in outputs
    assert [each.shape for each in scores] == [(*generated.shape, 1)] * LAYERS


def test_text_generation_pipeline(family: Family) -> None:
    models = family.pair(output_router_logits=True)
    pipelines = [pipeline("text-generation", model=model, tokenizer=word_tokenizer()) for model in models]
    texts = ["a b c", "d e f g", "h"]
    expected, actual = (
        [text["generated_text"] for (text,) in each(texts, batch_size=2, **GREEDY)] for each in pipelines
    )
    assert actual == expected
    assert all(text.startswith(prompt) for text, prompt in zip(actual, texts)) and actual != texts


def test_text_classification_pipeline(family: Family) -> None:
    base, gated = family.pair("ForSequenceClassification")
    expected, actual = (
        pipeline("text-classification", model=model, tokenizer=word_tokenizer())(["a b c", "d e f g"], batch_size=2)
        for model in (base, gated)
    )
    assert actual == expected and len(actual) == 2
    gated.config.output_router_logits = True
    assert pipeline("text-classification", model=gated, tokenizer=word_tokenizer())("a b c") == expected[:1]
