"""Proofs that a gated checkpoint computes what its base does: `python utils/compare_models.py`."""

from checkpoints.cli import compare


if __name__ == "__main__":
    raise SystemExit(compare())
