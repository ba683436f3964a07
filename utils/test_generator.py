"""Render the tests of generated models: `python utils/test_generator.py --model llama`."""

from testgen.cli import main


if __name__ == "__main__":
    raise SystemExit(main())
