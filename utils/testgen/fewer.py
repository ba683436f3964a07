"""Tests that the committed suite ran, and that a suite rendered anew would skip: which, and what decides that now."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from diagnostics.values import Diagnostic
from facts.peculiar import Peculiarities, peculiarities
from facts.values import ModelFacts
from naming.kinds import GateNames
from places import TEMPLATES
from syntax.queries import callee, calls, classes, methods
from syntax.trees import tree_of

from testgen.local import template_of
from testgen.manifest import running
from testgen.render import draft


_CLASS = re.compile(r"\b[A-Z][a-z]+Gate[A-Z]\w+")  # in the values of a parametrized test
_DEFINED = re.compile(r"^    def (test_(?:\w|\{\{.*?\}\})*)\(", re.MULTILINE)
_GONE = "the suite no longer has it"
_HAVING = "which models, and inputs of them, there are"  # where no single fact would bring a test back
_SHOWN = 3  # tests that a message names


@dataclass(frozen=True, slots=True)
class Lost:
    """One test that ran."""

    test: str  # "TestParity::test_a_cache_equals_the_bases", as pytest calls it
    line: int  # of the manifest
    why: str  # the reason that the new suite gives for skipping it


@dataclass(frozen=True, slots=True)
class _Test:
    """A function of a suite."""

    reason: str  # of a skip of all of it; "" where it is run
    left_out: Mapping[str, str]  # value of a parameter -> reason


@dataclass(frozen=True, slots=True)
class _Suite:
    """What a text tests."""

    tests: Mapping[str, _Test]  # by their name in pytest, without the values of parameters
    classes: frozenset[str]  # gated ones that it names


def fewer_tests(facts: ModelFacts, text: str, manifest: str, path: str) -> list[Diagnostic]:
    """A `fewer-tests` for every reason for which tests would no longer be run, each with the fact behind it.

    Args:
        facts: what the suite was rendered from.
        text: the suite.
        manifest: the text of the committed one.
        path: where that lies, as messages print it.
    """
    suite = _read(text)
    by_reason: dict[str, list[Lost]] = defaultdict(list)
    for test, line in running(manifest).items():
        if why := _why_not(test, suite):
            by_reason[why].append(Lost(test, line, why))
    if not by_reason:
        return []
    others = dict(_otherwise(facts))
    found = [_diagnostic(facts, lost, others, path) for lost in by_reason.values()]
    return [each for each in found if each is not None]


def _why_not(test: str, suite: _Suite) -> str:
    """Why a suite does not run a test; "" where it does."""
    name, _, values = test.removesuffix("]").partition("[")
    there = suite.tests.get(name)
    if there is None:
        return _GONE
    if there.reason:
        return there.reason
    parts = f"-{values}-"
    if left_out := next((why for value, why in there.left_out.items() if f"-{value}-" in parts), ""):
        return left_out
    missing = [each for each in _CLASS.findall(values) if each not in suite.classes]
    return f"the model has no {missing[0]}" if missing else ""


def _read(text: str) -> _Suite:
    found = {}
    for group in classes(tree_of(text)):
        for each in methods(group):
            left_out = dict(_left_out(each))
            found[f"{group.name}::{each.name}"] = _Test(_skipped(each) or _skipped(group), left_out)
    return _Suite(found, frozenset(_CLASS.findall(text)))


def _skipped(node: ast.ClassDef | ast.FunctionDef) -> str:
    """The reason of the mark that skips it."""
    return next((reason for each in node.decorator_list if (reason := _reason(each))), "")


def _reason(mark: ast.AST) -> str:
    """That of `pytest.mark.skip(reason="...")`; of any other expression ""."""
    if not isinstance(mark, ast.Call) or callee(mark) != "pytest.mark.skip":
        return ""
    return next((ast.literal_eval(word.value) for word in mark.keywords if word.arg == "reason"), "no reason is given")


def _left_out(function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """`pytest.param("sdpa", marks=pytest.mark.skip(reason="..."))`: value and reason."""
    for mark in function.decorator_list:
        for call in calls(mark):
            if callee(call) == "pytest.param":
                marks = [each for word in call.keywords if word.arg == "marks" for each in ast.walk(word.value)]
                named = [word.value for word in call.keywords if word.arg == "id"] or call.args[:1]
                reason = next((reason for each in marks if (reason := _reason(each))), "")
                if reason and named:
                    yield str(ast.literal_eval(named[0])), reason


def _diagnostic(facts: ModelFacts, lost: list[Lost], others: Mapping[str, str], path: str) -> Diagnostic | None:
    """None for a test that the templates no longer have: their change is there to be looked at.

    `others` has the text of the suite that each fact would lead to if it were otherwise.
    """
    if lost[0].why == _GONE:
        lost = [each for each in lost if _in_templates(facts.names, each.test)]
    if not lost:
        return None
    first = lost[0]
    behind = _entries(peculiarities(facts.name), first.test)
    behind = behind or [fact for fact, text in others.items() if _would_run(first.test, text)]
    named = ", ".join(f"`{each.test}`" for each in lost[:_SHOWN])
    more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
    decided = f"; what decides: {', '.join(behind)}" if behind else f"; what decides: {_HAVING}" * (first.why == _GONE)
    message = f"{facts.name}: {named}{more} would not be run any more: {first.why}{decided}"
    fix = f"correct what decides; where the base cannot do this any more: --manifest --allow-fewer {facts.name}=REASON"
    return Diagnostic("fewer-tests", path, first.line, 1, message, fix)


def _would_run(test: str, text: str) -> bool:
    """Whether a suite runs a test, by the text of its class alone: parsing a whole suite takes long."""
    group = re.search(rf"^(?:@.*\n)*class {test.partition('::')[0]}:\n(?:(?:[ #].*)?\n)*", text, re.MULTILINE)
    return group is not None and not _why_not(test, replace(_read(group[0]), classes=frozenset(_CLASS.findall(text))))


def _in_templates(names: GateNames, test: str) -> bool:
    """Whether some model of a kind of gate could have such a test."""
    group, _, name = test.partition("[")[0].partition("::")
    return any(each.fullmatch(name) for each in _written((TEMPLATES / template_of(names)).parent).get(group, ()))


@cache
def _written(folder: Path) -> Mapping[str, Sequence[re.Pattern[str]]]:
    """Class of tests -> what its tests are called: `def test_{{ task }}(self)` is called anything."""
    found: dict[str, list[re.Pattern[str]]] = {}
    for path in folder.rglob("*.j2"):
        text = path.read_text(encoding="utf-8")
        names = [r"\w+".join(re.split(r"\{\{.*?\}\}", each)) for each in _DEFINED.findall(text)]
        found |= {group: [re.compile(each) for each in names] for group in re.findall(r"^class (\w+)", text, re.M)}
    return found


def _entries(peculiar: Peculiarities, test: str) -> list[str]:
    """Where the architecture's own file leaves a test out."""
    name, _, values = test.partition("[")
    skipped = peculiar.skip.keys() & set(name.split("::"))
    lacking = [each for each in peculiar.lacks if each in values.replace(" ", "_")]
    return [f"[[skip]] of {peculiar.path}"] if skipped else [f"[[lacks]] of {peculiar.path}"] if lacking else []


