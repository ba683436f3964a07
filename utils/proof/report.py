"""Proofs as text and as values that JSON takes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from building.drift import aligned
from building.lock import listed
from naming.kinds import GateNames, kind_of

from proof.judge import status_of
from proof.values import Finding, FindingKind, Proof, Verdict


_GIST = 110  # characters of a finding in the table of findings
_ROWS = 30  # of that table
_LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Proven:
    """What a run came to. Verdicts are of `release`."""

    proofs: Sequence[Proof]
    release: str

    @property
    def status(self) -> int:
        """0 where every model is right, 1 where some warn, 2 where any is worse than that."""
        return status_of(self.proofs)

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """Model -> verdict, findings, checks and seconds, in types that JSON has."""
        return {one.model: one.to_json() for one in self.proofs}

    @property
    def text(self) -> str:
        """Three tables, of findings, of models and of checks, and what follows from them."""
        pieces = [_findings(self.proofs), _models(self.proofs), _checks(self.proofs)]
        return "\n".join([*filter(None, pieces), conclusion(self.proofs, self.release)])


def conclusion(proofs: Sequence[Proof], release: str) -> str:
    """ "2 of 3 models are right in transformers 5.24.0: 1 differs"."""
    counts = Counter(one.verdict for one in proofs)
    words = {Verdict.WARNS: ("warns", "warn"), Verdict.DIFFERS: ("differs", "differ")}
    words[Verdict.REFUSED] = ("is refused", "are refused")
    others = [f"{counts[verdict]} {words[verdict][counts[verdict] != 1]}" for verdict in words if counts[verdict]]
    said = f": {', '.join(others)}" if others else ""
    return f"{counts[Verdict.RIGHT]} of {len(proofs)} models are right in transformers {release}{said}"


def _findings(proofs: Sequence[Proof]) -> str:
    """What was found, most models first, whatever it is called in each of them."""
    models: dict[str, dict[str, None]] = {}  # a set that keeps its order
    checks: dict[str, dict[str, None]] = {}
    for one in proofs:
        for finding in one.findings:
            gist = _gist(finding, kind_of(one.model))
            models.setdefault(gist, {})[one.model] = None
            checks.setdefault(gist, {})[_of_all(finding.check)] = None
    rows = sorted((-len(names), gist, listed(checks[gist]), listed(names)) for gist, names in models.items())
    shown = [(str(-count), *words) for count, *words in rows[:_ROWS]]
    more = f"and {len(rows) - _ROWS} findings more, which --json has\n" if len(rows) > _ROWS else ""
    return aligned(("models", "finding", "checks", "which"), shown) + more if shown else ""


def _gist(finding: Finding, names: GateNames) -> str:
    """A finding without what belongs to one model: names of its own, numbers."""
    if finding.kind is FindingKind.DIFFERS:
        return f"{finding.what.split()[0]} {FindingKind.DIFFERS.value}"
    text = re.sub(rf"({names.prefix}|{names.family})\w+", "...", finding.what)
    text = re.sub(r"\b\d[\d.e-]*", "n", text)
    text = re.sub(r"=\w+\([^`]*", "=...", text)  # a value may be long, and is no news
    return f"{finding.kind.value} {text}"[:_GIST]


def _models(proofs: Sequence[Proof]) -> str:
    rows = [(one.model, one.verdict.value, *_worst(one)) for one in sorted(proofs, key=lambda one: one.model)]
    return aligned(("model", "verdict", "where", "what to do"), rows)


def _worst(proof: Proof) -> tuple[str, str]:
    """Where the worst of a model is, and what to do."""
    if not proof.findings:
        return "", ""
    first = proof.findings[0]
    return f"{first.check}: {first.where}" if first.where else first.check, first.remedy


def _checks(proofs: Sequence[Proof]) -> str:
    """How every check went, by the kind of what it found."""
    columns = [Verdict.RIGHT.value, *(kind.value for kind in FindingKind), _LEFT_OUT]
    counts: dict[str, Counter[str]] = {}
    for one in proofs:
        for check, word in one.checks.items():
            counts.setdefault(_of_all(check), Counter())[word if word in columns else _LEFT_OUT] += 1
    rows = [(check, *(str(found[column]) for column in columns)) for check, found in counts.items()]
    return aligned(("check", *columns), rows)


def _of_all(check: str) -> str:
    """A check by a name that it has in every model."""
    return "one pass of other heads" if check.startswith("one pass of") else check
