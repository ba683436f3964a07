"""Train the memory gates of a model on questions about its rows: `python utils/train_memory.py`."""

from command import run


if __name__ == "__main__":
    run("memory.train_cli")
