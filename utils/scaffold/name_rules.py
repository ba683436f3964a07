"""What names of attributes and classes tell about a base: each rule with its reason and an example.

Another one is a rule here, and the base that needs it a row of `tests/scaffold/test_name_rules.py`, which leaves each out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NameRule:
    """Names that bases give to one thing, or to another that would be taken for it."""

    names: re.Pattern[str]
    why: str
    example: str

    def fits(self, name: str) -> bool:
        """Whether a name has the rule's words in it."""
        return self.names.search(name) is not None


FEED_FORWARD = NameRule(
    re.compile(r"(?:^|_)(?:mlps?|feed_?forwards?|ffn?s?|moes?|experts?|fc)\d*(?:_|$)", re.IGNORECASE),
    why="attributes of a layer that hold its feed-forward part, or the linear maps of one",
    example="mlp",
)
BESIDE_FEED_FORWARD = NameRule(
    re.compile(r"norm|dropout|router|gate$|^has_|_hc$|_input$|conv|connection|scale|post_|residual", re.IGNORECASE),
    why="attributes that are called after the feed-forward part and stand before, behind or around it",
    example="post_mlp_layernorm",
)
MIXERS = NameRule(
    re.compile(r"attention|attn|mamba|mixer|conv|recurrent|rwkv", re.IGNORECASE),
    why="attributes that hold a mixing layer, whose name may have a feed-forward part's word in it",
    example="attention_mlp",
)
WITHOUT_WEIGHTS = NameRule(
    re.compile(r"Norm|Dropout"),
    why="classes that only normalize or drop, whatever the attribute is called",
    example="LayerNorm",
)
FEED_FORWARD_CLASS = NameRule(
    re.compile(r"MLP|MoE|Moe|FeedForward|FFN|Experts"),
    why="classes of feed-forward parts, where the attribute is called as that of all kinds of mixers",
    example="ToyMLP",
)
ATTENTION_CLASS = NameRule(
    re.compile(r"Attention|Attn|MLA"),
    why="classes that compute attention; MLA is DeepSeek's multi-head latent attention",
    example="ToyAttention",
)
BESIDE_ATTENTION = NameRule(
    re.compile(
        r"Rotary|Embedding|Config|MLP|Expert|(?:Layer|Block|MoE|Residual|Output)$|Mamba|Mixer|Conv|Delta|Lightning|"
        r"LinearAttention|Indexer|Compressor"
    ),
    why="classes with attention in their names that mix by other means, or are a part of one",
    example="ToyLightningAttention",
)
QUERY = NameRule(
    re.compile(r"^(?:q|query|wq|c_attn|attn)(?:_|$)|qkv|query_key_value", re.IGNORECASE),
    why="the projection of queries, alone or fused, whose input says how wide attention's is",
    example="q_proj",
)
USUAL_WIDTH = NameRule(
    re.compile(r"^(?:(?:self|config)\.)?(?:hidden_size|hidden_dim|embed_dim|d_model|n_embd|dim)$"),
    why="expressions for the width of the model, which a delta need not state",
    example="config.hidden_size",
)
EXPERTS = NameRule(
    re.compile(r"experts?(?:$|_)|Experts", re.IGNORECASE),
    why="attributes or classes that hold experts",
    example="experts",
)
BESIDE_EXPERTS = NameRule(
    re.compile(r"num_|_per_|has_|top_?k|bias|_id|dropout|norm", re.IGNORECASE),
    why="attributes about experts that hold none: numbers, switches, biases",
    example="num_experts",
)
ATTENTION_ATTRIBUTE = NameRule(
    re.compile(r"attention|attn", re.IGNORECASE),
    why="attributes that hold attention, whose heads may be experts, too",
    example="self_attn",
)
RULES = (
    *(FEED_FORWARD, BESIDE_FEED_FORWARD, MIXERS, WITHOUT_WEIGHTS, FEED_FORWARD_CLASS),
    *(ATTENTION_CLASS, BESIDE_ATTENTION, QUERY, USUAL_WIDTH),
    *(EXPERTS, BESIDE_EXPERTS, ATTENTION_ATTRIBUTE),
)
