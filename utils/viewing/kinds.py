"""What there is to see of each kind of gate. Another kind is a room and a row here."""

from __future__ import annotations

from collections.abc import Callable

from naming.kinds import kind_of

from transformers import PreTrainedModel, PreTrainedTokenizerBase
from viewing.attention import attention_gates
from viewing.memory import memory_reads
from viewing.scores import quality_panel
from viewing.values import Panel


LOOKS: dict[str, Callable[[PreTrainedModel, PreTrainedTokenizerBase, str, str], Panel]] = {
    "quality": quality_panel,
    "attention": attention_gates,
    "memory": memory_reads,
}


def panel_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str, title: str) -> Panel:
    """A text as a gated model of any of these kinds sees it.

    Args:
        model: a gated model in any mode.
        tokenizer: its tokenizer.
        text: what it reads.
        title: what the text is called where it is shown.

    Raises:
        TypeError: the model has no gates, or such as cannot be shown.
        ValueError: the text has no token, or more than the model reads.
    """
    kind = kind_of(model.config.model_type).kind
    if kind not in LOOKS:
        raise TypeError(f"{type(model).__name__} has {kind} gates; shown are those of {', '.join(LOOKS)}")
    return LOOKS[kind](model, tokenizer, text, title)
