"""The card families' suites as if on other machines: `python utils/portability_tests.py`."""

from command import run


if __name__ == "__main__":
    run("portability.cli")
