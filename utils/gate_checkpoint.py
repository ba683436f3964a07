"""A base checkpoint becomes a gated one: `python utils/gate_checkpoint.py`."""

from checkpoints.cli import gate


if __name__ == "__main__":
    raise SystemExit(gate())
