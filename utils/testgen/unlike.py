"""Tests that some bases cannot pass themselves: of their gated versions they would say nothing.

An entry is taken from a measurement: the same steps with the base alone fail in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping


_BAMBA = "Bamba gives other logits with a cache than without, by a thousandth"
_DEPTH = "the depth decoder of CSM goes on from the state of another model, from a first place that is no token"
_WINDOWS = "DeepSeek-V4 compresses windows of tokens, padding included"
_DOGE = "Doge has no experts by default, and those it can have are chosen by other tokens as well"
_PER_LAYER = "per-layer inputs follow the feed-forward network, not linearly"
_INKLING = "Inkling 2 cannot be cast as a whole: it expects float32 where it says so"
_RECURRENT = "the recurrence of RecurrentGemma takes padding for tokens"
_OUTSIDE = "Zamba adds the residual outside of the layer"
_MOSHI = "Moshi gives other logits with a cache than without"
_KOSMOS = "Kosmos generates from other positions than its forward pass counts"

# The base's folder in transformers: the name of a class of tests or of one test: the reason.
UNLIKE: Mapping[str, Mapping[str, str]] = {
    "bamba": {"test_a_cache_gives_what_a_whole_pass_gives": _BAMBA},
    "clvp": {
        "test_resizing_keeps_what_was_there": "CLVP resizes its embeddings, and not its head",
        "test_gradient_checkpointing_changes_no_gradient": "CLVP declares gradient checkpointing, and does none",
    },
    "csm": {
        "TestGeneration": _DEPTH,
        "test_forward": _DEPTH,
        "test_embeddings_stand_in_for_tokens": _DEPTH,
        "test_resizing_keeps_what_was_there": "CSM cannot resize the embeddings of its codebooks",
        "test_kinds_of_attention_agree": _DEPTH,
        "test_the_side_of_padding_does_not_matter": _DEPTH,
        "test_padding_is_as_good_as_nothing": _DEPTH,
        "test_text_generation": _DEPTH,
    },
    "dbrx": {"test_tied_embeddings_stay_tied": "DBRX refuses to tie its embeddings"},
    "deepseek_v4": {
        "test_embeddings_stand_in_for_tokens": "DeepSeek-V4 routes its first layers by the tokens themselves",
        "test_padding_changes_no_score": _WINDOWS,
        "test_the_side_of_padding_does_not_matter": _WINDOWS,
        "test_padding_is_as_good_as_nothing": _WINDOWS,
    },
    "doge": {"test_router_logits_stay_those_of_the_experts": _DOGE},
    "gemma3n": {"test_the_good_ratio_scales_the_feed_forward_network_alone": _PER_LAYER},
    "gemma4": {
        "test_the_good_ratio_scales_the_feed_forward_network_alone": _PER_LAYER,
        "test_a_shut_gate_leaves_what_is_there_without_the_network": "the experts of Gemma 4 read the residual",
    },
    "inkling2": {"test_half_precision_equals_the_bases": _INKLING, "test_half_precision_is_finite": _INKLING},
    "kosmos2": {"test_padding_changes_no_text": _KOSMOS},
    "kosmos2_5": {"test_padding_changes_no_text": _KOSMOS},
    "moshi": {
        "test_a_cache_gives_what_a_whole_pass_gives": _MOSHI,
        "test_a_base_and_a_gated_model_assist_each_other": _MOSHI,
        "test_scaled_models_generate_alike_with_a_cache_and_without": _MOSHI,
    },
    "qwen4_exp": {"TestCompile": "the indexer of Qwen4-exp branches on what the mask holds"},
    "recurrent_gemma": {
        "test_padding_changes_no_score": _RECURRENT,
        "test_kinds_of_attention_agree": _RECURRENT,
        "test_the_side_of_padding_does_not_matter": _RECURRENT,
        "test_padding_is_as_good_as_nothing": _RECURRENT,
    },
    "zamba": {"test_a_shut_gate_leaves_what_is_there_without_the_network": _OUTSIDE},
}
NO_FLEX: Mapping[str, str] = {"doge": "Doge gives other logits with flex attention"}
NO_STATIC_CACHE: Mapping[str, str] = {"kosmos2": "the masks of Kosmos-2 are none of a static cache"}


def skip_what_the_base_lacks(text: str, base: str) -> str:
    """The text of a rendered suite with a mark on every test in `UNLIKE[base]`.

    Raises:
        LookupError: the suite has no such test.
    """
    for name, reason in UNLIKE.get(base, {}).items():
        mark = rf'\1@pytest.mark.skip(reason="{reason}")\n\1\2 {name}'
        text, found = re.subn(rf"^( *)(class|def) {name}\b", mark, text, flags=re.MULTILINE)
        if not found:
            raise LookupError(f"the suite has no {name}, which testgen.unlike leaves out for {base}")
    return text
