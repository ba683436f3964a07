"""A change as one patch that `git am` takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from upstream.git import commit, git, knows_who, write
from upstream.layout import TOCTREE


_TRAILER = "\n-- \n"


def make_patch(before: Mapping[str, str], after: Mapping[str, str], message: str, hunks: str) -> str:
    """The patch from the texts of some files to others, with hunks that have no original put in.

    The author is whoever git thinks it is.
    """
    with TemporaryDirectory(prefix="upstream-") as scratch:
        folder = Path(scratch)
        git(folder, "init", "--quiet", "--initial-branch=main")
        if not knows_who(folder):
            git(folder, "config", "user.name", "Quality Gate")
            git(folder, "config", "user.email", "quality-gate@localhost")
        git(folder, "config", "commit.gpgsign", "false")
        git(folder, "config", "core.autocrlf", "false")
        git(folder, "commit", "--quiet", "--allow-empty", "--message=nothing")
        if before:
            write(folder, before)
            commit(folder, "before", sorted(before))
        write(folder, after)
        commit(folder, message, sorted(after))
        text = git(folder, "format-patch", "-1", "--stdout", "--no-stat", "--no-signature")
    return text.rstrip("\n") + "\n" + hunks + _TRAILER.lstrip("\n") + "quality gate\n"


def toctree_hunk(pages: Mapping[str, str], near: str) -> str:
    """Entries for a table of contents that is not at hand, above that of the page `near`: name -> title.

    Its own sorter (`python utils/check_doc_toc.py --fix_and_overwrite`) finds their places.
    """
    new = "".join(
        f"+      - local: model_doc/{name}\n+        title: {title}\n" for name, title in sorted(pages.items())
    )
    count = 2 * len(pages)
    return (
        f"diff --git a/{TOCTREE} b/{TOCTREE}\n--- a/{TOCTREE}\n+++ b/{TOCTREE}\n"
        f"@@ -2,1 +2,{count + 1} @@\n{new}       - local: model_doc/{near}\n"
    )
