"""What a training run logs, a line of JSON each. Needs torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class Metrics(TrainerCallback):
    """Writes what Trainer logs to a file: one process of a run does.

    Args:
        path: the file. It begins empty where training begins, and further trainings of one run go on in it.
        append: whether it goes on from the beginning, as a run does that was stopped.
    """

    def __init__(self, path: Path, append: bool = False) -> None:
        self._path, self._begun = path, append

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Empty the file, once."""
        if state.is_world_process_zero and not self._begun:
            self._path.write_text("", encoding="utf-8")
        self._begun = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A line with the step and what is logged of it.

        Args:
            args, state, control: as Trainer has them; the first process writes.
            logs: numbers by name.
        """
        if state.is_world_process_zero:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"step": state.global_step, **(logs or {})}) + "\n")
