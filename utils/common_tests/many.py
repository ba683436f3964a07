"""The tests of many models, as they get done: the process of `common_tests.forks`, seen from outside."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from places import UTILS
from processes.served import EndedEarly, served

from common_tests.outcomes import Outcome
from common_tests.problems import SuiteError
from common_tests.runner import environment


_SERVED = "served.txt"  # what the process itself has to say


def run_many(
    root: Path, generated: Path, names: Sequence[str], processes: int, limit: float
) -> Iterator[tuple[str, list[Outcome] | None]]:
    """The outcomes of each model's tests, failures told from inherited ones, in the order in which they are done.

    Args:
        root: a workspace that has tests of all of them.
        generated: the folder that holds their packages.
        names: of the models, as transformers calls their bases.
        processes: how many models at a time.
        limit: seconds for one model; None comes of one that took longer, or whose tests broke pytest.

    Raises:
        SuiteError: the process that runs them ended early.
    """
    settings = environment(root)
    settings["PYTHONPATH"] += f":{UTILS}"
    asked = {"generated": str(generated), "names": list(names), "processes": processes, "limit": limit}
    for name in names:
        _outcomes(root, name).unlink(missing_ok=True)
    try:
        for line in served("common_tests.forks", asked, root, settings, root / _SERVED):
            yield line, _read(_outcomes(root, line))
    except EndedEarly as error:
        raise SuiteError("the process that runs transformers' tests ended early", f"see {error}") from None


def _outcomes(root: Path, name: str) -> Path:
    return root / "outcomes" / f"{name}.json"


def _read(path: Path) -> list[Outcome] | None:
    if not path.exists():
        return None
    return [Outcome(**one) for one in json.loads(path.read_text(encoding="utf-8"))]
