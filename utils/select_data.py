"""Choose the best part of a scored corpus: `python utils/select_data.py`."""

from command import run


if __name__ == "__main__":
    run("selection.select_cli")
