"""Write the delta of a model that has none: `python utils/scaffold_gate.py --model mistral`."""

from command import run


if __name__ == "__main__":
    run("scaffold.cli")
