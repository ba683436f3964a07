"""Break the generated Llama and let its test suite notice: `python utils/mutants.py`."""

from testgen.mutants.cli import main


if __name__ == "__main__":
    raise SystemExit(main())
