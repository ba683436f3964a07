"""Abilities follow what code does: each changes with the statement that makes it, and with no name or word beside it."""

from __future__ import annotations

import re
from dataclasses import asdict, fields

import pytest
from facts.project import GENERATED, facts_of, generated_models
from facts.read import package_files, read_facts
from facts.values import Abilities


# Model, ability, and a change of its modeling file that takes the ability away or brings it.
CHANGES = [
    ("llama", "sdpa", r"_supports_sdpa = True", "_supports_sdpa = False"),
    ("llama", "flash", r"_supports_flash_attn = True", "_supports_flash_attn = False"),
    ("llama", "flex", r"    _supports_flex_attn = True\n", ""),
    ("llama", "full_graph", r"_can_compile_fullgraph = True", "_can_compile_fullgraph = False"),
    ("llama", "full_graph", r"    _can_compile_fullgraph = True\n", ""),
    ("zamba", "full_graph", r"    _supports_sdpa = True", "    _can_compile_fullgraph = _supports_sdpa = True"),
    (
        "llama",
        "checkpoints_gradients",
        r"supports_gradient_checkpointing = True",
        "supports_gradient_checkpointing = 0",
    ),
    ("llama", "checkpoints_gradients", r"    supports_gradient_checkpointing = True\n", ""),
    (
        "jetmoe",
        "checkpoints_gradients",
        r"supports_gradient_checkpointing = False",
        "supports_gradient_checkpointing = True",
    ),
    ("llama", "records_outputs", r"    @capture_outputs\n", ""),
    ("llama", "records_outputs", r'"hidden_states": ', '"states": '),
    ("dbrx", "has_experts", r"DbrxExperts\b", "DbrxNetworks"),
    ("gpt_oss", "has_fused_experts", r"@use_experts_implementation\(.*?\)\n", ""),
    ("mixtral", "has_fused_experts", r"@use_experts_implementation\n", ""),
    ("mixtral", "has_router_loss", r"aux_loss=aux_loss", "aux_loss=None"),
    ("mixtral", "has_router_loss", r"aux_loss = load_balancing_loss_func\([^)]*\)", "aux_loss = 0"),
    ("mixtral", "has_router_loss", r"            aux_loss=aux_loss,\n", ""),
    ("mixtral", "returns_router_logits", r"router_logits=outputs\.router_logits", "router_logits=None"),
    (
        "qwen3_next",
        "has_recurrent_state",
        r"(?<=_is_stateful = )True|(?<=update_)(conv|recurrent)(?=_state\()",
        "None",
    ),
    ("llama", "has_recurrent_state", r"\bcache\.update\(", "cache.update_recurrent_state("),
    ("llama", "has_recurrent_state", r"(class QualityGateLlamaForCausalLM\(.*\n)", r"\1    _is_stateful = True\n"),
    ("gpt_oss", "has_sinks", r"(?<=s_aux)(?==)|(?<=\[\.\.\., :-1)(?=\])", "2"),
    ("llama", "has_sinks", r"(\*\*kwargs,\n +\)\n\n +attn_output = )", r"s_aux=self.bias, \1"),
    ("llama", "returns_cache", r"            cache=outputs\.cache,\n", ""),
    ("llama", "returns_cache", r"cache=outputs\.cache", "cache=None"),
    ("llama", "returns_cache", r"cache=outputs\.cache", "states=outputs.cache"),
    ("bart", "shifts_labels", r"labels\.view\(-1\)", "labels[..., 1:].reshape(-1)"),
    ("bart", "counts_padding", r"torch\.arange\(", "torch.zeros("),
    ("whisper", "counts_padding", r"self\.weight\[", "self.rows["),
    ("bart", "counts_padding", r"(?<=input_ids: torch\.LongTensor \| None = None,\n)", "        position_ids=None,\n"),
    ("bart", "counts_padding", r"PositionalEmbedding\(nn\.Embedding\)", "PositionalEmbedding(nn.Module)"),
    ("llama", "names_whole_layers", r"_no_split_modules = \[.*\]", "_no_split_modules = None"),
    ("llama", "ties_embeddings", r"_tied_weights_keys = \{.*\}", "_tied_weights_keys = {}"),
]


