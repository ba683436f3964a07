"""What transformers' tester for language models gets wrong of other models, read off their files.

Encoders that decode (BERT and its kin), decoders without their encoder and layers that do not attend have test files of
their own there, which set other attributes and override other tests.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from functools import lru_cache

from syntax.queries import callee, calls, classes, dotted, last_name, string, targets, value_of
from syntax.trees import tree_of


HYBRID = ("linear_attention", "full_attention")
_WHERE_ASKED = "add_cross_attention"  # by the configuration, and it asks for none by default
_ROUTER_LOSS = "load_balancing_loss_func"
_DELTA_RULE = (
    *("linear_num_key_heads", "linear_num_value_heads", "linear_key_head_dim", "linear_value_head_dim"),
    "linear_conv_kernel_dim",
)


def sizes_of_model(modeling: str, configuration: str) -> dict[str, bool]:
    """Attributes that the tester has otherwise than this model can be tested with."""
    sizes = {"tie_word_embeddings": True} if _ties_biases(modeling) else {}
    return sizes | ({"is_encoder_decoder": False} if _says(configuration, "is_encoder_decoder", True) else {})


def skips_of_model(modeling: str, configuration: str) -> dict[str, str]:
    """Tests of the tester that ask of a model what its base has otherwise, with the reason."""
    skips = {}
    if _labels_answers(modeling):
        why = "The head has an output for each label, as the head of the base has, and the test asks for three"
        skips["test_question_answering_model"] = why
    if _values_of(modeling, "self.encoder_attn") and not _reads(modeling, _WHERE_ASKED):
        why = "Without an encoder nothing reads its states, in the base neither, so that weights for them get no gradient"
        skips |= {f"test_training_gradient_checkpointing{which}": why for which in ("", "_use_reentrant_false")}
    if is_hybrid(configuration):
        why = "The base, too, has layers that do not attend, and the test counts attentions of all"
        skips["test_attention_outputs"] = why
    return skips


def is_hybrid(configuration: str) -> bool:
    """Whether layers of linear attention stand between layers that attend."""
    named = {string(node) for node in ast.walk(tree_of(configuration))}
    return named.issuperset(HYBRID)


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
    if not any(last_name(call.func) == _ROUTER_LOSS for call in calls(tree_of(modeling))):
        return True
    recorders = list(_recorders_of_routers(modeling))
    routers = {dotted(call.args[0]) for call in calls(*recorders) if callee(call) == "OutputRecorder" and call.args}
    fields = _fields_that_ask(modeling, routers)
    return bool(recorders) and not any(_says(configuration, field, False) for field in fields)


def _ties_biases(modeling: str) -> bool:
    """Whether both biases of a head are one parameter where embeddings are tied.

    Untied, one of them is in no forward and gets no gradient.
    """
    tied = (pair for table in _values_of(modeling, "_tied_weights_keys") for pair in _items(table))
    return any(
        (string(key) or "").endswith(".bias") and (string(value) or "").endswith(".bias") for key, value in tied
    )


def _labels_answers(modeling: str) -> bool:
    """Whether a head that answers questions has an output for each label."""
    heads = (value for value in _values_of(modeling, "self.qa_outputs") if isinstance(value, ast.Call))
    sizes = (node for head in heads for node in [*head.args[1:2], *(each.value for each in head.keywords)])
    return any(dotted(size) == "config.num_labels" for size in sizes)


def _recorders_of_routers(modeling: str) -> Iterator[ast.expr]:
    """What a model's table of recorded outputs says of the logits of its routers."""
    for table in _values_of(modeling, "_can_record_outputs"):
        yield from (value for key, value in _items(table) if string(key) == "router_logits")


def _fields_that_ask(modeling: str, routers: Collection[str]) -> Iterator[str]:
    """The fields of a configuration that layers have a router by: `dense if not config.field else router`."""
    choices = (node for node in ast.walk(tree_of(modeling)) if isinstance(node, ast.IfExp))
    for choice in choices:
        asked, chosen = choice.test, choice.body
        if isinstance(asked, ast.UnaryOp) and isinstance(asked.op, ast.Not):
            asked, chosen = asked.operand, choice.orelse
        if isinstance(asked, ast.Attribute) and last_name(asked.value) == "config" and callee(chosen) in routers:
            yield asked.attr


def _says(configuration: str, field: str, default: bool) -> bool:
    """Whether a class of configurations gives a field this value by default."""
    values = (value_of(node.body, field) for node in classes(tree_of(configuration)))
    return any(isinstance(value, ast.Constant) and value.value is default for value in values)


def _reads(modeling: str, attribute: str) -> bool:
    """Whether anything reads an attribute, whatever it is of."""
    return any(isinstance(node, ast.Attribute) and node.attr == attribute for node in ast.walk(tree_of(modeling)))


def _values_of(modeling: str, name: str) -> list[ast.expr]:
    """What a module gives a name or an attribute, wherever that is: `self.encoder_attn`."""
    return [value for given, value in _given(modeling) if given == name]


@lru_cache(maxsize=2)
def _given(modeling: str) -> tuple[tuple[str, ast.expr], ...]:
    assigned = (node for node in ast.walk(tree_of(modeling)) if isinstance(node, ast.Assign | ast.AnnAssign))
    return tuple((dotted(each), node.value) for node in assigned if node.value for each in targets(node))


def _items(table: ast.expr) -> Iterator[tuple[ast.expr | None, ast.expr]]:
    """The keys and values of a table that is written out."""
    return zip(table.keys, table.values, strict=True) if isinstance(table, ast.Dict) else iter(())
