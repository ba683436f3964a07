"""Trees to export into: a few models of the installed transformers, or all of its source distribution, under git."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from building.library import installed


TOCTREE = """\
- sections:
  - local: index
    title: Transformers
  title: Get started
- sections:
  - sections:
    - sections:
      - local: model_doc/gpt_oss
        title: GptOss
      - local: model_doc/llama
        title: Llama
      - local: model_doc/qwen2
        title: Qwen2
      - local: model_doc/qwen3
        title: Qwen3
      title: Text models
    - sections:
      - local: model_doc/gemma3
        title: Gemma3
      - local: model_doc/llava
        title: LLaVA
      title: Multimodal models
    title: Models
  title: API
"""
CONFIG_CHECK = """\
SPECIAL_CASES_TO_ALLOW = {
    "Gemma3Config": ["boi_token_index", "eoi_token_index"],
}
"""


def few_models(root: Path, models: Iterable[str] = ("llama", "qwen3")) -> Path:
    """A repository with these models and what is around them, committed on `main`."""
    package = Path(installed("transformers") or "")
    target = root / "src" / "transformers"
    (target / "models").mkdir(parents=True)
    for folder in ("", "utils", "models/auto", *(f"models/{name}" for name in models)):
        (target / folder).mkdir(exist_ok=True)
        for file in (package / folder).glob("*.py"):
            shutil.copyfile(file, target / folder / file.name)
    shutil.copyfile(package / "models" / "__init__.py", target / "models" / "__init__.py")
    return commit_all(root)


def commit_all(root: Path) -> Path:
    """Add what a source distribution lacks, and commit everything on `main`."""
    texts = {"docs/source/en/_toctree.yml": TOCTREE, "utils/check_config_attributes.py": CONFIG_CHECK}
    texts[".gitignore"] = "__pycache__/\n"
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "config", "user.name", "Ada")
    git(root, "config", "user.email", "ada@example.org")
    git(root, "config", "commit.gpgsign", "false")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=base")
    return root


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(("git", "-C", str(root), *arguments), capture_output=True, encoding="utf-8")
    assert not done.returncode, done.stderr
    return done.stdout


def state(root: Path) -> tuple[str, str, str, str]:
    """Everything that an export may change: the branch, its commit, all branches, and what is not committed."""
    head = git(root, "rev-parse", "--abbrev-ref", "HEAD"), git(root, "rev-parse", "HEAD")
    return (*head, git(root, "branch", "--list"), git(root, "status", "--porcelain", "--ignored"))
