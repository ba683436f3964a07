"""Verdicts of what was never run, findings of many models in one table, and when two tensors are the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from building.jobs import Job, Outcome, refused
from diagnostics.values import Diagnostic
from proof.judge import judge, judge_unconverted, status_of
from proof.locate import equal, same
from proof.pair import Pair
from proof.report import Proven, conclusion
from proof.values import BASE, CONVERSION, IMPORT, Finding, FindingKind, Lack, Proof, Trial, Verdict

from converter.values import Layout, Target


PROBLEM = Diagnostic("two-parents", "modular_toy.py", 3, 5, "there are two", "take one")


def outcome() -> Outcome:
    target = Target("toy", Layout.PACKAGE, "modular/modular_toy.py", "5.0.0", True)
    return Outcome(Job("quality_gate_toy", Path("modular_toy.py"), "m", "p", Path("p"), target), {})


def test_what_the_converter_refuses_is_refused_with_its_words() -> None:
    proof = judge_unconverted(refused(outcome(), [PROBLEM, replace(PROBLEM, line=9)]))
    assert (proof.model, proof.verdict, proof.checks) == ("quality_gate_toy", Verdict.REFUSED, {CONVERSION: "raises"})
    first = proof.findings[0]
    assert (first.where, first.what, first.remedy) == ("modular_toy.py:3", "two-parents: there are two", "take one")
    assert len(proof.findings) == 2 and status_of([proof]) == 2


def test_what_waits_for_a_refused_model_says_for_which() -> None:
    (finding,) = judge_unconverted(replace(outcome(), blocked_by="quality_gate_llama")).findings
    assert finding.what == "it is made from quality_gate_llama, which is refused"
    assert finding.remedy == "first mend quality_gate_llama" and finding.check == CONVERSION


@pytest.mark.parametrize(
    ("check", "kind", "where", "what", "remedy"),
    [
        (
            IMPORT,
            FindingKind.RAISES,
            "<module> (x.py:1)",
            "ModuleNotFoundError: No module named 'x'",
            "import in modular/modular_m.py from where",
        ),
        (IMPORT, FindingKind.RAISES, "<module> (x.py:1)", "NameError: x", "import in modular/modular_m.py from where"),
        (
            IMPORT,
            FindingKind.RAISES,
            "<module> (x.py:1)",
            "TypeError: x",
            "carry over into modular/modular_m.py what the base does",
        ),
        (
            "one pass",
            FindingKind.RAISES,
            "QualityGateToyModel.forward (x.py:1)",
            "ImportError: x",
            "what ToyModel.forward does",
        ),
        ("one pass", FindingKind.WARNS, "a b", "log: x", "say in modular/modular_m.py what a does"),
        ("one pass", FindingKind.DIFFERS, "", "logits differs", "what the base does"),
        ("cached step", FindingKind.DIFFERS, BASE, "logits differs", "a base that is there"),
    ],
)
def test_remedies_follow_what_was_found(check: str, kind: FindingKind, where: str, what: str, remedy: str) -> None:
    (found,) = judge("m", Trial(findings=(Finding(check, kind, where, what),))).findings
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("parameter", "check", "is_named"),
    [
        ("cache", "cached step", True),
        ("cache", "old keyword cache=", True),
        ("cache", "one pass", False),
        ("use", "one pass of uses", False),
        ("a.b", "one axb", False),
    ],
)
def test_a_parameter_is_named_where_a_finding_speaks_of_it(parameter: str, check: str, is_named: bool) -> None:
    trial = Trial(
        findings=(Finding(check, FindingKind.DIFFERS, "f", "logits differs"),), lacks=(Lack("A.f", parameter),)
    )
    assert (f"let A.f take `{parameter}`" in judge("m", trial).findings[0].remedy) is is_named


@pytest.mark.parametrize(
    "damage", [{"findings": [{"check": "a"}]}, {"findings": [{"kind": "odd"}]}, {"lacks": [{}]}, {"x": 1}]
)
def test_a_trial_of_another_form_is_refused(damage: dict[str, Any]) -> None:
    trial = Trial({"a": "right"}, (Finding("a", FindingKind.WARNS, "b", "c"),), (Lack("d", "e", True),), 1.5, True)
    assert Trial.from_json(trial.to_json()) == trial
    with pytest.raises((KeyError, TypeError, ValueError)):
        Trial.from_json({**trial.to_json(), **damage})


def proof(number: int, what: str, kind: FindingKind = FindingKind.RAISES) -> Proof:
    return Proof(
        f"quality_gate_m{number}", Verdict.REFUSED, (Finding("one pass", kind, "f", what),), {"one pass": "raises"}
    )


@pytest.mark.parametrize(
    ("whats", "gists"),
    [
        (["E: QualityGateToyModel", "E: QualityGateZooModel"], 1),
        (["E: quality_gate_toy", "E: quality_gate_zoo"], 1),
        (["E: shape (2, 34) at 1.5e-3", "E: shape (7, 8) at 2"], 1),
        (["E: x=tensor([1, 2]) is", "E: x=tensor([3, 4, 5])"], 1),
        (["E: no a1", "E: no a2"], 2),  # of a name, a number is a part
        (["E: one", "E: two"], 2),
        (["E: " + "x" * 200 + "a", "E: " + "x" * 200 + "b"], 1),
    ],
)
def test_findings_of_several_models_that_say_the_same_are_one_row(whats: list[str], gists: int) -> None:
    text = Proven([proof(number, what) for number, what in enumerate(whats)], "9").text
    rows = text.partition("\n\n")[0].splitlines()[2:]
    assert len(rows) == gists and rows[0].split()[0] == str(len(whats) // gists)


def test_the_commonest_findings_come_first_and_the_rest_is_counted() -> None:
    proofs = [proof(number, f"E: {'ab'[number % 3 == 0] * (number + 1)}") for number in range(40)]
    proofs += [proof(50 + number, "E: common") for number in range(3)]
    lines = Proven(proofs, "9").text.splitlines()
    assert lines[2].split()[:2] == ["3", "raises"] and "and 11 findings more, which --json has" in lines
    differ = [
        proof(1, "logits differs in 1 of 8", FindingKind.DIFFERS),
        proof(2, "logits differs in 3 of 8", FindingKind.DIFFERS),
    ]
    assert Proven(differ, "9").text.splitlines()[2].startswith("2       logits differs")


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ([], "0 of 0 models are right in transformers 9"),
        (["right", "right"], "2 of 2 models are right in transformers 9"),
        (["right", "warns"], "1 of 2 models are right in transformers 9: 1 warns"),
        (
            ["refused", "warns", "warns", "differs"],
            "0 of 4 models are right in transformers 9: 2 warn, 1 differs, 1 is refused",
        ),
        (
            ["differs", "refused", "refused", "differs"],
            "0 of 4 models are right in transformers 9: 2 differ, 2 are refused",
        ),
    ],
)
def test_a_conclusion_counts(verdicts: list[str], said: str) -> None:
    assert conclusion([Proof(str(number), Verdict(word)) for number, word in enumerate(verdicts)], "9") == said


NAN = float("nan")


@pytest.mark.parametrize(
    ("ours", "theirs", "are"),
    [
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0]), True),
        (torch.tensor([1.0]), torch.tensor([1.0 + 2**-23]), False),
        (torch.tensor([1.0]), torch.tensor([[1.0]]), False),
        (torch.tensor([1.0]), torch.tensor([1.0], dtype=torch.float64), False),
        (torch.tensor([1]), torch.tensor([1]), True),
        (torch.tensor([NAN, 1.0]), torch.tensor([NAN, 1.0]), True),
        (torch.tensor([NAN, 1.0]), torch.tensor([1.0, NAN]), False),
        (torch.tensor([0.0]), torch.tensor([-0.0]), True),
        (torch.tensor([float("inf")]), torch.tensor([float("-inf")]), False),
        (torch.empty(0), torch.empty(0), True),
    ],
)
def test_tensors_are_equal_to_the_bit(ours: torch.Tensor, theirs: torch.Tensor, are: bool) -> None:
    assert equal(ours, theirs) is are and same([ours, ours], [theirs, theirs]) is are
    assert not same([ours], []) and not same([ours], [ours, ours]) and same([], [])


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("model.layers.0", "transformer.layers.0"),
        ("model", "transformer"),
        ("lm_head.weight", "lm_head.weight"),
        ("models.x", "models.x"),
        ("", ""),
    ],
)
def test_names_are_those_of_the_base(name: str, base: str) -> None:
    class Base:
        base_model_prefix = "transformer"

    class Converted:
        base_model_prefix = "model"

    assert Pair(Base, Converted).base_name(name) == base
