"""What this machine is, in a line, for whoever reads a report of tests: `python utils/machine.py`."""

from command import run


if __name__ == "__main__":
    run("portability.processor")
