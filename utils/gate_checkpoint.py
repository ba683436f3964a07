"""A base checkpoint becomes a gated one: `python utils/gate_checkpoint.py`."""

from command import run


if __name__ == "__main__":
    run("memory.gate_cli")
