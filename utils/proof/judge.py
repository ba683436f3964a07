"""From what was seen of a model to a verdict, and to what is to be done about each finding."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from building.jobs import Outcome
from building.lock import listed
from facts.values import base_name

from proof.values import BASE, CONVERSION, IMPORT, PROCESS, Finding, FindingKind, Lack, Proof, Trial, Verdict


_VERDICTS = {
    FindingKind.WARNS: Verdict.WARNS,
    FindingKind.DIFFERS: Verdict.DIFFERS,
    FindingKind.RAISES: Verdict.REFUSED,
}
_WORST = list(Verdict)
_STATUS = {Verdict.RIGHT: 0, Verdict.WARNS: 1, Verdict.DIFFERS: 2, Verdict.REFUSED: 2}


def judge(model: str, trial: Trial, kept: bool = False) -> Proof:
    """The verdict on a model that was tried."""
    found = [replace(one, remedy=_remedy(one, trial.lacks, model)) for one in trial.findings]
    return _proof(model, found, trial, kept)


def judge_unconverted(outcome: Outcome) -> Proof:
    """The verdict on a model that the converter refuses."""
    model = outcome.job.name
    found = [
        Finding(CONVERSION, FindingKind.RAISES, f"{one.path}:{one.line}", f"{one.code}: {one.message}", one.fix)
        for one in outcome.problems
    ]
    if outcome.blocked_by:
        waits = f"it is made from {outcome.blocked_by}, which is refused"
        found.append(Finding(CONVERSION, FindingKind.RAISES, model, waits, f"first mend {outcome.blocked_by}"))
    return _proof(model, found, Trial({CONVERSION: FindingKind.RAISES.value}), kept=False)


def status_of(proofs: Iterable[Proof]) -> int:
    """0 where every model is right, 1 where some warn, 2 where any is worse than that."""
    return max((_STATUS[one.verdict] for one in proofs), default=0)


def _proof(model: str, found: Iterable[Finding], trial: Trial, kept: bool) -> Proof:
    worst_first = sorted(found, key=lambda one: -_WORST.index(_VERDICTS[one.kind]))
    verdict = _VERDICTS[worst_first[0].kind] if worst_first else Verdict.RIGHT
    return Proof(model, verdict, tuple(worst_first), trial.checks, trial.seconds, kept)


def _remedy(finding: Finding, lacks: Sequence[Lack], model: str) -> str:
    delta = f"modular/modular_{model}.py"
    if finding.check == PROCESS:
        return "run it again, with a smaller --jobs where memory may be short"
    if finding.where == BASE:
        return f"give {delta} a base that is there, or the base tiny sizes that it takes (utils/facts)"
    if any(_concerns(lack, finding) for lack in lacks):
        return f"in {delta}, {_carried_over(lacks)}"
    if finding.check == IMPORT and finding.what.startswith(("ImportError", "ModuleNotFoundError", "NameError")):
        return f"import in {delta} from where the base does"
    place = finding.where.split(" ")[0]
    theirs = base_name(place) if place.replace(".", "").isidentifier() else "the base"
    doing = "say in" if finding.kind is FindingKind.WARNS else "carry over into"
    return f"{doing} {delta} what {theirs} does in this release"


def _concerns(lack: Lack, finding: Finding) -> bool:
    """Whether a finding speaks of a parameter: "cached step" does of `cache`."""
    return bool(re.search(rf"\b{re.escape(lack.parameter)}d?\b", f"{finding.check} {finding.what}"))


def _carried_over(lacks: Sequence[Lack]) -> str:
    """What methods have to take: "let A.forward take `cache`; let B.forward take `past_key_values` as an old name"."""
    wanted: dict[tuple[str, bool], list[str]] = {}
    for lack in lacks:
        wanted.setdefault((lack.parameter, lack.renamed), []).append(lack.method)
    parts = []
    for (parameter, is_old), methods in sorted(wanted.items(), key=lambda each: each[0][1]):
        how = f"accept the old name `{parameter}` by the base's decorator" if is_old else f"take `{parameter}`"
        parts.append(f"let {listed(methods)} {how}")
    return "; ".join(parts[:3]) + ", as the base does"
