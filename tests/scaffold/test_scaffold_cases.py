"""Toy bases of every variety: the short delta and what it is woven to, or the refusal.

`python tests/scaffold/test_scaffold_cases.py` writes them anew.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import pytest


CASES = Path(__file__).parent / "cases"
ROOT = Path(__file__).resolve().parents[2]
FILES = ("delta.py", "expected.py", "refused.txt")
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "utils"))

from building.library import Library  # noqa: E402
from diagnostics.errors import ConversionError  # noqa: E402
from scaffold.short import short_delta  # noqa: E402
from syntax.source import Source  # noqa: E402
from weave.stage import gates_of, styled  # noqa: E402
from weave.woven import weave  # noqa: E402


def outcome(case: str, folder: Path) -> dict[str, str]:
    """The files that a case gives, and their texts."""
    package = folder / "transformers"
    toy = package / "models" / "toy"
    shutil.copytree(CASES / case, toy, ignore=shutil.ignore_patterns("expected*", "refused*", "delta*"))
    try:
        delta = short_delta("toy", package).text
        library = Library({"transformers": package, "gates": gates_of(ROOT)})
        woven = weave(Source("modular_quality_gate_toy.py", "toy", delta), "quality_gate_toy", library.load, {})
        return {"delta.py": delta, "expected.py": styled(woven.source.text)}
    except ConversionError as error:
        return {"refused.txt": str(error).replace(f"{toy}/", "") + "\n"}


def names() -> list[str]:
    return sorted(path.name for path in CASES.iterdir() if path.is_dir())


@pytest.mark.parametrize("case", names())
def test_a_toy_gets_its_delta_or_its_refusal(case: str, tmp_path: Path) -> None:
    found = outcome(case, tmp_path)
    there = {name for name in FILES if (CASES / case / name).exists()}
    assert {name: (CASES / case / name).read_text() for name in there} == found
    for name in there - {"refused.txt"}:
        compile(found[name], name, "exec")


if __name__ == "__main__":
    for each in names():
        with tempfile.TemporaryDirectory() as scratch:
            written = outcome(each, Path(scratch))
        for name, text in written.items():
            (CASES / each / name).write_text(text)
        print(f"{each}: {', '.join(written)}")
