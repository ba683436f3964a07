"""Run transformers' own tests on the generated models: `python utils/upstream_tests.py --model llama`."""

from upstream_suite.cli import main


if __name__ == "__main__":
    raise SystemExit(main())
