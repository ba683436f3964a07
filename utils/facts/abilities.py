"""What an architecture has and can do, by what its code does: what is inherited, called, taken and given back.

Nothing here goes by a word that is merely mentioned, or by what a variable happens to be called.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from syntax.modules import Module
from syntax.queries import calls, decorators, dotted, is_number, last_name, method, same, string, strings, value_of
from syntax.trees import tree_of

from facts.text import abstract, attribute, parameters, reached, says_true
from facts.text import method as inherited_method
from facts.values import Abilities, ConfigFacts, ModelClass


EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_moe_experts")
EXPERTS_WANTED = ("is_moe",)  # without it there are none
SLIDING = ("sliding_window", "sliding_window_size", "window_size", "attention_chunk_size")
RECURRENT = ("mamba_d_state", "mamba_n_heads", "mamba_num_heads", "ssm_state_size", "lru_width", "conv_L_cache")
# How a layer keeps a state in transformers' caches that every token replaces.
KEEPS_A_STATE = ("update_conv_state", "update_recurrent_state", "set_linear_cache")
SINKS = "s_aux"  # the argument of transformers' attention functions for logits of sinks


def cache_name(modeling: Module, models: tuple[ModelClass, ...], text_model: ModelClass) -> str:
    """What language models take a cache as and give it back as: "cache", "past_key_values"; "" where they give none."""
    code = _Code(modeling, _language_models(models), text_model)
    return next(filter(code.gives, code.caches), "")


def _language_models(models: tuple[ModelClass, ...]) -> tuple[ModelClass, ...]:
    return tuple(each for each in models if each.role == "ForCausalLM")


def abilities(
    modeling: Module,
    configs: Mapping[str, ConfigFacts],
    text: ConfigFacts,
    models: tuple[ModelClass, ...],
    text_model: ModelClass,
) -> Abilities:
    """Read off the code of a modeling file.

    Args:
        modeling: the file.
        configs: the configurations by the names of their classes.
        text: the configuration of `text_model`.
        models: all models of the file.
        text_model: the one that has the layers.
    """
    code = _Code(modeling, _language_models(models), text_model)
    is_wanted = not any(text.fields[name].default == "False" for name in EXPERTS_WANTED if name in text.fields)
    return Abilities(
        sdpa=code.declares("_supports_sdpa"),
        flash=code.declares("_supports_flash_attn"),
        flex=code.declares("_supports_flex_attn"),
        full_graph=code.declares("_can_compile_fullgraph"),
        records_outputs=code.records("hidden_states"),
        has_experts=any(field in text.fields for field in EXPERTS)
        or any(each.name.endswith("Experts") for each in code.classes),
        has_fused_experts=any("use_experts_implementation" in decorators(each) for each in code.classes),
        has_router_loss=is_wanted and code.gives_what_it_computes("aux_loss"),
        has_sliding_window=any(field in text.fields for field in SLIDING),
        has_recurrent_state=any(field in text.fields for field in RECURRENT) or code.keeps_a_state,
        has_sinks=any(map(_attends_to_sinks, code.functions)),
        has_images=any("vision_config" in each.sub_configs for each in configs.values()),
        ties_embeddings="tie_word_embeddings" in text.fields and any(each.tied_weights for each in models),
        checkpoints_gradients=code.declares("supports_gradient_checkpointing"),
        returns_router_logits=code.gives("router_logits"),
        returns_cache=any(map(code.gives, code.caches)),
        shifts_labels=not any(_takes_labels_as_they_are(each) for each in code.forwards),
        counts_padding=code.counts_positions and not any("position_ids" in each.arguments for each in code.heads),
        names_whole_layers=any(
            strings(value_of(each.body, "_no_split_modules")) for each in modeling.classes.values()
        ),
    )


@dataclass(frozen=True)
class _Code:
    """The part of a modeling file that makes its language models."""

    modeling: Module
    heads: tuple[ModelClass, ...]
    text_model: ModelClass

    @cached_property
    def classes(self) -> list[ast.ClassDef]:
        """The classes that the base model is made of, itself included."""
        return [node for node in self._parts if isinstance(node, ast.ClassDef)]

    @cached_property
    def functions(self) -> list[ast.FunctionDef]:
        """The functions that it calls, and the methods of its classes."""
        own = [node for node in self._parts if isinstance(node, ast.FunctionDef)]
        return own + [each for node in self.classes for each in node.body if isinstance(each, ast.FunctionDef)]

    @cached_property
    def _parts(self) -> list[ast.stmt]:
        return reached(self.modeling, self.text_model.name)

    @cached_property
    def forwards(self) -> list[ast.FunctionDef]:
        """Those of the language models."""
        return [found for each in self.heads if (found := inherited_method(self.modeling, each.name, "forward"))]

    def declares(self, flag: str) -> bool:
        """Whether the abstract model, or the nearest base of it that says so, has True for a class attribute."""
        return says_true(attribute(self.modeling, abstract(self.modeling), flag))

    def records(self, output: str) -> bool:
        """Whether all models can collect this output from layers, and a forward of the base model's parts does."""
        recorded = strings(attribute(self.modeling, abstract(self.modeling), "_can_record_outputs"))
        return output in recorded and any("capture_outputs" in decorators(each) for each in self.functions)

    def gives(self, field: str) -> bool:
        """Whether the output of a language model has this field, other than as None."""
        return any(not _is_none(value) for _, value in self._given(field))

    def gives_what_it_computes(self, field: str) -> bool:
        """Whether that is what a call in the same forward returned."""
        return any(_is_computed(value, forward) for forward, value in self._given(field))

    def _given(self, field: str) -> Iterator[tuple[ast.FunctionDef, ast.expr]]:
        for forward in self.forwards:
            for call in calls(forward):
                if "Output" in last_name(call.func):
                    yield from ((forward, word.value) for word in call.keywords if word.arg == field)

    @cached_property
    def caches(self) -> list[str]:
        """The arguments that a cache is taken under, in their order: those of its type, or all where no type is said.

        An output gives the cache back under the name that it is taken under.
        """
        base = inherited_method(self.modeling, self.text_model.name, "forward")
        taken = [each for forward in (*self.forwards, *([base] if base else [])) for each in parameters(forward)]
        typed = [each.arg for each in taken if _is_cache(each.annotation)]
        return list(dict.fromkeys(typed or (each.arg for each in taken)))

    @property
    def keeps_a_state(self) -> bool:
        """Whether layers replace a state of theirs with every token, or a language model says that it does."""
        return any(last_name(call.func) in KEEPS_A_STATE for call in calls(*self.functions)) or any(
            says_true(attribute(self.modeling, each.name, "_is_stateful")) for each in self.heads
        )

    @property
    def counts_positions(self) -> bool:
        """Whether embeddings of positions find their rows by themselves, not by what they are given to look up."""
        embeddings = [node for node in self.classes if "Embedding" in map(last_name, node.bases)]
        return any(_finds_rows(forward) for node in embeddings if (forward := method(node, "forward")))


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _is_computed(value: ast.expr, forward: ast.FunctionDef) -> bool:
    """Whether a name was given what a call returned, at any place of the function."""
    assigned = [
        each for each in ast.walk(forward) if isinstance(each, ast.Assign) and isinstance(each.value, ast.Call)
    ]
    return any(same(target, value) for each in assigned for target in each.targets)


