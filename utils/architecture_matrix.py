"""Gate and test every architecture of transformers: `python utils/architecture_matrix.py --help`."""

from command import run


if __name__ == "__main__":
    run("matrix.cli")
