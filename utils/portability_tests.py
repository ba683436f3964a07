"""The card families' suites as if on other machines: `python utils/portability_tests.py`."""

from portability.cli import main


if __name__ == "__main__":
    raise SystemExit(main())
