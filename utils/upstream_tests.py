"""Run transformers' own tests on the generated models: `python utils/upstream_tests.py --model llama`."""

from command import run


if __name__ == "__main__":
    run("common_tests.cli")
