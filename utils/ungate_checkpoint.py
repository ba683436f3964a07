"""A gated checkpoint becomes its base again: `python utils/ungate_checkpoint.py`."""

from checkpoints.cli import ungate


if __name__ == "__main__":
    raise SystemExit(ungate())
