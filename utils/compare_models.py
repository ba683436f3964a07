"""Proofs that a gated checkpoint computes what its base does: `python utils/compare_models.py`."""

from command import run


if __name__ == "__main__":
    run("checkpoints.cli", "compare")
