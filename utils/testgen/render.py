"""Facts -> a model's test suite, formatted and sealed. Pure but for ruff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from building.style import Styled, style
from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from facts.peculiar import peculiarities
from facts.values import ModelFacts
from jinja2 import TemplateNotFound, UndefinedError
from naming.kinds import MEANT
from places import STYLE
from rendering.render import render

from converter.banner import seal
from testgen.local import local_values, template_of
from testgen.pull_request import suite_path, upstream_test
from testgen.skips import mark_skips


class Flavour(Enum):
    """Where a suite runs."""

    LOCAL = "local"  # here, against the installed transformers
    UPSTREAM = "upstream"  # in a checkout of transformers, as part of a pull request


def render_tests(models: Sequence[tuple[ModelFacts, Mapping[str, str]]]) -> list[str | ConversionError]:
    """The text of each model's test file, or what is wrong with it: ruff runs once for all.

    Args:
        models: facts of a generated package, and the texts of its files by name.
    """
    drafts = [draft(facts) for facts, _ in models]
    texts = {suite_path(facts): text for (facts, _), text in zip(models, drafts) if isinstance(text, str)}
    styled = style(texts, STYLE)
    return [
        text if isinstance(text, ConversionError) else _sealed(facts, styled)
        for (facts, _), text in zip(models, drafts)
    ]


def render_test(facts: ModelFacts, files: Mapping[str, str], flavour: Flavour = Flavour.LOCAL) -> str:
    """The text of one model's test file.

    Raises:
        LookupError: the upstream flavour lacks what it is about.
        ConversionError: `no-facts`, the model lacks what every suite is about; `broken-template`, a template asks for
            what it is not given, or its text is no Python; or what is peculiar about it is refused.
    """
    if flavour is Flavour.UPSTREAM:
        return upstream_test(facts, files)
    rendered = render_tests([(facts, files)])[0]
    if isinstance(rendered, ConversionError):
        raise rendered
    return rendered


def draft(facts: ModelFacts) -> str | ConversionError:
    """The unformatted text of a model's test file, or what is wrong with it."""
    try:
        text = render(template_of(facts.names), banner=_banner(facts), **local_values(facts))
        # what a file says is left out is said of the kind that is meant; a test of another kind may have no such name
        return mark_skips(text, peculiarities(facts.name)) if facts.names == MEANT else text
    except TemplateNotFound as error:
        fix = f"write templates/{error}, as templates/tests/attention/suite.j2 is"
        message = f"there are no tests for this kind of gate: {facts.names.kind}"
        return ConversionError(Diagnostic("no-tests", f"templates/{error}", 1, 1, message, fix))
    except ConversionError as error:
        return error
    except LookupError as error:
        fix = "convert the model again, or correct its modular file"
        return ConversionError(Diagnostic("no-facts", f"generated/{facts.package}", 1, 1, str(error), fix))
    except UndefinedError as error:
        return _broken(facts, str(error))


def _sealed(facts: ModelFacts, styled: Styled) -> str | ConversionError:
    path = suite_path(facts)
    if findings := styled.findings.get(path):
        return _broken(facts, "; ".join(f"{each.message}: {each.line}" for each in findings))
    return seal(styled.texts[path])


def _broken(facts: ModelFacts, said: str) -> ConversionError:
    fix = "correct the template, or what testgen.local gives it"
    origin = f"templates/{template_of(facts.names)}"
    return ConversionError(Diagnostic("broken-template", origin, 1, 1, f"for {facts.package}: {said}", fix))


def _banner(facts: ModelFacts) -> str:
    model = facts.name if facts.names == MEANT else facts.package
    return (
        f"# Generated from templates/{template_of(facts.names)} and generated/{facts.package}.\n"
        f"# Do not edit: change the template and run `python utils/test_generator.py --model {model}`.\n"
        f"# Seal: sha256 {'0' * 64}"
    )
