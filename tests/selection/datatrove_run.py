"""A pipeline of datatrove on its local executor: `datatrove_run.py MODEL SUMMARY DATA OUT WORKERS`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter


class SlowReader(JsonlReader):
    """Gives whoever kills this a moment."""

    def run(self, data=None, rank=0, world_size=1):
        for piece in super().run(data, rank, world_size):
            time.sleep(float(os.environ.get("SLOW", 0)))
            yield piece


def run(model: str, summary: str, data: str, out: str, workers: int) -> None:
    from selection.steps import QualityGateFilter, QualityGateScorer

    dropped = JsonlWriter(f"{out}/dropped", "${rank}.jsonl", compression=None)
    steps = [
        SlowReader(data),
        QualityGateScorer(model, window=8),
        QualityGateFilter(summary, float(os.environ["CUT"]), exclusion_writer=dropped),
        JsonlWriter(f"{out}/kept", "${rank}.jsonl", compression=None),
    ]
    executor = LocalPipelineExecutor(
        steps, tasks=4, workers=workers, logging_dir=f"{out}/logs", start_method="fork", skip_completed=True
    )
    executor.run()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2] / "utils"))
    run(*sys.argv[1:5], int(sys.argv[5]))
