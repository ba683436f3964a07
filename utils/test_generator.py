"""Render the tests of generated models: `python utils/test_generator.py --model llama`."""

from command import run


if __name__ == "__main__":
    run("testgen.cli")
