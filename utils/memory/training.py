"""Training memory gates, and nothing else, on `Trainer`: first to find rows, then to write what they say. Needs torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from selection.options import TRAINING
from torch import nn

from memory.questions import IGNORED, NOTHING, Encoded
from memory.settings import FUSION, ORDER, RETRIEVAL, TrainOptions
from memory.tasks import FusionTask, RetrievalTask, branch_of, collated, states_into, states_of, with_states
from memory.threshold import held_back, set_threshold


_KEPT_STATES = 2 * 2**30  # bytes of the states of rows, which training reads again and again
_MOST_STATES = 4 * 2**30  # bytes of the states of questions that are made once


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What a stage trains, on what, and by which steps."""

    module: nn.Module
    examples: Sequence[Any]
    collate: Callable[[Sequence[Any]], dict[str, torch.Tensor]]
    optimizer: torch.optim.Optimizer
    steps: int
    batch: int


def train(
    model: Any,
    questions: Sequence[Encoded],
    options: TrainOptions,
    output: Path,
    callbacks: Sequence[Any] = (),
    done: Sequence[str] = (),
    on_stage: Callable[[str], None] | None = None,
) -> dict[str, float]:
    """Train the gates of a model whose bank is filled.

    Args:
        model: its gates are changed, in float32; the rest stays.
        questions: what is trained on; rows are those of the model's bank.
        options: how.
        output: a folder that Trainer may write to.
        callbacks: of Trainer.
        done: stages that were trained before.
        on_stage: is called with the name of a stage that is done.

    Returns:
        The last loss that was logged of each stage, by its name.
    """
    from transformers import set_seed

    model.eval()
    model.freeze_backbone()
    config, bank = model.config.get_text_config(), model.base_model.memory
    kept, coefficient = bank.kept_states, config.retrieval_loss_coef
    bank.kept_states, config.retrieval_loss_coef = _KEPT_STATES, 0.0
    losses: dict[str, float] = {}
    try:
        for stage in stages_of(config, options, done):
            set_seed(options.seed)
            work = _train_retrieval if stage == RETRIEVAL else _train_fusion
            losses[stage] = work(model, questions, options, partial(_run, options, output, callbacks))
            if on_stage:
                on_stage(stage)
    finally:
        bank.kept_states, config.retrieval_loss_coef = kept, coefficient
        model.eval()
    return losses


def stages_of(config: Any, options: TrainOptions, done: Sequence[str] = ()) -> list[str]:
    """The stages that are left: the original design learns to find rows and to write them at once."""
    stages = ORDER if config.memory_design == "content" else (FUSION,)
    return [stage for stage in stages if stage not in done and getattr(options, f"{stage}_steps")]


def asking(questions: Sequence[Encoded]) -> list[Encoded]:
    """Prompts with a row or with none, up to the token whose query finds it."""
    return [cut(each) for each in questions if any(target != IGNORED for target in each.targets)]


def answered(questions: Sequence[Encoded]) -> list[Encoded]:
    """Questions with something to be said."""
    return [each for each in questions if any(label != IGNORED for label in each.labels[1:])]


def cut(encoded: Encoded) -> Encoded:
    """A question up to the token whose query finds the row."""
    end = encoded.asks + 1
    return Encoded(encoded.input_ids[:end], encoded.labels[:end], encoded.targets[:end])


def begun(questions: Sequence[Encoded], share: float) -> list[Encoded]:
    """A share of the questions with a row, each up to another token of its answer, where the row is to be found still."""
    with_row = [each for each in questions if sum(target >= 0 for target in each.targets) > 1]
    found = []
    for number in range(round(share * len(with_row))):
        each = with_row[int(number / share) % len(with_row)]
        places = [place for place, target in enumerate(each.targets) if target >= 0][1:]
        end = places[number % len(places)] + 1
        targets = [IGNORED] * (end - 1) + [each.targets[end - 1]]
        found.append(Encoded(each.input_ids[:end], [IGNORED] * end, targets))
    return found


def mixed(questions: Sequence[Any], share: float, row: Callable[[Any], int]) -> list[Any]:
    """Questions with a row, and those without as often as `share` says to each of them."""
    found = [each for each in questions if row(each) >= 0]
    lacking = [each for each in questions if row(each) == NOTHING]
    wanted = round(share * len(found)) if found and lacking else len(lacking)
    return found + [lacking[place % len(lacking)] for place in range(wanted)]


