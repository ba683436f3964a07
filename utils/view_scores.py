"""What gates say of a text, to look at: `python utils/view_scores.py`."""

from command import run


if __name__ == "__main__":
    run("viewing.cli")
