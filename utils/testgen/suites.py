"""Test suites on disk: which models there are, what is rendered for each, and how that compares."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from facts.project import generated_models
from facts.read import PREFIX, package_files, read_facts
from jinja2 import UndefinedError

from converter.diagnostics import ConversionError, Diagnostic, nearest
from converter.jobs import Job, Outcome, refused
from converter.library import digest, shown
from converter.outputs import survey
from converter.values import Layout, Target
from testgen.local import ORIGIN
from testgen.render import Flavour, render_test, suite_path


def wanted_models(names: Iterable[str], generated: Path) -> list[str]:
    """The models that `--model` names, with the project's prefix or without; all where it names none.

    Raises ConversionError: `nothing-generated` where there is no model, `unknown-model` for a name that means none.
    """
    known = generated_models(generated)
    if not known:
        fix = "convert a model first: python utils/modular_converter.py --all"
        raise ConversionError(_problem("nothing-generated", generated, "this folder holds no generated model", fix))
    wanted = [name.removeprefix(PREFIX) for name in names]
    for name in wanted:
        if name not in known:
            close = nearest(name, known)
            fix = f"did you mean `{close}`?" if close else f"there are {', '.join(known)}"
            raise ConversionError(_problem("unknown-model", generated, f"there is no generated {name!r}", fix))
    return sorted(set(wanted)) or known


def suite(name: str, generated: Path, tests: Path, flavour: Flavour = Flavour.LOCAL) -> Outcome:
    """What is rendered for one model, compared with what lies in its folder under `tests`."""
    job = _job(name, generated, tests)
    bare = Outcome(job, {})
    try:
        files = package_files(generated / job.target.model)
        facts = read_facts(name, files)
        text = render_test(facts, files, flavour)
    except ConversionError as error:
        return refused(bare, error.diagnostics)
    except (LookupError, SyntaxError) as error:
        fix = "convert the model again, or correct its modular file"
        return refused(bare, [_problem("no-facts", generated / job.target.model, str(error), fix)])
    except UndefinedError as error:
        fix = "correct the template, or what testgen gives it"
        return refused(bare, [Diagnostic("broken-template", ORIGIN, 1, 1, f"for {job.target.model}: {error}", fix)])
    file = Path(suite_path(facts)).name
    return Outcome(job, survey(job, {file: digest(text.encode())}), {file: text})


def _job(name: str, generated: Path, tests: Path) -> Job:
    package = PREFIX + name
    target = Target(package, Layout.PACKAGE, ORIGIN, release="", strict=True)
    return Job(package, generated / package, package, package, tests / package, target)


def _problem(code: str, path: Path, message: str, fix: str) -> Diagnostic:
    return Diagnostic(code, shown(path), 1, 1, message, fix)
