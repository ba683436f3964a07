"""Keys of rows follow everything that they are made of: the rows, the layers below the gate, the gate itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from memory_models import small_model


SENTENCES = torch.arange(2, 2 + 16 * 32).reshape(16, 32) % 250 + 2


def filled_model() -> Any:
    """A model whose bank is full, and whose keys are made."""
    model = small_model()
    model.write_memory(torch.arange(16), SENTENCES)
    keys_of(model)
    return model


def keys_of(model: Any) -> torch.Tensor:
    """The keys that the next forward goes by, `[rows, knowledge_dim]`."""
    with torch.no_grad():
        model(SENTENCES[:1])
    keys: torch.Tensor = model.base_model.memory.keys
    return keys.clone()


def assert_keys_are_of_their_rows(model: Any, before: torch.Tensor) -> None:
    """Those in use are those of the rows as they are, and not those of before."""
    kept, right = keys_of(model), model.memory_keys(model.memory_bank)
    torch.testing.assert_close(kept, right, rtol=1e-4, atol=1e-4)
    assert (kept - before).abs().amax() > 0.01, "nothing has changed, so that this shows nothing"


def load_by_assignment(model: Any) -> None:
    generator = torch.Generator().manual_seed(1)
    weights = {
        name: each if "memory" in name else torch.randn(each.shape, generator=generator) * 0.1
        for name, each in model.state_dict().items()
    }
    model.load_state_dict(weights, assign=True)


def load_by_copying(model: Any) -> None:
    other = torch.randn(258, 16, generator=torch.Generator().manual_seed(1))
    model.load_state_dict({"model.embed_tokens.weight": other}, strict=False)


def set_embeddings(model: Any) -> None:
    torch.manual_seed(1)
    model.set_input_embeddings(torch.nn.Embedding(258, 16))


def replace_a_layer(model: Any) -> None:
    model.model.layers[0] = small_model().model.layers[0]
    torch.nn.init.normal_(model.model.layers[0].self_attn.v_proj.weight)


def adapt(model: Any, name: str = "default") -> None:
    peft = pytest.importorskip("peft")
    options = {"target_modules": ["v_proj"], "init_lora_weights": False, "r": 4, "lora_alpha": 64}
    peft.get_peft_model(model, peft.LoraConfig(**options), adapter_name=name)


def adapt_as_memory(model: Any) -> None:
    adapt(model, "memory_of_pets")


CHANGES = [load_by_assignment, load_by_copying, set_embeddings, replace_a_layer, adapt, adapt_as_memory]


@pytest.mark.parametrize("change", CHANGES)
def test_keys_follow_the_layers_below_the_gate(change: Callable[[Any], None]) -> None:
    torch.manual_seed(2)
    model = filled_model()
    before = keys_of(model)
    change(model)
    assert_keys_are_of_their_rows(model, before)


def test_keys_follow_adapters_that_are_switched() -> None:
    peft = pytest.importorskip("peft")
    torch.manual_seed(2)
    model = filled_model()
    options = {"target_modules": ["v_proj"], "init_lora_weights": False, "r": 4, "lora_alpha": 64}
    adapted = peft.get_peft_model(model, peft.LoraConfig(**options))
    adapted.add_adapter("other", peft.LoraConfig(**options))
    before = keys_of(model)
    with adapted.disable_adapter():
        assert_keys_are_of_their_rows(model, before)
        without = keys_of(model)
    assert_keys_are_of_their_rows(model, without)
    adapted.set_adapter("other")
    assert_keys_are_of_their_rows(model, before)


def test_an_adapter_that_is_loaded_in_the_place_of_another_is_seen() -> None:
    peft = pytest.importorskip("peft")
    model = filled_model()
    options = {"target_modules": ["v_proj"], "init_lora_weights": False, "r": 4, "lora_alpha": 64}
    adapted = peft.get_peft_model(model, peft.LoraConfig(**options))
    adapted.add_adapter("other", peft.LoraConfig(**options))
    for seed in range(5):
        before = keys_of(model)
        torch.manual_seed(seed)
        adapted.delete_adapter("default")
        adapted.add_adapter("default", peft.LoraConfig(**options))
        adapted.set_adapter("default")
        assert_keys_are_of_their_rows(model, before)


@pytest.mark.parametrize("change", ["row", "embedding", "gate"])
def test_a_model_that_was_built_for_inference_alone_follows_changes_too(change: str) -> None:
    with torch.inference_mode():
        model = filled_model()
        before = keys_of(model)
        if change == "row":
            model.memory_bank[3] = SENTENCES[3].flip(0)
        elif change == "embedding":
            model.model.embed_tokens.weight.mul_(-1).add_(0.01)
        else:
            model.model.layers[1].memory_gate.projection.weight.neg_()
        assert model.memory_bank.is_inference()
        assert_keys_are_of_their_rows(model, before)


def test_a_bank_that_was_read_in_inference_mode_is_written_outside_of_it() -> None:
    model = filled_model()
    with torch.inference_mode():
        model.base_model.memory.forget()
        before = keys_of(model)
    model.write_memory(torch.tensor([3]), SENTENCES[3:4].flip(1))
    assert_keys_are_of_their_rows(model, before)
    model.memory_bank[3] = SENTENCES[3]
    with torch.inference_mode():
        model.write_memory(torch.tensor([4]), SENTENCES[4:5].flip(1))
        assert_keys_are_of_their_rows(model, before)


def test_a_bank_that_was_made_in_inference_mode_is_written_outside_of_it() -> None:
    with torch.inference_mode():
        model = filled_model()
        before = keys_of(model)
    model.write_memory(torch.tensor([3]), SENTENCES[3:4].flip(1))
    assert_keys_are_of_their_rows(model, before)


def test_a_bank_of_cells_that_were_made_in_inference_mode_is_written_outside_of_it() -> None:
    model = small_model(num=5041)
    model.write_memory(torch.arange(16), SENTENCES)
    with torch.inference_mode():
        before = keys_of(model)
    model.write_memory(torch.tensor([3, 4000]), SENTENCES[3:5].flip(1))
    assert_keys_are_of_their_rows(model, before)
