"""A gated checkpoint becomes its base again: `python utils/ungate_checkpoint.py`."""

from command import run


if __name__ == "__main__":
    run("checkpoints.cli", "ungate")