def _is_cache(annotation: ast.expr | None) -> bool:
    """`Cache | None`, `"EncoderDecoderCache"`, `Optional[Cache]`; not what merely holds one."""
    quoted = string(annotation)
    said = annotation if quoted is None else tree_of(quoted.strip())
    return any(last_name(node).endswith("Cache") for node in (ast.walk(said) if said else ()))


def _attends_to_sinks(function: ast.FunctionDef) -> bool:
    """Whether logits are put beside those of the keys, whose probabilities are left out afterwards."""
    found = list(calls(function))
    if any(word.arg == SINKS for call in found for word in call.keywords):
        return True
    widened = any(last_name(call.func) == "cat" and _along_the_last(call) for call in found)
    weighed = any(last_name(call.func) == "softmax" for call in found)
    return widened and weighed and any(map(_drops_the_last, ast.walk(function)))


def _along_the_last(call: ast.Call) -> bool:
    places = [*call.args[1:], *(word.value for word in call.keywords if word.arg in ("dim", "axis"))]
    return any(is_number(each, -1) for each in places)


def _drops_the_last(node: ast.AST) -> bool:
    """`probabilities[..., :-1]`"""
    match node:
        case ast.Subscript(
            slice=ast.Tuple(elts=[ast.Constant(value=dots), ast.Slice(lower=None, upper=last, step=None)])
        ):
            return dots is ... and last is not None and is_number(last, -1)
    return False


def _finds_rows(forward: ast.FunctionDef) -> bool:
    """`torch.arange(...)`, or rows cut out of `self.weight`."""
    nodes = list(ast.walk(forward))
    counted = any(last_name(call.func) == "arange" for call in calls(forward))
    cut = any(isinstance(node, ast.Subscript) and dotted(node.value) == "self.weight" for node in nodes)
    return counted or cut


def _takes_labels_as_they_are(forward: ast.FunctionDef) -> bool:
    """Whether a `forward` works out the cross entropy of `labels` by itself, and cuts neither end off: `labels[..., 1:]`."""
    nodes = list(ast.walk(forward))
    called = {last_name(call.func) for call in calls(forward)}
    cut = any(isinstance(node, ast.Subscript) and dotted(node.value) == "labels" for node in nodes)
    return bool(called & {"CrossEntropyLoss", "cross_entropy"}) and not cut
