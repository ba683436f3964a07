"""What a stage of training computes: a loss of some questions, on states that were made once. Needs torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn

from memory.questions import IGNORED, Encoded, padded


_AT_A_TIME, _ON_A_GPU = 64, 512  # prompts whose states are made


class RetrievalTask(nn.Module):
    """The gate that finds rows, taught on states that were made once, since nothing below it learns."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.gate = gate_of(model)
        self._model = [model]  # no module of this one: it is neither trained nor saved

    def forward(
        self, states: torch.Tensor, memory_targets: torch.Tensor, attention_mask: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The retrieval loss of states `[batch, tokens, hidden_size]`."""
        return {"loss": self._model[0].retrieval_loss(states, memory_targets, attention_mask)}


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """Where a model first writes what it read: the module that holds its layers, their name in it, and the layer."""

    owner: nn.Module
    name: str
    number: int

    @property
    def layers(self) -> nn.ModuleList:
        return cast(nn.ModuleList, self.owner.get_submodule(self.name))


class FusionTask(nn.Module):
    """What writes rows, taught on the states that come into its layer: what is below does not learn, and runs once."""

    def __init__(self, model: Any, branch: Branch) -> None:
        super().__init__()
        self.written = nn.ModuleList(
            module
            for layer in branch.layers
            for module in (layer.memory_norm, layer.gated_memory_fusion)
            if isinstance(module, nn.Module)
        )
        self._model, self._branch = [model], [branch]

    def forward(
        self,
        states: torch.Tensor,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor,
        memory_targets: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """The cross-entropy of answers, of states `[batch, tokens, hidden_size]`; the rows named are read in full.

        Args:
            states: what comes into the branch's layer.
            input_ids, attention_mask: [batch, tokens].
            labels: [batch, tokens], IGNORED where nothing is said.
            memory_targets: [batch, tokens], the row of each token, below 0 where there is none.
        """
        model, branch = self._model[0], self._branch[0]
        rows = memory_targets[memory_targets >= 0].unique()
        model.base_model.memory.states_of(model.base_model, rows)  # by the layers that are left out next
        following = nn.functional.pad(labels[:, 1:], (0, 1), value=IGNORED)
        is_said = following != IGNORED
        with resumed(branch, states.to(model.dtype), memory_targets), only_at(model.get_output_embeddings(), is_said):
            logits = model(input_ids, attention_mask=attention_mask, use_cache=False).logits
        return {"loss": nn.functional.cross_entropy(logits.float(), following[is_said])}


class Resumed(nn.Module):
    """Stands for a layer below the branch: its output is known, and so is what is to be read.

    It has the layer inside it, so that the model has the weights that the states of rows were made by, and keeps them.
    """

    def __init__(self, layer: nn.Module, states: torch.Tensor, targets: torch.Tensor) -> None:
        super().__init__()
        self.layer, self.states, self.targets = layer, states, targets

    def forward(self, hidden_states: torch.Tensor, *args: Any, memory: Any, **kwargs: Any) -> torch.Tensor:
        """The states [batch, tokens, hidden_size] that come into the branch. Raises RuntimeError where those of something else are wanted."""
        if memory.stops:
            raise RuntimeError("The states of rows are to be made before layers are left out.")
        is_told = self.targets >= 0
        memory.rows[0], memory.found[0] = self.targets.clamp(min=0)[..., None], is_told[..., None]
        memory.alphas[0] = is_told.float()
        return self.states


class _Reached(Exception):
    """Ends a forward at the layer whose input is wanted."""

    def __init__(self, states: torch.Tensor) -> None:
        super().__init__()
        self.states = states


def gate_of(model: Any) -> nn.Module:
    """The gate that finds rows by content."""
    modules: Iterator[nn.Module] = model.modules()
    return next(each for each in modules if hasattr(each, "null_similarity"))


def branch_of(model: nn.Module) -> Branch | None:
    """The first layer that writes what was read; None where rows are found no earlier, so that nothing can be left out."""
    for name, layers in model.named_modules():
        if not isinstance(layers, nn.ModuleList):
            continue
        writes = [
            number for number, each in enumerate(layers) if getattr(each, "gated_memory_fusion", None) is not None
        ]
        finds = [number for number, each in enumerate(layers) if getattr(each, "memory_gate", None) is not None]
        if writes and finds and max(finds) < writes[0]:
            owner, _, own = name.rpartition(".")
            return Branch(model.get_submodule(owner), own, writes[0])
    return None


@contextmanager
def resumed(branch: Branch, states: torch.Tensor, targets: torch.Tensor) -> Iterator[None]:
    """Inside the block the layers below a branch are left out: it is given `states`, `[batch, tokens, hidden]`, and reads `targets`."""
    layers = branch.layers
    left_out = [Resumed(each, states, targets) for each in layers[: branch.number]]
    setattr(branch.owner, branch.name, nn.ModuleList([*left_out, *layers[branch.number :]]))
    try:
        yield
    finally:
        setattr(branch.owner, branch.name, layers)


@contextmanager
def only_at(head: nn.Module, places: torch.Tensor) -> Iterator[None]:
    """Inside the block a head computes logits at some places of `[batch, tokens]` alone: `[places, vocabulary]`."""
    hook = head.register_forward_pre_hook(lambda module, given: (given[0][places], *given[1:]))
    try:
        yield
    finally:
        hook.remove()


@torch.no_grad()
def states_into(model: Any, branch: Branch, questions: Sequence[Encoded]) -> list[torch.Tensor]:
    """The states that come into a branch of each question, `[tokens, hidden_size]`, in half precision."""

    def reach(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        raise _Reached(args[0] if args else kwargs["hidden_states"])

    def states(batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        try:
            model(batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False)
        except _Reached as reached:
            return reached.states
        raise RuntimeError("The branch was not reached.")

    config = model.config.get_text_config()
    used, config.use_memory = config.use_memory, False  # nothing is written below the branch, so nothing need be found
    hook = branch.layers[branch.number].register_forward_pre_hook(reach, with_kwargs=True)
    try:
        return _in_parts(model, questions, states)
    finally:
        hook.remove()
        config.use_memory = used


@torch.no_grad()
def states_of(model: Any, questions: Sequence[Encoded]) -> list[torch.Tensor]:
    """The states of each question that queries are made of, `[tokens, hidden_size]`, in half precision."""
    return _in_parts(model, questions, lambda batch: model.memory_states(batch["input_ids"], batch["attention_mask"]))


def _in_parts(model: Any, questions: Sequence[Encoded], states: Any) -> list[torch.Tensor]:
    """Those of one length together, so that little is padding."""
    found: dict[int, torch.Tensor] = {}
    order = sorted(range(len(questions)), key=lambda place: len(questions[place].input_ids))
    padding = model.config.get_text_config().memory_pad_token_id
    size = _AT_A_TIME if model.device.type == "cpu" else _ON_A_GPU
    for start in range(0, len(order), size):
        part = order[start : start + size]
        batch = {name: each.to(model.device) for name, each in collated([questions[i] for i in part], padding).items()}
        for place, own in zip(part, states(batch), strict=True):
            kind = torch.bfloat16 if own.dtype == torch.float32 else own.dtype
            found[place] = own[: len(questions[place].input_ids)].to(kind)
    return [found[place] for place in range(len(questions))]


def collated(questions: Sequence[Encoded], padding: int) -> dict[str, torch.Tensor]:
    """Questions as one batch, `[batch, tokens]` each."""
    return {name: torch.tensor(values) for name, values in padded(questions, padding).items()}


def with_states(batch: Sequence[tuple[torch.Tensor, Encoded]], padding: int) -> dict[str, torch.Tensor]:
    """Questions as one batch, and their states, `[batch, tokens, hidden_size]`."""
    states = nn.utils.rnn.pad_sequence([own for own, _ in batch], batch_first=True).float()
    return {"states": states, **collated([each for _, each in batch], padding)}