def texts(name: str) -> tuple[dict[str, str], str]:
    """The files of a generated model, and the name of its modeling file."""
    return package_files(GENERATED / f"quality_gate_{name}"), f"modeling_quality_gate_{name}.py"


def changed(name: str, pattern: str, replacement: str) -> Abilities:
    files, modeling = texts(name)
    text, count = re.subn(pattern, replacement, files[modeling], flags=re.DOTALL if "*?" in pattern else 0)
    assert count, f"{name} says no {pattern}"
    return read_facts(name, files | {modeling: text}).abilities


@pytest.mark.parametrize(("name", "ability", "pattern", "replacement"), CHANGES)
def test_an_ability_is_what_one_statement_makes_it(name: str, ability: str, pattern: str, replacement: str) -> None:
    before, after = asdict(facts_of(name).abilities), asdict(changed(name, pattern, replacement))
    assert {each for each in before if before[each] != after[each]} == {ability}


def test_each_ability_that_code_makes_is_changed_once() -> None:
    of_fields = {"has_sliding_window", "has_images"}  # read off the configuration
    assert {ability for _, ability, *_ in CHANGES} == {each.name for each in fields(Abilities)} - of_fields


@pytest.mark.parametrize("name", [*generated_models()[::9], "bloom", "gpt_oss", "mpt", "recurrent_gemma", "zamba"])
def test_no_ability_hangs_on_the_name_of_a_variable(name: str) -> None:
    """Before transformers 5.24.0, a cache was taken and given back as `past_key_values`, in every forward."""
    files, modeling = texts(name)
    renamed = files[modeling]
    for old, new in (("cache", "past_key_values"), ("alibi", "slopes"), ("sinks", "rest"), ("aux", "side")):
        renamed = re.sub(rf"(?<![\w.\"]){old}(?=\W)|(?<=\.){old}(?=\W)", new, renamed)
    assert renamed != files[modeling]
    assert read_facts(name, files | {modeling: renamed}).abilities == facts_of(name).abilities


def test_no_ability_comes_from_what_is_only_mentioned() -> None:
    files, modeling = texts("llama")
    beside = '''

def build_alibi(alibi, sinks):
    """Of past_key_values, capture_outputs and experts."""
    load_balancing_loss_func = router_aux_loss_coef = use_experts_implementation = sinks
    return alibi.update_conv_state(torch.softmax(torch.cat([alibi, sinks], dim=-1), -1)[..., :-1])


@use_experts_implementation
class MambaExperts(nn.Embedding):
    def forward(self, ids):
        return torch.arange(ids, s_aux=ids)
'''
    assert read_facts("llama", files | {modeling: files[modeling] + beside}).abilities == facts_of("llama").abilities


@pytest.mark.parametrize(
    ("taken", "given", "returns"),
    [
        ("states: Cache | None = None", "states=outputs.states", True),
        ('states: "EncoderDecoderCache | None" = None', "states=outputs.states", True),
        ("*, states: Optional[DynamicCache] = None", "states=outputs.states", True),
        ("states=None", "states=outputs.states", True),  # no type is said: what is taken and given back
        ("states=None", "others=outputs.states", False),
        ("states: Cache | None = None, others=None", "others=outputs.others", False),
        ("states: Cache | None = None", "states=None", False),
        ("states: Cached = None, more: Cache = None", "states=outputs.states", False),
        ("", "states=outputs.states", False),
    ],
)
def test_a_cache_is_what_a_forward_takes_and_gives_back(taken: str, given: str, returns: bool) -> None:
    files, modeling = texts("llama")
    head, model = (
        rf"(class QualityGateLlama{name}\(.*?def forward\().*?(\n    \) -> )" for name in ("ForCausalLM", "Model")
    )
    text = re.sub(head, rf"\1self, input_ids, {taken}\2", files[modeling], count=1, flags=re.DOTALL)
    text = re.sub(model, r"\1self, input_ids\2", text, count=1, flags=re.DOTALL)
    text = text.replace("cache=outputs.cache", given, 1)
    found = read_facts("llama", files | {modeling: text})
    assert found.abilities.returns_cache == returns
    assert found.cache == (given.partition("=")[0] if returns else "")
