"""Run generated models once at a tiny size: `python utils/smoke.py --model llama`."""

from showcase.smoke import main


if __name__ == "__main__":
    raise SystemExit(main())
