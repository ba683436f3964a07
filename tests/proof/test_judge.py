"""From what was seen to a verdict, and to what is to be done."""

from __future__ import annotations

import pytest
from proof.judge import judge, status_of
from proof.values import BASE, IMPORT, PROCESS, Finding, FindingKind, Lack, Proof, Trial, Verdict


WARNING = Finding(
    "one pass", FindingKind.WARNS, "QualityGateToyModel.forward (modeling_quality_gate_toy.py:3)", "log: hm"
)
DIFFERENCE = Finding(
    "cached step", FindingKind.DIFFERS, "QualityGateToyModel.forward of model", "logits differs in 1 of 8 values"
)
ERROR = Finding("padded generate", FindingKind.RAISES, "check (modeling_quality_gate_toy.py:9)", "ValueError: no")


@pytest.mark.parametrize(
    ("findings", "verdict", "status"),
    [
        ((), Verdict.RIGHT, 0),
        ((WARNING,), Verdict.WARNS, 1),
        ((WARNING, DIFFERENCE), Verdict.DIFFERS, 2),
        ((WARNING, DIFFERENCE, ERROR), Verdict.REFUSED, 2),
        ((ERROR,), Verdict.REFUSED, 2),
    ],
)
def test_the_worst_finding_is_the_verdict(findings: tuple[Finding, ...], verdict: Verdict, status: int) -> None:
    proof = judge("quality_gate_toy", Trial(findings=findings))
    assert (proof.verdict, status_of([proof])) == (verdict, status)
    assert [one.kind for one in proof.findings] == [one.kind for one in reversed(findings)]
    assert all(one.remedy for one in proof.findings)


def test_the_status_is_that_of_the_worst_model() -> None:
    proofs = [judge("a", Trial()), judge("b", Trial(findings=(WARNING,)))]
    assert status_of(proofs) == 1
    assert status_of([]) == 0
    assert status_of([*proofs, Proof("c", Verdict.REFUSED)]) == 2


def test_what_methods_do_not_take_is_said_by_name() -> None:
    lacks = (
        Lack("QualityGateToyModel.forward", "past_key_values", renamed=True),
        Lack("QualityGateToyLayer.forward", "cache"),
        Lack("QualityGateToyModel.forward", "cache"),
    )
    error = Finding("padded generate", FindingKind.RAISES, "check (x.py:9)", "ValueError: not without a cache")
    remedy = judge("quality_gate_toy", Trial(findings=(error,), lacks=lacks)).findings[0].remedy
    assert remedy == (
        "in modular/modular_quality_gate_toy.py, let QualityGateToyLayer.forward, QualityGateToyModel.forward take "
        "`cache`; let QualityGateToyModel.forward accept the old name `past_key_values` by the base's decorator, as the "
        "base does"
    )


@pytest.mark.parametrize(("check", "is_named"), [("cached step", True), ("padded generate", False)])
def test_what_methods_do_not_take_is_said_where_a_finding_speaks_of_it(check: str, is_named: bool) -> None:
    finding = Finding(check, FindingKind.DIFFERS, "QualityGateToyModel.forward", "logits differs in 1 of 8 values")
    trial = Trial(findings=(finding,), lacks=(Lack("QualityGateToyLayer.forward", "cache"),))
    assert ("QualityGateToyLayer" in judge("quality_gate_toy", trial).findings[0].remedy) is is_named


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (WARNING, "say in modular/modular_quality_gate_toy.py what ToyModel.forward does"),
        (DIFFERENCE, "carry over into modular/modular_quality_gate_toy.py what ToyModel.forward does"),
        (
            Finding(IMPORT, FindingKind.RAISES, "<module> (x.py:1)", "ImportError: cannot import name 'x'"),
            "import in modular/",
        ),
        (Finding("one pass", FindingKind.RAISES, BASE, "TypeError: no"), "tiny sizes"),
        (Finding(PROCESS, FindingKind.RAISES, "", "ended without a word"), "run it again"),
    ],
)
def test_every_finding_has_a_remedy(finding: Finding, words: str) -> None:
    assert words in judge("quality_gate_toy", Trial(findings=(finding,))).findings[0].remedy


def test_a_trial_survives_json() -> None:
    trial = Trial({"one pass": "warns"}, (WARNING,), (Lack("A.forward", "x", True),), 1.5)
    assert Trial.from_json(trial.to_json()) == trial
