"""Each rule on names fits its example, and a base has other places without it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from building.library import Library
from building.workspace import find_transformers
from diagnostics.errors import ConversionError
from scaffold import name_rules
from scaffold.name_rules import RULES, NameRule
from scaffold.places import find_place
from scaffold.sites.table import ATTENTION_OUTPUT, EXPERTS_OUTPUT, FEED_FORWARD
from syntax.modules import read_module


ROWS = json.loads((Path(__file__).parent / "places.json").read_text())
NAMES = {id(rule): name for name, rule in vars(name_rules).items() if isinstance(rule, NameRule)}
CASES = {  # a base that needs the rule
    "FEED_FORWARD": "llama",
    "BESIDE_FEED_FORWARD": "zaya",
    "WITHOUT_WEIGHTS": "falcon",
    "FEED_FORWARD_CLASS": "nemotron_h",
    "ATTENTION_CLASS": "llama",
    "BESIDE_ATTENTION": "minimax",
    "QUERY": "zamba",
    "USUAL_WIDTH": "llama",
    "EXPERTS": "jamba",
}
UNMET = {"MIXERS", "BESIDE_EXPERTS", "ATTENTION_ATTRIBUTE"}  # no layer of transformers 5.24.0 is told by these alone


def places_of(base: str) -> list[str]:
    """What the finders of three sites say of the layers of a base."""
    source = Library({"transformers": find_transformers()}).load(f"transformers.models.{base}.modeling_{base}")
    if source is None:
        pytest.skip("this release of transformers does not have it")
    module, found = read_module(source), []
    for layer in (module.classes[row["layer"]] for row in ROWS if row["base"] == base):
        for site in (FEED_FORWARD, ATTENTION_OUTPUT, EXPERTS_OUTPUT):
            try:
                found.append(str(find_place(module, layer, site)))
            except ConversionError as error:
                found.append(str(error))
    return found


@contextmanager
def left_out(rule: NameRule) -> Iterator[None]:
    """A rule that fits no name."""
    names = rule.names
    object.__setattr__(rule, "names", re.compile("(?!)"))
    try:
        yield
    finally:
        object.__setattr__(rule, "names", names)


def test_every_rule_is_listed() -> None:
    assert {id(rule) for rule in RULES} == NAMES.keys() and {*CASES, *UNMET} == {*NAMES.values()}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: NAMES[id(rule)].lower())
def test_a_rule_says_why_and_fits_its_example(rule: NameRule) -> None:
    assert len(rule.why.split()) > 4 and rule.fits(rule.example)


@pytest.mark.parametrize(("name", "base"), CASES.items(), ids=CASES)
def test_the_places_of_a_base_are_others_without_a_rule(name: str, base: str) -> None:
    places = places_of(base)
    with left_out(getattr(name_rules, name)):
        assert places_of(base) != places
