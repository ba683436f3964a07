# Generated from templates/generated_training.py word for word.
# Do not edit generated/training.py: change the template and run `python utils/modular_converter.py --all`.
# Seal: sha256 0000000000000000000000000000000000000000000000000000000000000000
"""Trainers that compute a loss of their own, and train the gates all the same.

    from generated.training import trains_gates
    from trl import SFTTrainer

    trainer = trains_gates(SFTTrainer)(model, args=..., train_dataset=...)  # with a column `quality_targets`, or without

TRL's trainers put a loss of their own on the logits or on the base model, so that the quality loss, which the model adds
to the loss that it computes itself, is no part of it. `Trainer` needs none of this, and is not changed by it.
"""

import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn


TARGETS = "quality_targets"


@dataclass
class _Calls:
    """The calls of one training step that returned a quality loss which no loss contains."""

    found: list[tuple[nn.Module, dict[str, Any], Any]] = field(default_factory=list)

    def __call__(self, module: nn.Module, args: tuple, kwargs: dict[str, Any], outputs: Any) -> None:
        loss = getattr(outputs, "quality_loss", None)
        if loss is not None and loss.requires_grad and getattr(outputs, "loss", None) is None:
            self.found.append((module, kwargs, outputs))


def trains_gates(trainer: type) -> type:
    """A trainer's class whose loss has the weighted quality loss in it, for trainers that compute a loss of their own.

    Rows of data may have `quality_targets`: 1 for a sample of the quality to train for, 0 for any other, negative for
    unknown. Packed rows have one for each token, which this takes care of. Gates have to be trainable: with PEFT, say
    `modules_to_save=["quality_gate"]`. What is logged as the loss is the sum, and `quality_loss` beside it.

    The average is that of the loss beside it: where labels are counted over a whole batch (`num_items_in_batch`), samples
    weigh by their labels; else each sample of a step weighs the same, and steps that are accumulated are averaged.
    """
    return type(f"GatesAnd{trainer.__name__}", (_TrainsGates, trainer), {"__doc__": trains_gates.__doc__})


class _TrainsGates:
    """What `trains_gates` puts over a trainer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._quality_losses: list[torch.Tensor] = []
        super().__init__(*args, **kwargs)
        self.data_collator = _with_targets(self.data_collator)

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        if TARGETS not in self._signature_columns:
            self._signature_columns = [*self._signature_columns, TARGETS]

    def _prepare_dataset(self, dataset: Any, processing_class: Any, args: Any, *rest: Any) -> Any:
        prepare = super()._prepare_dataset
        if TARGETS not in (getattr(dataset, "column_names", None) or ()) or rest[:1] != (True,):  # whether to pack
            return prepare(dataset, processing_class, args, *rest)
        whole = copy.copy(args)
        whole.max_length, whole.shuffle_dataset = None, False
        return _packed(prepare(dataset, processing_class, whole, False, *rest[1:]), args)

    def _generate_and_score_completions(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """What trainers of policies make of prompts: of a prompt with a target each completion has it."""
        batch = super()._generate_and_score_completions(rows)
        targets = [row.get(TARGETS) for row in rows]
        if any(target is None for target in targets):
            return batch
        return {**batch, TARGETS: torch.tensor(targets, dtype=torch.float32, device=batch["completion_ids"].device)}

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The trainer's own loss, and the weighted quality loss where the trainer left it out."""
        labels, calls = inputs.get("labels"), _Calls()
        with _listening(model, calls, inputs.get(TARGETS)):
            result = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if not calls.found:
            return result
        loss, *others = result if return_outputs else (result,)
        added = [_quality_loss(*call, labels, num_items_in_batch) for call in calls.found]
        quality_loss = sum(added[1:], added[0]) / len(added)
        if labels is None and num_items_in_batch is not None:  # nobody divides by the steps that are accumulated
            quality_loss = quality_loss / self.current_gradient_accumulation_steps
        elif num_items_in_batch is not None and self.args.average_tokens_across_devices:
            quality_loss = quality_loss * self.accelerator.num_processes  # whose gradients are averaged
        weight = calls.found[0][0].config.get_text_config().quality_loss_weight
        self._quality_losses.append(quality_loss.detach())
        loss = loss + weight * quality_loss.to(loss.device)
        return (loss, *others) if return_outputs else loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log the quality loss of the steps since the last time, before it is weighted, along with the rest."""
        if self._quality_losses and "loss" in logs:
            logs["quality_loss"] = torch.stack(self._quality_losses).mean().item()
            self._quality_losses.clear()
        super().log(logs, *args, **kwargs)


@dataclass
class _Targets:
    """Gives the calls of a model the targets of a batch that its trainer leaves out, a batch in parts its part each."""

    values: torch.Tensor
    place: int = 0

    def __call__(self, module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        tokens = kwargs.get("input_ids", args[0] if args else None)
        if tokens is None or kwargs.get(TARGETS) is not None:
            return None
        part = self.values[self.place : self.place + len(tokens)]
        self.place = (self.place + len(tokens)) % len(self.values)
        return (args, {**kwargs, TARGETS: part}) if len(part) == len(tokens) else None


@contextmanager
def _listening(model: nn.Module, calls: _Calls, targets: torch.Tensor | None) -> Iterator[None]:
    """Have `calls` told what every gated model in `model` returns, and the outermost given targets."""
    gated = [module for module in model.modules() if hasattr(type(module), "save_quality_gates")]
    handles = [module.register_forward_hook(calls, with_kwargs=True) for module in gated]
    if gated and targets is not None:
        handles.append(gated[0].register_forward_pre_hook(_Targets(targets), with_kwargs=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _quality_loss(
    model: nn.Module, given: dict[str, Any], outputs: Any, labels: torch.Tensor | None, count: Any
) -> torch.Tensor:
    """The part of a batch's quality loss that one call has."""
    if labels is None or count is None or labels.shape != outputs.quality_logits[0].shape[:2]:
        return outputs.quality_loss
    home = sys.modules[type(model).__module__]
    labeled = nn.functional.pad(labels[:, 1:].ne(-100), (0, 1))
    loss = home.quality_classification_loss(
        outputs.quality_logits,
        model.config.get_text_config(),
        given.get("attention_mask"),
        quality_targets=given.get(TARGETS),
        position_ids=given.get("position_ids"),
        labeled=labeled,
    )
    return loss * home.batch_share(labeled, count, loss.device) + 0 * outputs.quality_loss  # which counts as used, too


