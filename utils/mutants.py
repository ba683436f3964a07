"""Break the generated Llama and let its test suite notice: `python utils/mutants.py`."""

from command import run


if __name__ == "__main__":
    run("testgen.mutants.cli")
