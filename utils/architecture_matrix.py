"""Gate and test every architecture of transformers: `python utils/architecture_matrix.py --help`."""

from matrix.cli import main


if __name__ == "__main__":
    raise SystemExit(main())
