"""Score a corpus with a gated model: `python utils/score_corpus.py`."""

from command import run


if __name__ == "__main__":
    run("selection.score_cli")
