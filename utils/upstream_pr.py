"""Write a pull request to transformers: `python utils/upstream_pr.py --model llama --repo ../transformers`."""

from command import run


if __name__ == "__main__":
    run("pull_request.cli")
