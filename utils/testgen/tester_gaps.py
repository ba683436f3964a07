"""What transformers' tester for language models gets wrong of other models, read off their files.

Encoders that decode (BERT and its kin), decoders without their encoder and layers that do not attend have test files of
their own there, which set other attributes and override other tests.
"""

from __future__ import annotations

import re
from collections.abc import Collection


# Both biases of a head are one parameter where embeddings are tied: untied, one of them is in no forward and gets no gradient.
_TIED_BIAS = re.compile(r'"[\w.]+\.bias": "[\w.]+\.bias"')
_LABELLED_ANSWERS = re.compile(r"self\.qa_outputs = nn\.Linear\([\w.]+, config\.num_labels\)")
_TWO_HALVES = re.compile(r"^    is_encoder_decoder: [\w |]+ = True$", re.MULTILINE)
_CROSS_ATTENTION = "self.encoder_attn = "
_WHERE_ASKED = "add_cross_attention"  # by the configuration, and it asks for none by default
HYBRID = ("linear_attention", "full_attention")
_ROUTER_LOSS = "load_balancing_loss_func("
_RECORDED = re.compile(r'"router_logits": OutputRecorder\((\w+)')
_DELTA_RULE = (
    *("linear_num_key_heads", "linear_num_value_heads", "linear_key_head_dim", "linear_value_head_dim"),
    "linear_conv_kernel_dim",
)


def sizes_of_model(modeling: str, configuration: str) -> dict[str, bool]:
    """Attributes that the tester has otherwise than this model can be tested with."""
    sizes = {"tie_word_embeddings": True} if _TIED_BIAS.search(modeling) else {}
    return sizes | ({"is_encoder_decoder": False} if _TWO_HALVES.search(configuration) else {})


def skips_of_model(modeling: str, configuration: str) -> dict[str, str]:
    """Tests of the tester that ask of a model what its base has otherwise, with the reason."""
    skips = {}
    if _LABELLED_ANSWERS.search(modeling):
        why = "The head has an output for each label, as the head of the base has, and the test asks for three"
        skips["test_question_answering_model"] = why
    if _CROSS_ATTENTION in modeling and _WHERE_ASKED not in modeling:
        why = "Without an encoder nothing reads its states, in the base neither, so that weights for them get no gradient"
        skips |= {f"test_training_gradient_checkpointing{which}": why for which in ("", "_use_reentrant_false")}
    if is_hybrid(configuration):
        why = "The base, too, has layers that do not attend, and the test counts attentions of all"
        skips["test_attention_outputs"] = why
    return skips


def is_hybrid(configuration: str) -> bool:
    """Whether layers of linear attention stand between layers that attend."""
    return all(f'"{kind}"' in configuration for kind in HYBRID)


def states_of_model(fields: Collection[str]) -> dict[str, str]:
    """The sizes of what linear attention by the delta rule keeps of one text, as code; empty of any other.

    One convolution runs over queries, keys and values, and each head keeps a state of its own.
    """
    if not all(name in fields for name in _DELTA_RULE):
        return {}
    keys = "2 * config.linear_key_head_dim * config.linear_num_key_heads"
    values = "config.linear_value_head_dim * config.linear_num_value_heads"
    heads = "config.linear_num_value_heads, config.linear_key_head_dim, config.linear_value_head_dim"
    return {"conv": f"{keys} + {values}, config.linear_conv_kernel_dim", "recurrent": heads}


def records_routers(modeling: str, configuration: str) -> bool:
    """Whether a model that computes a loss of its routers records their logits. True of one that computes none.

    It does not where nothing says so, nor where layers have a router only if a field of the configuration asks for it.
    """
    if _ROUTER_LOSS not in modeling:
        return True
    if '"router_logits":' not in modeling:
        return False
    recorded = _RECORDED.search(modeling)
    asked = recorded and re.search(rf"if not config\.(\w+) else {recorded[1]}\(", modeling)
    return not (asked and re.search(rf"^    {asked[1]}: bool = False$", configuration, re.MULTILINE))
