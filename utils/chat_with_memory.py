"""Talk with a model that remembers facts in rows one can read: `python utils/chat_with_memory.py`."""

from command import run


if __name__ == "__main__":
    run("memory.chat_cli")