def _with_targets(collate: Callable[[list[dict[str, Any]]], dict[str, Any]]) -> Callable[[list[Any]], dict[str, Any]]:
    """A collator that keeps `quality_targets`, whatever the one that it asks for the rest keeps."""

    def collated(rows: list[dict[str, Any]]) -> dict[str, Any]:
        targets = [row.get(TARGETS) for row in rows] if isinstance(rows[0], dict) else [None]
        if any(target is None for target in targets):
            return collate(rows)
        batch = collate([{name: value for name, value in row.items() if name != TARGETS} for row in rows])
        if isinstance(batch, list):  # rows go on as they are, to be made a batch of later
            return collate(rows)
        return {**batch, TARGETS: _tensor_of(targets, rows, batch)} if "input_ids" in batch else batch

    return collated


def _tensor_of(targets: list[Any], rows: list[dict[str, Any]], batch: dict[str, Any]) -> torch.Tensor:
    """Targets `[batch]`, or `[batch, tokens]` where rows hold several samples or were laid one behind the other."""
    tokens = batch["input_ids"]
    flat = len(tokens) == 1 < len(rows)
    if not flat and not isinstance(targets[0], list | tuple):
        found = torch.as_tensor(targets, dtype=torch.float32)
        return found.repeat(len(tokens) // len(rows))  # of pairs, what is chosen comes first, then what is rejected
    spread = [
        torch.as_tensor(each, dtype=torch.float32).expand(len(row["input_ids"])) for each, row in zip(targets, rows)
    ]
    if flat:
        spread = [torch.cat(spread)]
    padded = [nn.functional.pad(each, (0, tokens.shape[1] - len(each)), value=-1.0) for each in spread]
    return torch.stack(padded)


def _packed(dataset: Any, args: Any) -> Any:
    """Rows packed as TRL packs them, with the target of its sample for each token."""
    from trl import pack_dataset

    def spread(row: dict[str, Any]) -> dict[str, Any]:
        return {TARGETS: [float(row[TARGETS])] * len(row["input_ids"])}

    dataset = dataset.map(spread).select_columns(["input_ids", "labels", TARGETS])
    if args.shuffle_dataset:
        dataset = dataset.shuffle(seed=args.seed)
    return pack_dataset(dataset, args.max_length, args.packing_strategy)
