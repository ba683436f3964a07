"""What a training run logs, a line of JSON each. Needs torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import TrainerCallback


class Metrics(TrainerCallback):
    """Writes what Trainer logs to a file."""

    def __init__(self, path: Path, append: bool = False) -> None:
        self._path = path
        if not append:
            path.write_text("", encoding="utf-8")

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """A line with the step and what is logged of it."""
        if state.is_world_process_zero:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"step": state.global_step, **(logs or {})}) + "\n")
