"""Test suites on disk: which models there are, what is rendered for each, and how that compares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from building.jobs import Job, Outcome, refused
from building.library import digest, shown
from building.outputs import survey
from diagnostics.errors import ConversionError
from diagnostics.names import is_name, nearest
from diagnostics.values import Diagnostic
from facts.project import generated_models, package_of, packages_of_others
from facts.read import PREFIX, package_files, read_facts
from facts.values import ModelFacts
from naming.kinds import kind_of
from places import TEMPLATES
from telling.tools import typed

from converter.values import Layout, Target
from testgen.fewer import fewer_tests
from testgen.local import template_of
from testgen.manifest import NAME, read
from testgen.pull_request import suite_path
from testgen.render import Flavour, render_test, render_tests


def wanted_models(names: Iterable[str], generated: Path) -> list[str]:
    """The models that `--model` names, with the project's prefix or without; all where it names none.

    Those of other kinds of gate go by the names of their packages; without a name, those whose kind has tests.

    Raises ConversionError: `nothing-generated` where there is no model, `bad-model` for what is no name, `unknown-model` for a
    name that means none.
    """
    others = packages_of_others(generated)
    known = generated_models(generated) + others
    if not known:
        fix = f"convert a model first: {typed('convert')} --all"
        raise ConversionError(_problem("nothing-generated", generated, "this folder holds no generated model", fix))
    wanted = [name.removeprefix(PREFIX) for name in names]
    for name in wanted:
        if name not in known:
            close = nearest(name.lower(), known)
            fix = f"did you mean `{close}`?" if close else f"there are {', '.join(known)}"
            code = "unknown-model" if is_name(name) else "bad-model"
            raise ConversionError(_problem(code, generated, f"there is no generated {name!r}", fix))
    tested = [name for name in known if name not in others or (TEMPLATES / template_of(kind_of(name))).is_file()]
    return sorted(set(wanted)) or tested


def suites(
    names: Iterable[str],
    generated: Path,
    tests: Path,
    flavour: Flavour = Flavour.LOCAL,
    allowed: Mapping[str, str] | None = None,
) -> list[Outcome]:
    """What is rendered for each model, compared with what lies in its folder under `tests`.

    A model whose files cannot be read is refused (`no-facts`). A suite that would not run a test that the committed one
    ran is refused (`fewer-tests`), but for the models that `allowed` has a reason for: they are warned about.

    Args:
        names: of the models, "llama".
        generated: the folder of the generated packages.
        tests: the folder of the committed suites.
        flavour: what a suite is for.
        allowed: model -> why it may run fewer tests; None: nobody looks.
    """
    outcomes: dict[str, Outcome] = {}
    found: dict[str, tuple[ModelFacts, dict[str, str]]] = {}
    for name in names:
        job = _job(name, generated, tests)
        try:
            files = package_files(job.delta)
            found[name] = read_facts(name, files, [generated]), files
            outcomes[name] = Outcome(job, {})
        except (LookupError, SyntaxError) as error:
            fix = "convert the model again, or correct its modular file"
            outcomes[name] = refused(Outcome(job, {}), [_problem("no-facts", job.delta, str(error), fix)])
    rendered = _rendered(list(found.values()), flavour)
    for name, text in zip(found, rendered, strict=True):
        outcome = _outcome(outcomes[name], found[name][0], text)
        outcomes[name] = outcome if allowed is None else _guarded(outcome, found[name][0], allowed.get(name, ""))
    return list(outcomes.values())


def suite(name: str, generated: Path, tests: Path) -> Outcome:
    """The same for one model."""
    return suites([name], generated, tests)[0]


def _rendered(models: list[tuple[ModelFacts, dict[str, str]]], flavour: Flavour) -> list[str | ConversionError]:
    if flavour is Flavour.LOCAL:
        return render_tests(models)
    return [render_test(facts, files, flavour) for facts, files in models]


def _outcome(bare: Outcome, facts: ModelFacts, text: str | ConversionError) -> Outcome:
    if isinstance(text, ConversionError):
        return refused(bare, text.diagnostics)
    file = Path(suite_path(facts)).name
    return replace(bare, states=survey(bare.job, {file: digest(text.encode())}), texts={file: text})


def _guarded(outcome: Outcome, facts: ModelFacts, reason: str) -> Outcome:
    """The outcome, refused where tests that were run would not be, for no reason."""
    committed = read(outcome.job.folder)
    for text in outcome.texts.values() if committed else ():
        fewer = fewer_tests(facts, text, committed, shown(outcome.job.folder / NAME))
        if fewer and not reason:
            return refused(outcome, fewer)
        told = tuple(replace(each, message=f"{each.message}; allowed: {reason}") for each in fewer)
        outcome = replace(outcome, warnings=(*outcome.warnings, *told))
    return outcome


def _job(name: str, generated: Path, tests: Path) -> Job:
    package = package_of(name)
    target = Target(package, Layout.PACKAGE, f"templates/{template_of(kind_of(package))}", release="", strict=True)
    return Job(package, generated / package, package, package, tests / package, target)


def _problem(code: str, path: Path, message: str, fix: str) -> Diagnostic:
    return Diagnostic(code, shown(path), 1, 1, message, fix)
