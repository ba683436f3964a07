"""Turn modular files into standalone model files: `python utils/modular_converter.py --model llama`."""

from command import run


if __name__ == "__main__":
    run("gating.cli")
