"""The model's test file, read the way the repository's checker reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from diagnostics.values import Diagnostic
from syntax.queries import last_name

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
_CLASSES = re.compile(r"all_model_classes\s+=\s+\(?\s*\(([^)]*)\)")


def tested(subject: Subject) -> Iterator[Diagnostic]:
    """Every model is named by the test file, which holds at least one test case."""
    file = subject.tests
    if not file.text:
        return
    cases = [node for node in file.classes() if any("TestCase" in last_name(base) for base in node.bases)]
    if not cases:
        yield finding(file, 1, "no-tests", "nothing here would be collected", "derive a class from unittest.TestCase")
    named = named_models(file.text)
    exceptions = subject.tree.read(REPO_CHECK) or ""
    for name in subject.models:
        if name not in named and not repo_lists.excepted(exceptions, name):
            message = f"`{name}` is not tested"
            fix = "name it in `all_model_classes`, or let the tester derive it from `base_model_class = ...`"
            yield finding(file, file.line(r"base_model_class|all_model_classes"), "untested-model", message, fix)


def named_models(text: str) -> set[str]:
    """The models that a test file names, or that its tester derives from the base model's name."""
    named = {name.strip() for listed in _CLASSES.findall(text) for name in listed.split(",")}
    base = re.search(r"base_model_class\s+=\s*(\w+)", text)
    if "CausalLMModelTester" in text and base:
        named.add(base[1])
        for attribute, ending in ROLES.items():
            own = re.search(rf"{attribute}\s+=\s*(\w+)", text)
            named.add(own[1] if own else base[1].replace("Model", "") + ending)
    return named


def collected(subject: Subject) -> Iterator[Diagnostic]:
    """pytest finds the tests, in a tree on disk that has what they are built on."""
    root, path = subject.tree.root, subject.tests.path
    if root is None or not (root / TESTER).is_file() or not (root / path).is_file():
        return
    done = run(root, ["-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", path])
    if not done.passed:
        yield finding(path, 1, "not-collected", f"pytest: {done.last_line}", f"see `{done.command}`")
