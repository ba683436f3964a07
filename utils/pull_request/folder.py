"""An export into a folder, or into a patch."""

from __future__ import annotations

from pathlib import Path

from files.folders import filled_in_place
from files.writing import write_texts
from naming.kinds import kind_of
from rendering.render import render

from pull_request.body import Evidence, commit_message, render_body
from pull_request.exports import Bundle
from pull_request.git import write, writing
from pull_request.layout import CONFIG_CHECK, TOCTREE
from pull_request.patch import make_patch, toctree_hunks
from pull_request.shared import page_of
from pull_request.values import PACKAGE, Model, Tree, refuse


HUNKS = "shared-files.patch"
BODY = "PULL_REQUEST.md"
CHECKLIST = "CHECKLIST.md"
# Pages of text models whose titles come next after those of a kind of gate ("QualityGate...", then "Qwen2").
NEXT = {
    "quality": ("qwen2",),
    "attention": ("bamba",),
    "memory": ("mimo_v2_flash", "minimax"),
    "select": ("smollm3",),
}


def deliver_folder(folder: Path, found: Bundle, tree: Tree, evidence: Evidence, body: Path | None) -> list[str]:
    """Write the files, the body and a checklist; the names of what was written, sorted.

    Raises ConversionError: `not-empty` where there is something in the folder already, `not-a-folder` below a file,
    `cannot-write` where the disk refuses. Then nothing was written.

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
    with writing(folder), filled_in_place(folder):
        write(folder, texts)
        write_texts({body: text} if body else {})
    return sorted(texts)


def deliver_patch(file: Path, found: Bundle, tree: Tree, evidence: Evidence, body: Path | None) -> list[str]:
    """Write the patch, and the body beside it; the paths of both. Files that are named are replaced where there are any.

    Raises ConversionError: `body-exists` where another text is in the body's place, which nobody named, `same-file` where
    patch and body are one file, `cannot-write` where the disk refuses. Then nothing was written.

    Args:
        file: of the patch.
        found: what the pull request brings.
        tree: the repository that it is for.
        evidence: what was run, and what came of it.
        body: a file for the body in place of one beside the patch.
    """
    before = {path: text for path in found.texts if (text := tree.read(path)) is not None}
    text = make_patch(before, found.texts, commit_message(found.exports), missing_hunks(found, tree))
    said = render_body(found.exports, tree.with_changes(found.texts), evidence, found.already)
    beside = body or file.with_suffix(".md")
    with writing(file):
        _check_beside(file, beside, said, named=body is not None)
        write_texts({file: text, beside: said})
    return [str(file), str(beside)]


def _check_beside(file: Path, beside: Path, said: str, named: bool) -> None:
    """Refuse a body that would replace its own patch, or what somebody wrote or filled in where nobody named a place."""
    if beside.resolve() == file.resolve():
        message = "the patch and the body of the pull request would be one file"
        raise refuse("same-file", str(file), message, f"name another with --body, or call the patch {file.stem}.patch")
    if not named and beside.exists() and (not beside.is_file() or beside.read_bytes() != said.encode()):
        message = "the body of the pull request goes here, and something else is here"
        raise refuse("body-exists", str(beside), message, "move it, or say with --body where the body goes")


def missing_hunks(found: Bundle, tree: Tree) -> str:
    """Hunks for those shared files that every pull request changes and whose originals are not at hand."""
    if tree.read(TOCTREE) is not None or not found.exports:
        return ""
    pages = {
        page_of(export.facts): (
            export.facts.prefix,
            export.model.base if export.facts.image_models else next_page(export.model, tree),
        )
        for export in found.exports
    }
    return toctree_hunks(pages)


def next_page(model: Model, tree: Tree) -> str:
    """The page of a text model that the model's goes above; its base's, in the same section, where no title is known."""
    known = NEXT.get(kind_of(model.name).kind, ())
    return next((name for name in known if tree.read(f"{PACKAGE}/models/{name}/__init__.py") is not None), model.base)


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
