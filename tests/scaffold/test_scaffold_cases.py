"""Toy bases of every variety and their deltas or refusals; `python tests/scaffold/test_scaffold_cases.py` writes them anew."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import pytest


CASES = Path(__file__).parent / "cases"
ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "utils"))

from scaffold.delta import scaffold  # noqa: E402

from converter.diagnostics import ConversionError  # noqa: E402


def outcome(case: str, folder: Path) -> tuple[str, str]:
    """The file that a case gives, and its text."""
    package = folder / "transformers"
    toy = package / "models" / "toy"
    shutil.copytree(CASES / case, toy, ignore=shutil.ignore_patterns("expected*", "refused*"))
    try:
        return "expected.py", scaffold("toy", package).text
    except ConversionError as error:
        return "refused.txt", str(error).replace(f"{toy}/", "") + "\n"


def names() -> list[str]:
    return sorted(path.name for path in CASES.iterdir() if path.is_dir())


@pytest.mark.parametrize("case", names())
def test_a_toy_gets_its_delta_or_its_refusal(case: str, tmp_path: Path) -> None:
    file, text = outcome(case, tmp_path)
    assert (CASES / case / file).read_text() == text
    others = {"expected.py", "refused.txt"} - {file}
    assert not any((CASES / case / other).exists() for other in others)
    if file == "expected.py":
        compile(text, file, "exec")


if __name__ == "__main__":
    for each in names():
        with tempfile.TemporaryDirectory() as scratch:
            name, written = outcome(each, Path(scratch))
        (CASES / each / name).write_text(written)
        print(f"{each}: {name}")
