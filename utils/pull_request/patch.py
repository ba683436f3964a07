"""A change as one patch that `git am` takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from pull_request.git import commit, git, knows_who, write
from pull_request.layout import TOCTREE


_TRAILER = "\n-- \n"


def make_patch(before: Mapping[str, str], after: Mapping[str, str], message: str, hunks: str) -> str:
    """The patch from the texts of some files to others, with hunks that have no original put in.

    The author is whoever git thinks it is, "Quality Gate" where it knows nobody.

    Args:
        before: path -> text of the files that are there already.
        after: path -> text of all files that the patch adds or changes.
        message: of the commit.
        hunks: text that goes behind the patch's own, "" for none.

    Raises:
        ConversionError: `git-failed` where git does not do as it is told, `no-git` where it cannot be started.
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


def toctree_hunks(pages: Mapping[str, tuple[str, str]]) -> str:
    """Entries for a table of contents that is not at hand: name -> title, and the page above whose entry it goes."""
    hunks = ""
    for near in sorted({near for _, near in pages.values()}):
        mine = {name: title for name, (title, beside) in pages.items() if beside == near}
        new = "".join(
            f"+      - local: model_doc/{name}\n+        title: {mine[name]}\n"
            for name in sorted(mine, key=lambda name: mine[name].lower())
        )
        hunks += f"@@ -2,1 +2,{2 * len(mine) + 1} @@\n{new}       - local: model_doc/{near}\n"
    return f"diff --git a/{TOCTREE} b/{TOCTREE}\n--- a/{TOCTREE}\n+++ b/{TOCTREE}\n{hunks}"
