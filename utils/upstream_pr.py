"""Write a pull request to transformers: `python utils/upstream_pr.py --model llama --repo ../transformers`."""

from upstream.cli import main


if __name__ == "__main__":
    raise SystemExit(main())
