"""A real checkpoint through the gated Llama: `python utils/demo.py`."""

from command import run


if __name__ == "__main__":
    run("showcase.cli", "demo")