def _otherwise(facts: ModelFacts) -> Iterator[tuple[str, str]]:
    """Each fact that a template asks for, as it is, and the text of the suite if it were the opposite."""
    for fact, other in _opposites(facts):
        text = draft(other)
        if isinstance(text, str):
            yield fact, text


def _opposites(facts: ModelFacts) -> Iterator[tuple[str, ModelFacts]]:
    """Each fact as it is, and the facts with the opposite of it."""
    for each in fields(facts.abilities):
        value = getattr(facts.abilities, each.name)
        yield f"{each.name} = {value}", replace(facts, abilities=replace(facts.abilities, **{each.name: not value}))
    config = facts.text_config
    for plan in ("tp_plan", "ep_plan", "pp_plan"):
        if not getattr(config, plan):
            changed: Mapping[str, Any] = {plan: ("*",)}
            yield f"{plan} is empty", replace(facts, text_config=replace(config, **changed))
    if model := facts.causal_lm:
        arguments = (*model.arguments, "logits_to_keep")
        yield "its forward takes no logits_to_keep", replace(facts, causal_lm=replace(model, arguments=arguments))
    for part in ("gated_norm", "feed_forward"):
        if not all(getattr(each, part) for each in facts.layers if each.has_gate):
            named: Mapping[str, Any] = {part: "one"}
            layers = tuple(replace(each, **named) for each in facts.layers)
            yield f"a layer has no {part}", replace(facts, layers=layers)
