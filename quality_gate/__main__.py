"""`python -m quality_gate` is `quality-gate`."""

from quality_gate.cli import main


if __name__ == "__main__":
    main()
