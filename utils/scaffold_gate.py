"""Write the delta of a model that has none: `python utils/scaffold_gate.py --model mistral`."""

from scaffold.cli import main


if __name__ == "__main__":
    raise SystemExit(main())
