"""Run generated models once at a tiny size: `python utils/smoke.py --model llama`."""

from command import run


if __name__ == "__main__":
    run("showcase.cli", "smoke")
