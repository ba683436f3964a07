"""What this machine is, in a line, for whoever reads a report of tests: `python utils/machine.py`."""

from portability.processor import main


if __name__ == "__main__":
    raise SystemExit(main())
