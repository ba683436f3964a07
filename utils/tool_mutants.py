"""Break the tools and let their tests notice: `python utils/tool_mutants.py`."""

from command import run


if __name__ == "__main__":
    run("mutation.cli")
