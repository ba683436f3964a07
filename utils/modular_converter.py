"""Turn modular files into standalone model files: `python utils/modular_converter.py --model llama`."""

from scaffold.missing import write_missing

from converter.cli import main


if __name__ == "__main__":
    raise SystemExit(main(write_missing=write_missing))
