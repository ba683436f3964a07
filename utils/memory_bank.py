"""A table of knowledge that people read and edit: `python utils/memory_bank.py build|show|edit|search|export|log|undo`."""

from command import run


if __name__ == "__main__":
    run("memory.cli")
