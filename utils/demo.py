"""A real checkpoint through the gated Llama: `python utils/demo.py`."""

from showcase.demo import main


if __name__ == "__main__":
    raise SystemExit(main())
