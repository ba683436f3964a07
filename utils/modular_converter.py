"""Turn modular files into standalone model files: `python utils/modular_converter.py --model llama`."""

from gating.cli import main


if __name__ == "__main__":
    raise SystemExit(main())
