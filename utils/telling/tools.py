"""What a tool is called by whoever started it: `quality-gate gate`, or `gate_checkpoint.py` where a clone's script was."""

from __future__ import annotations

import sys

from places import IS_CLONE


PROGRAM = "quality-gate"
# Commands that are a script of utils/ as well -> its name. A clone has both, an installed package the command alone.
SCRIPTS = {
    "convert": "modular_converter.py",
    "test": "test_generator.py",
    "smoke": "smoke.py",
    "gate": "gate_checkpoint.py",
    "compare": "compare_models.py",
    "ungate": "ungate_checkpoint.py",
    "train": "train_gates.py",
    "score": "score_corpus.py",
    "select": "select_data.py",
    "memory": "memory_bank.py",
    "train-memory": "train_memory.py",
    "chat": "chat_with_memory.py",
    "view": "view_scores.py",
    "drift": "modular_converter.py",
    "pr": "upstream_pr.py",
}


def named(command: str) -> str:
    """What a tool calls itself: "quality-gate gate", or "gate_checkpoint.py" where a script of a clone was started.

    Texts of files do not take this: their bytes are the same however a tool was started.

    Args:
        command: of `quality-gate`, "gate". It may be another than the one that runs. Raises KeyError where it has no script.
    """
    script = SCRIPTS[command]
    return f"{PROGRAM} {command}" if started_as() or not IS_CLONE else script


def typed(command: str) -> str:
    """What a user types to start a tool: "quality-gate gate", or "python utils/gate_checkpoint.py" (see `named`)."""
    name = named(command)
    return name if name.startswith(PROGRAM) else f"python utils/{name}"


def started_as() -> str:
    """The command that this process was started by, "gate"; "" where it was a script, or is no tool of ours."""
    program, _, command = next(iter(sys.argv), "").partition(" ")  # as quality_gate/cli.py writes it
    return command if program == PROGRAM and command in (*SCRIPTS, "list", "run") else ""
