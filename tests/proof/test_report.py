"""What a reader gets: findings over all models, each model's verdict, checks, and a count."""

from __future__ import annotations

import json

from proof.report import Proven
from proof.values import Finding, FindingKind, Proof, Verdict


def refused(model: str, camel: str, number: int) -> Proof:
    what = f"ValueError: `QualityGate{camel}Model` has the shape (2, {number})"
    finding = Finding(
        "padded generate", FindingKind.RAISES, f"check (modeling_{model}.py:{number})", what, "take `cache`"
    )
    return Proof(model, Verdict.REFUSED, (finding,), {"one pass": "right", "padded generate": "raises"})


def proven() -> Proven:
    left_out = {"one pass": "right", "padded generate": "left out, the base fails: KeyError: 'x'"}
    differs = Finding(
        "cached step", FindingKind.DIFFERS, "QualityGateCModel.forward", "step.logits differs in 3 of 9", "mend it"
    )
    proofs = [
        refused("quality_gate_a", "A", 7),
        refused("quality_gate_b", "B", 12),
        Proof("quality_gate_c", Verdict.DIFFERS, (differs,), {"one pass": "right", "cached step": "differs"}),
        Proof("quality_gate_d", Verdict.RIGHT, (), left_out),
    ]
    return Proven(proofs, "9.9.9")


def test_the_report_says_what_is_found_where_and_what_to_do() -> None:
    assert [line.split() for line in proven().text.splitlines() if not line.startswith("--")] == [
        line.split()
        for line in """\
models  finding                                          checks           which
2       raises ValueError: `...` has the shape (n, n)    padded generate  quality_gate_a, quality_gate_b
1       step.logits differs                              cached step      quality_gate_c

model           verdict  where                                                 what to do
quality_gate_a  refused  padded generate: check (modeling_quality_gate_a.py:7)   take `cache`
quality_gate_b  refused  padded generate: check (modeling_quality_gate_b.py:12)  take `cache`
quality_gate_c  differs  cached step: QualityGateCModel.forward                  mend it
quality_gate_d  right

check            right  warns  differs  raises  left out
one pass         4      0      0        0       0
padded generate  0      0      0        2       1
cached step      0      0      1        0       0

1 of 4 models are right in transformers 9.9.9: 1 differs, 2 are refused""".splitlines()
    ]


def test_a_report_of_right_models_is_short() -> None:
    text = Proven([Proof("quality_gate_a", Verdict.RIGHT, (), {"one pass": "right"})], "9.9.9").text
    assert text.startswith("model ")
    assert text.endswith("\n1 of 1 models are right in transformers 9.9.9")


def test_rows_are_what_json_takes() -> None:
    rows = json.loads(json.dumps(proven().rows))
    assert rows["quality_gate_a"]["verdict"] == "refused"
    assert rows["quality_gate_c"]["findings"][0]["remedy"] == "mend it"
    assert proven().status == 2
