"""Texts through ruff: the same bytes wherever it runs, and what it cannot mend is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from building.style import style
from building.tools import RUFF_VERSION, SHIPPED_CONFIG, check_ruff, find_ruff_config, fingerprint, version
from diagnostics.errors import ConversionError
from toy import put


PATH = "src/transformers/models/toy/modeling_toy.py"
UGLY = """\
from ...utils import logging
import torch
import os
from typing import Optional
from transformers.activations import ACT2FN
class A(object):
    x: Optional[int] = torch.one(logging, ACT2FN)
"""
NEAT = """\
import torch

from transformers.activations import ACT2FN

from ...utils import logging


class A:
    x: int | None = torch.one(logging, ACT2FN)
"""


def test_a_text_is_fixed_sorted_and_formatted() -> None:
    styled = style({PATH: UGLY}, SHIPPED_CONFIG)
    assert styled.texts == {PATH: NEAT} and styled.findings == {}


def test_many_texts_are_styled_as_each_alone() -> None:
    files = {f"src/transformers/models/m{n}/modeling_m{n}.py": UGLY.replace("A", f"A{n}") for n in range(30)}
    together = style(files, SHIPPED_CONFIG).texts
    assert together == {path: style({path: text}, SHIPPED_CONFIG).texts[path] for path, text in files.items()}


@pytest.mark.parametrize("surroundings", ["torch.py", "torch/__init__.py", "ruff.toml", ".gitignore"])
def test_what_lies_around_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, surroundings: str) -> None:
    put(tmp_path / surroundings, {"ruff.toml": "line-length = 40\n", ".gitignore": "*\n"}.get(surroundings, ""))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUFF_OUTPUT_FORMAT", "concise")
    assert style({PATH: UGLY}, SHIPPED_CONFIG, scratch=str(tmp_path)).texts == {PATH: NEAT}
    assert os.listdir(tmp_path) == [surroundings.split("/")[0]], "no temporary folder is left"


def test_the_configuration_speaks_of_paths_in_the_repository(tmp_path: Path) -> None:
    table = put(tmp_path / "ruff.toml", 'lint.per-file-ignores = {"src/transformers/models/toy/*" = ["F401"]}\n')
    other = PATH.replace("toy", "other")
    styled = style({PATH: "import os\n", other: "import os\n"}, table)
    assert styled.texts == {PATH: "import os\n", other: ""}


def test_undefined_names_are_told_with_their_line() -> None:
    (finding,) = style({PATH: "import os\n\n\nx = [nowhere]\n"}, SHIPPED_CONFIG).findings[PATH]
    assert (finding.code, finding.message, finding.line) == ("F821", "Undefined name `nowhere`", "x = [nowhere]")


def test_matters_of_taste_are_not_told() -> None:
    assert style({PATH: "f = lambda: 1\n"}, SHIPPED_CONFIG).findings == {}  # E731, which has no safe fix


def test_a_text_that_is_no_python_spoils_no_other() -> None:
    other = PATH.replace("toy", "other")
    styled = style({PATH: "x = (\n", other: "x=1\n"}, SHIPPED_CONFIG)
    assert styled.texts == {other: "x = 1\n"}
    assert {finding.code for finding in styled.findings[PATH]} == {"invalid-syntax"}


def test_a_broken_table_is_a_problem_of_the_table(tmp_path: Path) -> None:
    table = put(tmp_path / "ruff.toml", "line-length = 'long'\n")
    with pytest.raises(ConversionError) as refusal:
        style({PATH: UGLY}, table)
    (problem,) = refusal.value.diagnostics
    assert problem.code == "style-failed" and problem.path == str(table) and "line-length" in problem.message


def test_the_shipped_table_is_the_release_s_own() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--show-settings", "--config", SHIPPED_CONFIG, __file__]
    settings = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
    for line in (
        "linter.unresolved_target_version = 3.11",
        "formatter.line_width = 119",
        "linter.mccabe.max_complexity = 75",
        "linter.isort.lines_after_imports = 2",
        "linter.preview = enabled",
        "linter.explicit_preview_rules = true",
        "linter.external = [\n\tNC,\n]",
    ):
        assert line in settings, line
    rules = settings.partition("linter.rules.enabled = [")[2].partition("]")[0]
    for code in ("SIM118", "SIM103", "SIM905", "E501", "E741", "UP015", "UP031"):
        assert f"({code})" not in rules, code
    for code in ("SIM201", "E731", "F821", "FURB105", "I001", "PLW1514", "PLC0208", "PLC1802", "PIE794", "S110"):
        assert f"({code})" in rules, code


def test_the_wrong_ruff_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_ruff()
    for found, says in (("0.9.0", "ruff is 0.9.0"), (None, "not installed")):
        monkeypatch.setattr("building.tools.version", lambda _, found=found: found)
        with pytest.raises(ConversionError, match=says) as refusal:
            check_ruff()
        assert f"pip install ruff=={RUFF_VERSION}" in str(refusal.value)


def test_versions_are_read_without_importing() -> None:
    assert version("ruff") == RUFF_VERSION
    assert version("no_such_package") is None
    assert version("libcst") not in (None, "")


TABLE = "[tool.ruff]\nline-length = 119\n"


@pytest.mark.parametrize(
    ("pyprojects", "tree", "expected"),
    [
        ({"": TABLE}, "src/transformers", ""),
        ({"": TABLE}, "transformers", ""),
        ({"": f'[project]\nname = "transformers"\n{TABLE}'}, "src/transformers", ""),
        ({"": "[tool.ruff.lint]\nselect = []\n"}, "src/transformers", ""),
        ({"": TABLE, "src": "[tool.black]\n"}, "src/transformers", ""),
        ({"": TABLE, "src": "[tool.ruff]\n"}, "src/transformers", "src"),
        ({"": f'[project]\nname = "another"\n{TABLE}'}, "src/transformers", None),
        ({"": TABLE, "mine": '[project]\nname = "another"\n'}, "mine/transformers", None),
        ({"": TABLE}, ".venv/lib/python3.11/site-packages/transformers", None),
        ({"": TABLE}, "usr/lib/python3/dist-packages/transformers", None),
        ({}, "transformers", None),
    ],
)
def test_whose_table_a_tree_is_formatted_under(
    tmp_path: Path, pyprojects: dict[str, str], tree: str, expected: str | None
) -> None:
    for folder, text in pyprojects.items():
        put(tmp_path / folder / "pyproject.toml", text)
    (tmp_path / tree).mkdir(parents=True)
    found = find_ruff_config(tmp_path / tree)
    assert found == (SHIPPED_CONFIG if expected is None else tmp_path / expected / "pyproject.toml")


def test_the_fingerprint_follows_all_that_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = put(tmp_path / "ruff.toml", "line-length = 119\n")
    prints = [fingerprint({"a": "A"}, table), fingerprint({"a": "AA"}, table), fingerprint({"a": "A"}, SHIPPED_CONFIG)]
    monkeypatch.setattr("building.tools.version", lambda package: f"{package} 0")
    prints.append(fingerprint({"a": "A"}, table))
    code = tmp_path / "code"
    put(code / "syntax" / "scan.py", "x = 1\n")
    monkeypatch.setattr("building.tools._UTILS", code)
    prints.append(fingerprint({"a": "A"}, table))
    put(code / "syntax" / "scan.py", "x = 2\n")
    prints.append(fingerprint({"a": "A"}, table))
    assert len(set(prints)) == len(prints)
    assert fingerprint({"a": "A"}, table) == prints[-1]
