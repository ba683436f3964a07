"""The model's test file, read the way the repository's checker reads it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from diagnostics.values import Diagnostic
from syntax.queries import assignments, classes, dotted, last_name, names_in

from pull_request.edits import repo_lists
from pull_request.layout import REPO_CHECK
from pull_request.validation import TESTER, run
from pull_request.verify.subject import Subject, finding


ROLES = {
    "causal_lm_class": "ForCausalLM",
    "sequence_classification_class": "ForSequenceClassification",
    "question_answering_class": "ForQuestionAnswering",
    "token_classification_class": "ForTokenClassification",
}
TESTER_CLASS = "CausalLMModelTester"  # derives a model's classes from its base model's name


def tested(subject: Subject) -> Iterator[Diagnostic]:
    """Every model is named by the test file, which holds at least one test case."""
    file = subject.tests
    if not file.text:
        return
    cases = [node for node in file.classes() if any("TestCase" in last_name(base) for base in node.bases)]
    if not cases:
        yield finding(
            file, 1, "no-tests", "pytest would collect nothing here", "derive a class from unittest.TestCase"
        )
    named = named_models(file.tree)
    exceptions = subject.tree.read(REPO_CHECK) or ""
    for name in subject.models:
        if name not in named and not repo_lists.excepted(exceptions, name):
            message = f"`{name}` is not tested"
            fix = "name it in `all_model_classes`, or let the tester derive it from `base_model_class = ...`"
            yield finding(file, file.line(r"base_model_class|all_model_classes"), "untested-model", message, fix)


def named_models(file: ast.Module) -> set[str]:
    """The models that a test file names, or that its testers derive from a base model's name."""
    derives = TESTER_CLASS in names_in(file)
    return {name for node in classes(file) for name in _named_in(node, derives)}


def _named_in(node: ast.ClassDef, derives: bool) -> Iterator[str]:
    """The models that one class of a test file names, under `if is_torch_available():` as well."""
    given = list(assignments(each for each in ast.walk(node) if isinstance(each, ast.stmt)))
    listed = [value for name, value in given if name == "all_model_classes"]
    yield from (each.id for value in listed for each in _first_choice(value) if isinstance(each, ast.Name))
    attributes = {name: dotted(value) for name, value in given}
    base = attributes.get("base_model_class")
    if base and derives:
        yield base
        yield from (attributes.get(name) or base.removesuffix("Model") + task for name, task in ROLES.items())


def _first_choice(value: ast.expr) -> list[ast.expr]:
    """The elements of `(A, B)`, also of `(A, B) if is_torch_available() else ()`."""
    chosen = value.body if isinstance(value, ast.IfExp) else value
    return chosen.elts if isinstance(chosen, ast.Tuple | ast.List) else []


def collected(subject: Subject) -> Iterator[Diagnostic]:
    """pytest finds the tests, in a tree on disk that has what they are built on."""
    root, path = subject.tree.root, subject.tests.path
    if root is None or not (root / TESTER).is_file() or not (root / path).is_file():
        return
    done = run(root, ["-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", path])
    if not done.passed:
        yield finding(path, 1, "not-collected", f"pytest: {done.last_line}", f"see `{done.command}`")
