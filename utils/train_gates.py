"""Train the gates of any model on any corpus: `python utils/train_gates.py`."""

from command import run


if __name__ == "__main__":
    run("selection.train_cli")