def _train_retrieval(
    model: Any, questions: Sequence[Encoded], options: TrainOptions, run: Callable[[Job], float]
) -> float:
    """Stage one: queries of the last tokens of prompts find their rows, those of other prompts find nothing."""
    kept, held = held_back(asking(questions), options.threshold_share)
    back = {each.targets[-1] for each in held}
    kept += [each for each in begun(questions, options.begun_share) if each.targets[-1] not in back]
    task = RetrievalTask(model)
    trained = [weight for weight in task.gate.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=options.retrieval_rate, weight_decay=options.retrieval_decay)
    pairs = list(zip(states_of(model, kept), kept, strict=True))
    examples = mixed(pairs, options.nothing_share, lambda pair: pair[1].targets[-1])
    asks_in_vain = any(each.targets[-1] == NOTHING for _, each in examples)
    batch = round(options.retrieval_batch * (1 + options.nothing_share * asks_in_vain))

    def collate(part: Sequence[Any]) -> dict[str, torch.Tensor]:
        found = with_states(part, 0)
        return {name: found[name] for name in ("states", "memory_targets", "attention_mask")}

    loss = run(Job(task, examples, collate, optimizer, options.retrieval_steps, batch))
    set_threshold(model, held)
    return loss


def _train_fusion(
    model: Any, questions: Sequence[Encoded], options: TrainOptions, run: Callable[[Job], float]
) -> float:
    """Stage two: with the right row read in full, its answer follows."""
    examples: list[Any] = answered(questions)
    is_content = model.config.get_text_config().memory_design == "content"
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    named = [(name, weight) for name, weight in named if not (is_content and ".memory_gate." in name)]
    gains = [weight for name, weight in named if name.endswith(".gain")]
    others = [weight for name, weight in named if not name.endswith(".gain")]
    groups = [{"params": others, "lr": options.fusion_rate}, {"params": gains, "lr": options.gain_rate}]
    optimizer = torch.optim.AdamW([each for each in groups if each["params"]], weight_decay=options.fusion_decay)
    padding = model.config.get_text_config().memory_pad_token_id
    module, collate = model, partial(collated, padding=padding)
    branch = branch_of(model) if is_content and all(max(each.targets) >= 0 for each in examples) else None
    if branch is not None and _bytes(model, examples) <= _MOST_STATES:
        examples = list(zip(states_into(model, branch, examples), examples, strict=True))
        module, collate = FusionTask(model, branch), partial(with_states, padding=padding)
    with only(model, [weight for _, weight in named]):
        return run(Job(module, examples, collate, optimizer, options.fusion_steps, options.fusion_batch))


def _bytes(model: Any, questions: Sequence[Encoded]) -> int:
    return 2 * int(model.config.get_text_config().hidden_size) * sum(len(each.input_ids) for each in questions)


def _run(options: TrainOptions, output: Path, callbacks: Sequence[Any], job: Job) -> float:
    from transformers import PrinterCallback, Trainer, TrainingArguments

    device = next(job.module.parameters()).device
    arguments = TrainingArguments(
        output_dir=str(output),
        max_steps=job.steps,
        per_device_train_batch_size=max(job.batch // options.accumulation, 1),
        gradient_accumulation_steps=options.accumulation,
        logging_steps=options.logging_steps,
        seed=options.seed,
        use_cpu=device.type == "cpu",
        dataloader_pin_memory=False,  # states are on the device already
        label_names=["memory_targets"],
        **TRAINING,
    )
    warm_up = max(job.steps // 15, 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(job.optimizer, lambda step: cosine(step, warm_up, job.steps))
    trainer = Trainer(
        job.module, arguments, job.collate, job.examples, optimizers=(job.optimizer, schedule), callbacks=[*callbacks]
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    logged = [each["loss"] for each in trainer.state.log_history if "loss" in each]
    return float(logged[-1]) if logged else float(trainer.state.log_history[-1]["train_loss"])


def cosine(step: int, warm_up: int, steps: int) -> float:
    """The share of the learning rate at a step."""
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
