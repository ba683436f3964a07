"""The page of what was tested: a row for each architecture, a column for each group, every skip with its reason."""

from __future__ import annotations

from testgen.collection import Row
from testgen.matrix import EMPTY, HEAD, matrix


def row(suite: str, test: str, outcome: str = "passed", reason: str = "") -> Row:
    return Row(suite, test, outcome, reason)


ROWS = [
    row("quality_gate_zamba", "TestGate::test_b"),
    row("quality_gate_llama", "TestSaveLoad::test_disk", "skipped", "the disk is full"),
    row("quality_gate_llama", "TestConfig::test_a"),
    row("quality_gate_llama", "TestConfig::test_b", "failed"),
    row("quality_gate_llama", "TestConfig::test_c"),
    row("quality_gate_llama", "TestGate::test_a"),
]


def test_groups_stand_in_the_order_of_the_templates_and_models_by_name() -> None:
    table = matrix(ROWS).removeprefix(HEAD).splitlines()
    assert table[:4] == [
        "| architecture | config | gate | save load | all |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| `llama` | 2, 1 failed | 1 | 0, 1 skipped | 3, 1 failed, 1 skipped |",
        f"| `zamba` | {EMPTY} | 1 | {EMPTY} | 1 |",
    ]


def test_what_did_not_pass_is_listed_with_its_reason() -> None:
    assert matrix(ROWS).splitlines()[-4:] == [
        "| architecture | test | outcome | reason |",
        "| --- | --- | --- | --- |",
        "| `llama` | `TestConfig::test_b` | failed | no reason given |",
        "| `llama` | `TestSaveLoad::test_disk` | skipped | the disk is full |",
    ]


def test_where_all_passed_nothing_is_listed() -> None:
    assert matrix([row("quality_gate_llama", "TestGate::test_a")]).endswith("| 1 | 1 |\n\nNothing was skipped.\n")


def test_groups_that_no_template_has_come_last() -> None:
    rows = [row("quality_gate_llama", f"{group}::test_a") for group in ("TestAnew", "TestImages", "TestConfig")]
    assert matrix(rows).removeprefix(HEAD).splitlines()[0] == "| architecture | config | anew | images | all |"
