"""Gated models of other kinds are scored as Llama is: by their own forward's numbers, batched and padded."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch
from facts.project import facts_of
from facts.tiny import tiny_fields
from selection.forward import Scorer
from selection.models import loaded_from
from selection_models import byte_tokenizer


# A factor on logits, a soft cap, experts, learned positions, a head with layers of its own, a recurrent base
ARCHITECTURES = ("cohere", "gemma2", "mixtral", "gpt2", "bert", "granite")
DOCUMENTS = [[5, 9, 14, 33, 21, 8, 40], [7, 12, 30], [25, 6, 18, 44, 11]]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_numbers_are_those_of_the_models_own_forward(name: str) -> None:
    facts = facts_of(name)
    head = next(each for each in facts.models if each.name.endswith(("ForCausalLM", "LMHeadModel")))
    module = importlib.import_module(f"generated.{facts.package}.modeling_{facts.package}")
    config = importlib.import_module(f"generated.{facts.package}.configuration_{facts.package}")
    torch.manual_seed(0)
    fields = tiny_fields(facts.text_config.fields, facts.name) | {"vocab_size": 260}
    model = getattr(module, head.name)(getattr(config, head.config)(**fields, quality_gate_init_std=0.5)).eval()
    scorer = Scorer(loaded_from(model, byte_tokenizer(), name), router=name == "mixtral")
    for document, found in zip(DOCUMENTS, scorer.score(DOCUMENTS), strict=True):
        tokens = torch.tensor([document])
        with torch.inference_mode():
            outputs = model(tokens, attention_mask=torch.ones_like(tokens), output_router_logits=True)
        means = torch.stack(outputs.quality_logits)[:, 0, :, 0].sigmoid().double().mean(1).numpy()
        np.testing.assert_allclose(found.layer_means, means, rtol=1e-4)
        loss = torch.nn.functional.cross_entropy(outputs.logits[0, :-1].float(), tokens[0, 1:])
        assert found.perplexity == pytest.approx(float(loss.exp()), rel=1e-3)
        assert (found.router is not None) == (name == "mixtral")
