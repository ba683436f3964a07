"""Training the gates alone, on `Trainer`: one process or many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
import yaml
from files.writing import write_file
from naming.kinds import MEANT
from naming.models import HasGates

from selection.chat import IGNORED
from selection.errors import SelectionError
from selection.metrics import Metrics
from selection.models import Loaded, freeze_all_but_gates, target_argument, write_original_gates
from selection.options import TRAINING
from selection.samples import UNKNOWN, Sample, Samples
from selection.values import CONFIG, FULL_RANK, LORA, METRICS, ORIGINAL_GATES
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainingArguments, set_seed


_FIELDS = ("quality_loss_weight", "quality_loss_type", "quality_loss_balance", "sample_wise_averaging")
_LOSSES_OF_MOMENTS = ("beta_moment_matching", "mean_variance_regularization")


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How gates are trained; the defaults are the original project's."""

    mode: str = FULL_RANK
    epochs: float = 2
    max_steps: int = -1
    total_batch: int = 16
    device_batch: int = 1
    learning_rate: float = 3e-4
    lora_rank: int = 16
    lora_alpha: int = 64
    gradient_checkpointing: bool = False
    seed: int = 42
    logging_steps: int = 10


def accumulation(total: int, device_batch: int, world: int) -> int:
    """Batches that are added up before a step: as near to `total` samples as may be, fewer where two are as near."""
    each = device_batch * world
    low = max(total // each, 1)
    return min((low, low + 1), key=lambda steps: (abs(steps * each - total), steps))


def check_targets(loaded: Loaded) -> None:
    """Raise SelectionError where the loss of a model's configuration does nothing with targets of samples."""
    text = loaded.model.config.get_text_config()
    kind = getattr(text, "quality_loss_type", None)
    fix = "change the gated checkpoint's config.json, or leave --target-data out"
    if kind in _LOSSES_OF_MOMENTS:
        message = f"its quality_loss_type {kind!r} takes no targets: it is of the moments of all scores"
        raise SelectionError(loaded.name, message, f"{fix}; linear, sigmoid and mse take targets")
    if getattr(text, "sample_wise_averaging", True) is False:
        message = "with its sample_wise_averaging=false targets do nothing: they are of samples"
        raise SelectionError(loaded.name, message, fix)


def train(
    loaded: Loaded, samples: Samples, options: TrainOptions, output: Path, resolved: dict[str, Any]
) -> dict[str, Any]:
    """Train, and write what a run is: gates, tokenizer, configuration, metrics.

    Args:
        loaded: the gated model; its gates are changed.
        samples: what is trained on.
        options: how.
        output: the folder of the run.
        resolved: what else the configuration says.

    Returns:
        The last metrics.

    Raises:
        SelectionError: the model has no gates.
    """
    set_seed(options.seed)
    model = loaded.model.float() if not torch.cuda.is_available() else loaded.model
    if not freeze_all_but_gates(model):
        raise SelectionError(loaded.name, "has no gates", "give a gated checkpoint, or a base")
    text = model.config.get_text_config()
    arguments = _arguments(options, output)
    if options.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
        model.config.use_cache = False
    adapted = _with_lora(model, options) if options.mode == LORA else None
    collator = _Collator(loaded.tokenizer.pad_token_id or 0, target_argument(model))
    trainer = Trainer(model if adapted is None else adapted, arguments, collator, samples.samples)
    trainer.add_callback(Metrics(output / METRICS))
    trainer.remove_callback(PrinterCallback)
    result = trainer.train()
    if trainer.is_world_process_zero():
        if adapted is not None:
            adapted.save_pretrained(output / "adapter")
            model = adapted.merge_and_unload()
        _write_run(
            loaded,
            model,
            output,
            {
                **resolved,
                **asdict(options),
                **{name: getattr(text, name) for name in _FIELDS if hasattr(text, name)},
                "accumulation": arguments.gradient_accumulation_steps,
                "processes": arguments.world_size,
                "samples": len(samples.samples),
                "targets": samples.targets,
                "left_out": samples.left_out,
            },
        )
    return result.metrics


def _arguments(options: TrainOptions, output: Path) -> TrainingArguments:
    found = TrainingArguments(
        output_dir=str(output),
        num_train_epochs=options.epochs,
        max_steps=options.max_steps,
        per_device_train_batch_size=options.device_batch,
        learning_rate=options.learning_rate,
        lr_scheduler_type="linear",
        weight_decay=0.0,
        logging_steps=options.logging_steps,
        seed=options.seed,
        use_cpu=not torch.cuda.is_available(),  # else Trainer takes no processes of torchrun together on CPUs
        bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        dataloader_pin_memory=torch.cuda.is_available(),
        label_names=["labels"],
        **TRAINING,
    )
    found.gradient_accumulation_steps = accumulation(options.total_batch, options.device_batch, found.world_size)
    return found


def _with_lora(model: PreTrainedModel, options: TrainOptions) -> Any:
    from peft import LoraConfig, get_peft_model

    target = [name for name, _ in model.named_modules() if name.endswith(f".{MEANT.attribute}.gate")]
    config = LoraConfig(
        r=options.lora_rank,
        lora_alpha=options.lora_alpha,
        lora_dropout=0.0,
        target_modules=target,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def _write_run(loaded: Loaded, model: PreTrainedModel, output: Path, resolved: dict[str, Any]) -> None:
    """The configuration comes last: what has it is a run."""
    cast(HasGates, model).save_quality_gates(output)
    write_original_gates(model, output / ORIGINAL_GATES)
    loaded.tokenizer.save_pretrained(output)
    text = yaml.safe_dump(resolved, sort_keys=True, allow_unicode=True)
    write_file(output / CONFIG, [text.encode()])


class _Collator:
    """Samples of different length as a batch: padding is masked, and its labels ignored."""

    def __init__(self, padding: int, target: str) -> None:
        self._padding, self._target = padding, target

    def __call__(self, samples: Sequence[Sample]) -> dict[str, torch.Tensor]:
        width = max(len(sample["input_ids"]) for sample in samples)
        rows = [(sample["input_ids"], sample["labels"], width - len(sample["input_ids"])) for sample in samples]
        batch = {
            "input_ids": torch.tensor([tokens + [self._padding] * short for tokens, _, short in rows]),
            "labels": torch.tensor([labels + [IGNORED] * short for _, labels, short in rows]),
            "attention_mask": torch.tensor([[1] * len(tokens) + [0] * short for tokens, _, short in rows]),
        }
        targets = [sample["target"] for sample in samples]
        if any(target != UNKNOWN for target in targets):
            batch[self._target] = torch.tensor(targets)
        return batch
