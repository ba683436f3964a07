"""What other tools say: the converter, ruff under the repository's table, and the linter of models."""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from ruff.__main__ import find_ruff_bin

from pull_request.conversion import formatted, generate
from pull_request.layout import MODELS, tests_path
from pull_request.verify.layout_checks import without_banner
from pull_request.verify.subject import Subject, finding


RULES = "utils/rules.toml"  # a repository's own table for the linter of models


def reconverted(subject: Subject) -> Iterator[Diagnostic]:
    """The generated files are what the modular file makes."""
    modular = subject.modular
    if not modular.text or not modular.tree.body:
        return
    try:
        files = _made_again(subject)
    except ConversionError as error:
        yield from error.diagnostics
        return
    for path, wanted in files.items():
        text = subject.tree.read(path)
        if text is not None and text != wanted:
            message = "this is not what the modular file makes"
            fix = f"change {modular.path.rpartition('/')[2]} and convert it again: generated files are never edited"
            yield finding(path, _first_difference(text, wanted), "stale-generated", message, fix)


def _made_again(subject: Subject) -> Mapping[str, str]:
    """The files as exporting makes them, or, where that refuses the modular file, as transformers' own converter does."""
    arguments = (subject.name, subject.modular.text, subject.tree, subject.setting)
    try:
        return generate(*arguments, strict=True)[0]
    except ConversionError:
        return generate(*arguments, strict=False)[0]


def ruff(subject: Subject) -> Iterator[Diagnostic]:
    """Rules and format."""
    texts = {path: subject.tree.read(path) or "" for path in subject.python_files}
    with TemporaryDirectory(prefix="verified-") as folder:
        _write(Path(folder), texts)
        command = (find_ruff_bin(), "check", "--no-cache", "--quiet", "--no-fix", "--output-format", "json")
        done = subprocess.run(
            (*command, "--config", str(subject.setting.ruff_config), *texts),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
        )
        for item in json.loads(done.stdout or "[]"):
            path = os.path.relpath(item["filename"], os.path.realpath(folder)).replace(os.sep, "/")
            fix = (item.get("fix") or {}).get("message") or "see `ruff rule " + str(item["code"]) + "`"
            yield finding(path, item["location"]["row"], "ruff", f"{item['code']}: {item['message']}", fix)
    for path, text in texts.items():
        yield from _format(subject, path, text)


def _format(subject: Subject, path: str, text: str) -> Iterator[Diagnostic]:
    try:
        wanted = formatted(path, text, subject.setting)
    except ConversionError:
        return  # no Python: the rules have said so
    if text != wanted:
        line = _first_difference(text, wanted)
        yield finding(path, line, "format", "ruff would format this differently", "ruff check --fix and ruff format")


def linted(subject: Subject) -> Iterator[Diagnostic]:
    """transformers-mlinter on the modular file and, unlike in its own CI, on the generated ones.

    What it says of the base as well is the base's.
    """
    if find_spec("mlinter") is None:
        fix = "pip install transformers-mlinter"
        yield finding(subject.modular, 1, "no-linter", "transformers-mlinter is not installed, so it was not run", fix)
        return
    known = {_neutral(subject, message) for _, _, message in _lint(subject, _base_files(subject))}
    own = {
        path: text for path in subject.python_files if path.startswith(MODELS) and (text := subject.tree.read(path))
    }
    own |= {tests_path(subject.name): subject.tests.text}
    for path, line, message in _lint(subject, own):
        if _neutral(subject, message) not in known:
            shift = _banner_lines(own.get(path, ""))
            rule, _, said = message.partition(": ")
            yield finding(path, line + shift, "mlinter", f"{rule}: {said}", f"see `mlinter --rule {rule}`")


def _lint(subject: Subject, texts: Mapping[str, str]) -> list[tuple[str, int, str]]:
    """Path, line and message of each finding; generated files are shown without the banner that would exempt them."""
    rules = subject.tree.place(RULES)
    with TemporaryDirectory(prefix="linted-") as folder:
        _write(Path(folder), {path: without_banner(text) for path, text in texts.items()})
        report = Path(folder) / "findings.json"
        command = [sys.executable, "-m", "mlinter", "--no-cache", "--no-progress", "--output-json", str(report)]
        command += ["--rules-toml", str(rules.resolve())] if rules and rules.is_file() else []
        subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True)
        found = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {"findings": []}
    items = found["findings"] if isinstance(found, dict) else found
    return [(item["path"], item["line"] or 1, item["message"]) for item in items]


def _base_files(subject: Subject) -> dict[str, str]:
    """The base's files under the gated model's name: under its own, it is exempt from rules that came after it."""
    kinds = ("modular", "configuration", "modeling")
    texts = {f"{MODELS}/{subject.name}/{kind}_{subject.name}.py": subject.of_base(kind).text for kind in kinds}
    return {path: text for path, text in texts.items() if text}


def _neutral(subject: Subject, message: str) -> str:
    """A message without what tells a gated model from its base."""
    family = subject.kind.family
    return re.sub(f"{subject.gate.prefix}|{family}|{family.upper()}", "", message)


def _banner_lines(text: str) -> int:
    return text.count("\n") - without_banner(text).count("\n")


def _first_difference(text: str, wanted: str) -> int:
    """The line of `text` where it begins to differ."""
    for tag, start, _, _, _ in difflib.SequenceMatcher(
        None, text.splitlines(), wanted.splitlines(), False
    ).get_opcodes():
        if tag != "equal":
            return start + 1
    return 1


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    for path, text in texts.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
