"""Golden cases: folders with a modular file, the modules it inherits from and what has to come out.

    modular_<model>.py                        the delta; its module is transformers.models.<model>.modular_<model>
    modeling_<parent>.py, ...                 transformers.models.<parent>.modeling_<parent>, for any other model
    modeling_<model>.py, ..., __init__.py     expected, formatted
    warned.txt                                expected warnings, where what is doubtful is let pass
    refused.txt                               expected refusal, by --strict or (if there are no outputs) always

A case whose name starts with `package_` is converted in package layout, any other as inside a transformers tree.
`PYTHONPATH=utils python tests/converter/golden.py [case ...]` writes what comes out into the folders, to be read before it is committed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from building.expand import Expander
from building.jobs import Job, Outcome, Task
from building.library import Library, View
from building.tools import SHIPPED_CONFIG
from diagnostics.errors import ConversionError
from syntax.source import Source

from converter.convert import convert
from converter.values import Layout, Target


CASES = Path(__file__).parent / "cases"
CASING = {"caps": "CAPS", "low": "Low", "odd": "OddOne", "toy": "Toy"}  # transformers' table, in small
LIBRARY = Library({"transformers": Path("nowhere")})  # no module but a case's own
_KIND = re.compile(r"(?:image_processing_pil|image_processing|video_processing|feature_extraction|[a-z]+)_")


def all_cases() -> list[Path]:
    """The folders of all cases, in order."""
    return sorted(path for path in CASES.iterdir() if path.is_dir())


def model_of(case: Path) -> str:
    """The model that a case's modular file defines."""
    return next(case.glob("modular_*.py")).stem.removeprefix("modular_")


def expected_files(case: Path) -> dict[str, str]:
    """File name -> text of everything that has to come out of a case."""
    wanted = re.compile(rf"(?!modular_).*_{model_of(case)}\.py|__init__\.py|.*\.txt")
    return {path.name: path.read_text(encoding="utf-8") for path in case.iterdir() if wanted.fullmatch(path.name)}


def task(case: Path) -> Task:
    """What the converter is given: the delta and the parents, never the expected files."""
    model, expected = model_of(case), expected_files(case)
    parents = {path.stem: path.read_text(encoding="utf-8") for path in case.glob("*.py") if path.name not in expected}
    delta = parents.pop(f"modular_{model}")
    module = f"transformers.models.{model}.modular_{model}"
    layout = Layout.PACKAGE if case.name.startswith("package_") else Layout.TREE
    target = Target(model, layout, f"src/transformers/models/{model}/modular_{model}.py", "5.23.0", strict=False)
    job = Job(case.name, Path(f"modular_{model}.py"), module, f"cases.{case.name}", case, target)
    fresh = {f"transformers.models.{_KIND.sub('', stem, count=1)}.{stem}": text for stem, text in parents.items()}
    return Task(job, delta.encode(), fresh)


def expand(cases: Sequence[Path]) -> dict[str, dict[str, str]]:
    """Case -> what comes out of it, by file name. Two runs of ruff, one for each strictness, format all."""
    tasks = [task(case) for case in cases]
    strict = [replace(one, job=replace(one.job, target=replace(one.job.target, strict=True))) for one in tasks]
    loose, strictly = (Expander(convert, LIBRARY, CASING, SHIPPED_CONFIG).expand(each) for each in (tasks, strict))
    return {one.job.name: _both(one, other) for one, other in zip(loose, strictly, strict=True)}


def _both(loose: Outcome, strict: Outcome) -> dict[str, str]:
    lost = any(one.code == "reference-loses" for one in loose.warnings)
    if not strict.problems and not lost and _told(loose) != _told(strict):
        raise AssertionError(f"{loose.job.name}: --strict gives other files instead of a refusal")
    return _told(strict) | _told(loose) if lost else _told(loose) | _told(strict)


def _told(outcome: Outcome) -> dict[str, str]:
    notes = {"refused.txt": outcome.problems, "warned.txt": outcome.warnings}
    return dict(outcome.texts) | {name: "".join(f"{one}\n" for one in told) for name, told in notes.items() if told}


def fingerprint() -> str:
    """A digest of what the pure core makes of every case, to compare processes by."""
    return sha256("".join(map(_raw, all_cases())).encode()).hexdigest()


def _raw(case: Path) -> str:
    one = task(case)
    delta = Source(case.name, one.job.module, one.delta.decode())
    try:
        return repr(convert(delta, one.job.target, View(LIBRARY, one.fresh).load, CASING))
    except ConversionError as error:
        return str(error)


def write(cases: Sequence[Path]) -> None:
    """Make what comes out of the cases what is expected of them."""
    for name, files in expand(cases).items():
        if "internal-error" in files.get("refused.txt", ""):
            raise SystemExit(f"{name}: {files['refused.txt']}")
        case = CASES / name
        for stale in expected_files(case).keys() - files.keys():
            (case / stale).unlink()
        for file, text in files.items():
            (case / file).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write([CASES / name for name in sys.argv[1:]] or all_cases())
