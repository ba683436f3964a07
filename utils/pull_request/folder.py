"""An export into a folder, or into a patch."""

from __future__ import annotations

from pathlib import Path

from rendering.render import render

from pull_request.body import Evidence, commit_message, render_body
from pull_request.exports import Bundle
from pull_request.git import write
from pull_request.layout import CONFIG_CHECK, TOCTREE
from pull_request.patch import make_patch, toctree_hunks
from pull_request.shared import page_of
from pull_request.values import Tree, refuse


HUNKS = "shared-files.patch"
BODY = "PULL_REQUEST.md"
CHECKLIST = "CHECKLIST.md"
NEXT = "qwen2"  # the page of a text model whose title comes next after every "QualityGate..."


def deliver_folder(folder: Path, found: Bundle, tree: Tree, evidence: Evidence, body: Path | None) -> list[str]:
    """Write the files, the body and a checklist; the names of what was written, sorted.

    Raises ConversionError: `not-empty` where there is something in the folder already, `not-a-folder` below a file.

    Args:
        folder: a new one, or an empty one.
        found: what the pull request brings.
        tree: the repository that it is for.
        evidence: what was run, and what came of it.
        body: a file for the body in place of one in the folder.
    """
    above = next(each for each in folder.absolute().parents if each.exists())
    if not above.is_dir():
        raise refuse("not-a-folder", str(folder), f"{above} is a file", "name a place below a folder")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise refuse("not-empty", str(folder), "the folder is not empty", "name a new folder, or empty this one")
    hunks = missing_hunks(found, tree)
    exports = found.exports
    texts = {**found.texts, CHECKLIST: checklist(found, tree)}
    texts |= {HUNKS: hunks} if hunks else {}
    text = render_body(exports, tree.with_changes(found.texts), evidence, found.already)
    texts |= {} if body else {BODY: text}
    write(folder, texts)
    if body:
        body.write_text(text, encoding="utf-8")
    return sorted(texts)


def deliver_patch(file: Path, found: Bundle, tree: Tree, evidence: Evidence, body: Path | None) -> list[str]:
    """Write the patch, and the body beside it; the paths of both. Files that are there already are replaced.

    Args:
        file: of the patch.
        found: what the pull request brings.
        tree: the repository that it is for.
        evidence: what was run, and what came of it.
        body: a file for the body in place of one beside the patch.
    """
    before = {path: text for path in found.texts if (text := tree.read(path)) is not None}
    text = make_patch(before, found.texts, commit_message(found.exports), missing_hunks(found, tree))
    beside = body or file.with_suffix(".md")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    said = render_body(found.exports, tree.with_changes(found.texts), evidence, found.already)
    beside.write_text(said, encoding="utf-8")
    return [str(file), str(beside)]


def missing_hunks(found: Bundle, tree: Tree) -> str:
    """Hunks for those shared files that every pull request changes and whose originals are not at hand."""
    if tree.read(TOCTREE) is not None or not found.exports:
        return ""
    pages = {
        page_of(export.facts): (export.facts.prefix, export.model.base if export.facts.image_models else NEXT)
        for export in found.exports
    }
    return toctree_hunks(pages)


def checklist(found: Bundle, tree: Tree) -> str:
    """What is there, and what is left to do."""
    return render(
        "pull_request/checklist.md.j2",
        models=[export.facts for export in found.exports],
        already=found.already,
        files=list(found.texts),
        shared=sorted({path for export in found.exports for path in export.shared}),
        hunks=HUNKS if missing_hunks(found, tree) else "",
        release=tree.release,
        has_config_check=tree.read(CONFIG_CHECK) is not None,
        config_check=CONFIG_CHECK,
    )
