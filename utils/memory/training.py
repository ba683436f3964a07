"""Training memory gates, and nothing else, on `Trainer`: first to find rows, then to write what they say. Needs torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from memory.questions import IGNORED, Encoded, padded
from memory.settings import FUSION, RETRIEVAL, TrainOptions
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainerCallback, TrainingArguments, set_seed


_KEPT_STATES = 2 * 2**30  # bytes of the states of rows, which training reads again and again
_AT_A_TIME = 64  # prompts whose states are made


class RetrievalTask(nn.Module):
    """The gate that finds rows, taught on states that were made once, since nothing below it learns."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.gate = next(each for each in model.modules() if hasattr(each, "null_similarity"))
        self._model = [model]  # no module of this one: it is neither trained nor saved

    def forward(
        self, states: torch.Tensor, memory_targets: torch.Tensor, attention_mask: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The retrieval loss of states `[batch, tokens, hidden_size]`."""
        return {"loss": self._model[0].retrieval_loss(states, memory_targets, attention_mask)}


def train(
    model: PreTrainedModel,
    questions: Sequence[Encoded],
    options: TrainOptions,
    output: Path,
    callbacks: Sequence[TrainerCallback] = (),
    done: Sequence[str] = (),
    on_stage: Any = None,
) -> dict[str, float]:
    """Train the gates of a model whose bank is filled.

    Args:
        model: its gates are changed, in float32; the rest stays.
        questions: what is trained on; rows are those of the model's bank.
        options: how.
        output: a folder for what Trainer writes.
        callbacks: are told of every step.
        done: stages that were trained before.
        on_stage: is called with the name of a stage that is done.

    Returns:
        The last loss of each stage, by its name.
    """
    set_seed(options.seed)
    model.freeze_backbone()
    bank = model.base_model.memory
    kept, bank.kept_states = bank.kept_states, _KEPT_STATES
    coefficient = model.config.get_text_config().retrieval_loss_coef
    losses: dict[str, float] = {}
    stages = {RETRIEVAL: _train_retrieval, FUSION: _train_fusion}
    try:
        for name, stage in stages.items():
            if name not in done and getattr(options, f"{name}_steps") and model.config.memory_design == "content":
                losses[name] = stage(model, questions, options, output, callbacks)
                if on_stage:
                    on_stage(name)
        if model.config.memory_design != "content" and FUSION not in done:
            losses[FUSION] = _train_fusion(model, questions, options, output, callbacks)
    finally:
        bank.kept_states = kept
        model.config.get_text_config().retrieval_loss_coef = coefficient
        model.eval()
    return losses


def _train_retrieval(
    model: PreTrainedModel,
    questions: Sequence[Encoded],
    options: TrainOptions,
    output: Path,
    callbacks: Sequence[TrainerCallback],
) -> float:
    """Stage one: queries of the last tokens of prompts find their rows, those of other prompts find nothing."""
    asking = [each for each in questions if any(target != IGNORED for target in each.targets)]
    prompts = [cut(each) for each in asking]
    states = states_of(model, prompts)
    examples = [{"states": own, "encoded": each} for own, each in zip(states, prompts)]
    task = RetrievalTask(model)
    trained = [weight for weight in task.gate.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=options.retrieval_rate, weight_decay=options.retrieval_decay)
    examples = mixed(examples, options.nothing_share)
    asks_in_vain = any(each["encoded"].targets[-1] < 0 for each in examples)
    batch = round(options.retrieval_batch * (1 + options.nothing_share * asks_in_vain))
    steps = options.retrieval_steps
    return _run(task, examples, _collate_states, optimizer, steps, batch, options, output, callbacks)


def _train_fusion(
    model: PreTrainedModel,
    questions: Sequence[Encoded],
    options: TrainOptions,
    output: Path,
    callbacks: Sequence[TrainerCallback],
) -> float:
    """Stage two: with the right row read in full, its answer follows."""
    examples = [{"encoded": each} for each in questions if any(label != IGNORED for label in each.labels)]
    if model.config.memory_design == "content":
        model.config.get_text_config().retrieval_loss_coef = 0.0
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    if model.config.memory_design == "content":
        named = [(name, weight) for name, weight in named if ".memory_gate." not in name]
    gains = [weight for name, weight in named if name.endswith(".gain")]
    others = [weight for name, weight in named if not name.endswith(".gain")]
    groups = [{"params": others, "lr": options.fusion_rate}, {"params": gains, "lr": options.gain_rate}]
    optimizer = torch.optim.AdamW([each for each in groups if each["params"]], weight_decay=options.fusion_decay)
    padding = model.config.get_text_config().pad_token_id or 0
    with only(model, [weight for _, weight in named]):
        return _run(
            model,
            examples,
            lambda batch: _collate(batch, padding),
            optimizer,
            options.fusion_steps,
            options.fusion_batch,
            options,
            output,
            callbacks,
        )


def _run(
    model: nn.Module,
    examples: Any,
    collate: Any,
    optimizer: torch.optim.Optimizer,
    steps: int,
    batch: int,
    options: TrainOptions,
    output: Path,
    callbacks: Sequence[TrainerCallback],
) -> float:
    arguments = TrainingArguments(
        output_dir=str(output),
        max_steps=steps,
        per_device_train_batch_size=max(batch // options.accumulation, 1),
        gradient_accumulation_steps=options.accumulation,
        max_grad_norm=1.0,
        logging_steps=options.logging_steps,
        logging_first_step=True,
        save_strategy="no",
        report_to="none",
        seed=options.seed,
        dataloader_pin_memory=torch.cuda.is_available(),
        remove_unused_columns=False,
        label_names=["memory_targets"],
        disable_tqdm=True,
    )
    warm_up = max(steps // 15, 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _cosine(step, warm_up, steps))
    trainer = Trainer(
        model,
        arguments,
        collate,
        examples,
        optimizers=(optimizer, schedule),
        callbacks=[*callbacks],
    )
    trainer.remove_callback(PrinterCallback)
    return float(trainer.train().training_loss)


def _cosine(step: int, warm_up: int, steps: int) -> float:
    return min((step + 1) / warm_up, 1) * 0.5 * (1 + math.cos(math.pi * min(step / steps, 1)))


@contextmanager
def only(model: nn.Module, weights: Sequence[nn.Parameter]) -> Iterator[None]:
    """Of what is trained, these weights alone learn inside the block."""
    mine = {id(weight) for weight in weights}
    others = [weight for weight in model.parameters() if weight.requires_grad and id(weight) not in mine]
    for weight in others:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in others:
            weight.requires_grad_(True)


def cut(encoded: Encoded) -> Encoded:
    """A question up to the token whose query finds the row."""
    end = encoded.asks + 1
    return Encoded(encoded.input_ids[:end], encoded.labels[:end], encoded.targets[:end])


@torch.no_grad()
def states_of(model: PreTrainedModel, questions: Sequence[Encoded]) -> list[torch.Tensor]:
    """The states of each question that queries are made of, `[tokens, hidden_size]`, in half precision."""
    found: list[torch.Tensor] = []
    padding = model.config.get_text_config().pad_token_id or 0
    for start in range(0, len(questions), _AT_A_TIME):
        part = questions[start : start + _AT_A_TIME]
        batch = _collate([{"encoded": each} for each in part], padding)
        states = model.memory_states(batch["input_ids"].to(model.device), batch["attention_mask"].to(model.device))
        kind = torch.bfloat16 if states.dtype == torch.float32 else states.dtype
        found += [own[: len(each.input_ids)].to(kind) for own, each in zip(states, part)]
    return found


def _collate(batch: Sequence[Mapping[str, Any]], padding: int) -> dict[str, torch.Tensor]:
    found = padded([each["encoded"] for each in batch], padding)
    return {name: torch.tensor(values) for name, values in found.items()}


def _collate_states(batch: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    found = padded([each["encoded"] for each in batch], 0)
    states = nn.utils.rnn.pad_sequence([each["states"] for each in batch], batch_first=True).float()
    named = {name: torch.tensor(found[name]) for name in ("memory_targets", "attention_mask")}
    return {"states": states, **named}


def mixed(examples: Sequence[dict[str, Any]], share: float) -> list[dict[str, Any]]:
    """Questions with a row, and those without as often as `share` says to each of them."""
    found = [each for each in examples if each["encoded"].targets[-1] >= 0]
    lacking = [each for each in examples if each["encoded"].targets[-1] < 0]
    wanted = round(share * len(found)) if found and lacking else len(lacking)
    return found + [lacking[place % len(lacking)] for place in range(wanted)]
