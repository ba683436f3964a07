"""Facts -> a model's test suite, formatted and sealed. Pure but for ruff."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from facts.values import ModelFacts
from rendering.render import render

from converter.banner import seal
from converter.diagnostics import ConversionError, Diagnostic
from converter.style import style
from testgen.local import ORIGIN, TEMPLATE, local_values
from testgen.upstream import upstream_test


CONFIG = Path(__file__).resolve().parents[2] / "pyproject.toml"  # what this project formats with


class Flavour(Enum):
    """Where a suite runs."""

    LOCAL = "local"  # here, against the installed transformers
    UPSTREAM = "upstream"  # in a checkout of transformers, as part of a pull request


def suite_path(facts: ModelFacts) -> str:
    """Where a model's suite lies, here as in transformers."""
    return f"tests/models/{facts.package}/test_modeling_{facts.package}.py"


def render_test(facts: ModelFacts, files: Mapping[str, str], flavour: Flavour = Flavour.LOCAL) -> str:
    """The text of a model's test file.

    Args:
        facts: of a generated package.
        files: the texts of its files by name.
        flavour: where the suite runs.

    Raises:
        LookupError: the model lacks what every suite is about.
        jinja2.UndefinedError: a template asks for a value that it is not given.
        ConversionError: `broken-template`, the text is no Python or uses a name that it does not define.
    """
    if flavour is Flavour.UPSTREAM:
        return upstream_test(facts, files)
    path = suite_path(facts)
    styled = style({path: render(TEMPLATE, banner=_banner(facts), **local_values(facts))}, CONFIG)
    if findings := styled.findings.get(path):
        said = "; ".join(f"{each.message}: {each.line}" for each in findings)
        fix = "correct the template, or what testgen.local gives it"
        raise ConversionError(Diagnostic("broken-template", ORIGIN, 1, 1, f"for {facts.package}: {said}", fix))
    return seal(styled.texts[path])


def _banner(facts: ModelFacts) -> str:
    return (
        f"# Generated from {ORIGIN} and generated/{facts.package}.\n"
        f"# Do not edit: change the template and run `python utils/test_generator.py --model {facts.name}`.\n"
        f"# Seal: sha256 {'0' * 64}"
    )
