"""A gate that only observes changes nothing: gated models compute what their bases compute, bit for bit."""

from __future__ import annotations

import pytest
import torch
from families import FAMILIES, HEADS, HIDDEN, Family, left_padded, tokens
from rounding.comparing import assert_equal_but_for_ties


WITH_ATTENTION = [(family, attention) for family in FAMILIES for attention in family.attentions]
WITH_HEAD = [(family, head) for family in FAMILIES for head in HEADS if head in family.heads]


@pytest.mark.parametrize(("family", "attention"), WITH_ATTENTION, ids=str)
@pytest.mark.parametrize("scores", [False, True], ids=["unscored", "scored"])
def test_logits_equal_the_bases(family: Family, attention: str, scores: bool) -> None:
    base, gated = family.pair(attention=attention)
    batch, mask = left_padded(tokens(), 3)
    with torch.no_grad():
        expected = base(batch, attention_mask=mask, labels=batch)
        actual = gated(batch, attention_mask=mask, labels=batch, output_router_logits=scores)
    assert gated.config._attn_implementation == attention
    assert torch.equal(actual.logits, expected.logits)
    assert torch.equal(actual.lm_loss, expected.loss)


@pytest.mark.parametrize(("family", "attention"), WITH_ATTENTION, ids=str)
def test_cached_logits_equal_the_bases(family: Family, attention: str) -> None:
    base, gated = family.pair(attention=attention)
    batch, mask = left_padded(tokens(), 3)
    steps = []
    for model, asked in ((base, {}), (gated, {"output_router_logits": True})):
        with torch.no_grad():
            first = model(batch[:, :6], attention_mask=mask[:, :6], use_cache=True)
            second = model(batch[:, 6:], attention_mask=mask, **{family.cache: first[family.cache]}, **asked)
        steps.append((first.logits, second.logits))
    assert all(map(torch.equal, *steps))
    assert second.quality_logits[0].shape == (2, 3, 1)
    assert second.quality_loss is None  # generating, nobody asks for it


@pytest.mark.filterwarnings("ignore:.*past_key_values.*:FutureWarning")
def test_the_old_name_of_a_cache_gives_the_bases_result(family: Family) -> None:
    if family.cache == "past_key_values":
        pytest.skip("this transformers has no other name for a cache")
    base, gated = family.pair()
    batch, mask = left_padded(tokens(), 3)
    logits = []
    for model, asked in ((base, {}), (gated, {"output_router_logits": True})):
        with torch.no_grad():
            cache = model(batch[:, :6], attention_mask=mask[:, :6], use_cache=True)[family.cache]
            logits.append(model(batch[:, 6:], attention_mask=mask, past_key_values=cache, **asked).logits)
        assert cache.get_seq_length() == batch.shape[1]
    assert torch.equal(*logits)


def test_labels_bring_the_quality_loss_back_beside_a_cache(family: Family) -> None:
    gated = family.gated()
    batch, mask = left_padded(tokens(), 3)
    with torch.no_grad():
        cache = gated(batch[:, :6], attention_mask=mask[:, :6], use_cache=True)[family.cache]
        options = {"attention_mask": mask, family.cache: cache, "output_router_logits": True}
        labelled = gated(batch[:, 6:], labels=batch[:, 6:], **options)
    assert 0 < labelled.quality_loss < 1
    assert labelled.loss > labelled.lm_loss


@pytest.mark.parametrize(("family", "attention"), WITH_ATTENTION, ids=str)
def test_generation_equals_the_bases(family: Family, attention: str) -> None:
    base, gated = family.pair(attention=attention)
    batch, mask = left_padded(tokens(), 3)
    options = {"attention_mask": mask, "max_new_tokens": 8, "min_new_tokens": 8, "do_sample": False}
    expected = base.generate(batch, **options, return_dict_in_generate=True, output_logits=True)
    assert torch.equal(gated.generate(batch, **options), expected.sequences)
    assert torch.equal(gated.generate(batch, **options, output_router_logits=True), expected.sequences)
    assert_equal_but_for_ties(gated.generate(batch, **options, use_cache=False), expected, HIDDEN)
    gated.config.output_router_logits = True
    static = gated.generate(batch, **options, cache_implementation="static", disable_compile=True)
    assert_equal_but_for_ties(static, expected, HIDDEN)


@pytest.mark.parametrize(("family", "head"), WITH_HEAD, ids=str)
def test_every_head_equals_the_bases(family: Family, head: str) -> None:
    base, gated = family.pair(head)
    batch, mask = left_padded(tokens(), 3)
    with torch.no_grad():
        expected = base(batch, attention_mask=mask)
        actual = gated(batch, attention_mask=mask, output_router_logits=True)
    assert all(torch.equal(actual[key], expected[key]) for key in expected if "logits" in key)
    assert [each.shape for each in actual.quality_logits] == [(2, 9, 1)] * 2
    assert 0 < actual.quality_loss < 1


def test_the_base_model_equals_the_bases(family: Family) -> None:
    base, gated = family.pair("Model")
    batch, mask = left_padded(tokens(), 3)
    with torch.no_grad():
        expected = base(batch, attention_mask=mask, output_hidden_states=True)
        actual = gated(batch, attention_mask=mask, output_hidden_states=True, output_router_logits=True)
    assert torch.equal(actual.last_hidden_state, expected.last_hidden_state)
    assert all(map(torch.equal, actual.hidden_states, expected.hidden_states))
    assert len(actual.quality_logits) == 2
    assert 0 < actual.quality_loss < 1
