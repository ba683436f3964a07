"""Every base of the installed transformers: where its gates go, and what becomes of that place when the base changes.

`places.json` has a row for each layer class of the gated bases, as they were read from deltas that equality proofs had run.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter, defaultdict
from copy import deepcopy
from functools import lru_cache
from pathlib import Path

import pytest
from building.library import Library
from building.workspace import find_transformers
from diagnostics.errors import ConversionError
from scaffold.feedforward import feed_forward_names
from scaffold.places import find_place
from scaffold.sites.fit import fit
from scaffold.sites.syntax import exclusive
from scaffold.sites.table import ATTENTION_OUTPUT, LAYER_OUTPUT
from scaffold.sites.values import NoPlace
from syntax.modules import Module, read_module
from weave.anchors import fits, path_to
from weave.place import Place


ROOT = Path(__file__).resolve().parents[2]
ROWS = json.loads((Path(__file__).parent / "places.json").read_text())
BY_BASE = {base: [row for row in ROWS if row["base"] == base] for base in sorted({row["base"] for row in ROWS})}
BY_HAND = "longcat_flash"  # its layer has three feed-forward parts, of which a person chose one
NO_PROJECTION = {  # in the attention class itself: in the class of its output (BERT), or in none
    *("bert", "big_bird", "camembert", "electra", "ernie", "megatron_bert", "rembert", "roberta"),
    *("roberta_prelayernorm", "roc_bert", "roformer", "xlm_roberta", "xlm_roberta_xl", "xmod"),
    "jetmoe",
}


@lru_cache(maxsize=4)
def module_of(base: str) -> Module:
    source = Library({"transformers": find_transformers()}).load(f"transformers.models.{base}.modeling_{base}")
    if source is None:
        pytest.skip("this release of transformers does not have it")
    return read_module(source)


def said(declared: object) -> dict[str, str]:
    """What a declaration says, without what it leaves out."""
    return {name: value for name in declared.__slots__ if (value := getattr(declared, name)) is not None}


def single_rows(base: str) -> list[dict]:
    """The rows whose gate stands in one forward, up to the residual."""
    return [row for row in BY_BASE[base] if len(row["declared"]) == 1]


def forward_and_place(base: str, row: dict) -> tuple[ast.FunctionDef, Place]:
    module = module_of(base)
    return module.method(module.classes[row["layer"]], "forward"), Place(**row["declared"][row["layer"]])


def test_every_delta_of_the_project_has_its_rows() -> None:
    deltas = {path.stem.partition("quality_gate_")[2] for path in (ROOT / "modular").glob("modular_quality_gate_*.py")}
    assert deltas == set(BY_BASE) and len(ROWS) == 163


@pytest.mark.parametrize("base", [base for base in BY_BASE if base != BY_HAND])
def test_the_place_is_found(base: str) -> None:
    module = module_of(base)
    for row in BY_BASE[base]:
        found = find_place(module, module.classes[row["layer"]])
        assert {name: said(each) for name, each in found.declared.items()} == row["declared"]
        assert list(found.declared)[-1] == row["layer"]
        text = [module.lines[line - 1] for line in found.lines]
        assert text and all(line.strip() for line in text)


def test_of_several_feed_forward_parts_none_is_guessed() -> None:
    module = module_of(BY_HAND)
    with pytest.raises(ConversionError, match=r"`self.mlps\[0\]` is a feed-forward part beside `self.mlp`") as refused:
        find_place(module, module.classes["LongcatFlashDecoderLayer"])
    line = refused.value.diagnostics[0].line
    assert "self.mlps[0](" in module.lines[line - 1]
    forward, place = forward_and_place(BY_HAND, BY_BASE[BY_HAND][0])
    [spot] = fit(forward, place)  # the place that the delta states fits all the same
    assert spot.scaled == "shortcut_mlp_output"


@pytest.mark.parametrize("base", BY_BASE)
def test_an_anchor_that_is_gone_or_doubled_fits_no_more(base: str) -> None:
    for row in single_rows(base):
        forward, place = forward_and_place(base, row)
        assert fit(forward, place)
        for anchor in {place.reads, place.into or place.scales}:
            for changed in (renamed_away(forward, anchor), doubled(forward, anchor)):
                with pytest.raises(NoPlace) as refused:
                    fit(changed, place)
                assert forward.lineno <= refused.value.line <= forward.end_lineno


@pytest.mark.parametrize("base", [base for base in BY_BASE if base != BY_HAND and single_rows(base)])
def test_a_part_of_another_name_is_found_under_that_name(base: str) -> None:
    module = module_of(base)
    for row in single_rows(base):
        old = row["declared"][row["layer"]]["reads"].removeprefix("self.").partition("(")[0]
        if old not in feed_forward_names(module, module.classes[row["layer"]]):
            continue  # one name for all mixers: any name will do
        other = Module(module.source, _Renaming(old, "feed_forward_2").visit(ast.parse(module.source.text)))
        found = find_place(other, other.classes[row["layer"]]).declared[row["layer"]]
        expected = {
            key: re.sub(rf"\bself\.{old}\b", "self.feed_forward_2", value)
            for key, value in row["declared"][row["layer"]].items()
        }
        assert said(found) == expected


@pytest.mark.parametrize("base", [base for base in BY_BASE if base != BY_HAND])
def test_a_part_that_is_run_twice_is_found_elsewhere_or_not_at_all(base: str) -> None:
    module = module_of(base)
    for row in BY_BASE[base]:
        other = Module(module.source, ast.parse(module.source.text))
        layer = other.classes[row["layer"]]
        forward = other.method(layer, "forward")
        block, index = path_to(forward, fits(forward, row["declared"][layer.name]["reads"])[-1])[-1]
        block.insert(index, deepcopy(block[index]))
        try:
            found = find_place(other, layer)
        except ConversionError as refused:
            assert refused.diagnostics[0].code == "no-place"
            continue
        place = found and found.declared[layer.name]
        assert place is None or (said(place) != row["declared"][layer.name] and fit(forward, place))


@pytest.mark.parametrize("base", BY_BASE)
def test_attention_classes_say_what_feeds_their_projection(base: str) -> None:
    module = module_of(base)
    found = []
    try:
        for row in BY_BASE[base]:
            found.append(ATTENTION_OUTPUT.finders[0].find(module, module.classes[row["layer"]], frozenset()))
    except NoPlace as problem:
        assert base in NO_PROJECTION and problem.line > 1
        return
    assert base not in NO_PROJECTION
    places = [(name, place) for each in found if each for name, place in each.declared.items()]
    assert places
    for name, place in places:
        forward = module.method(module.classes[name], "forward")
        calls = fits(forward, place.feeds)
        assert len(calls) in ((1, 3) if base == "falcon" else (1,)) and exclusive(forward, calls)


def test_layers_return_once_and_mostly_a_name() -> None:
    unnamed, refused = Counter(), defaultdict(set)
    for row in ROWS:
        module = module_of(row["base"])
        layer = module.classes[row["layer"]]
        try:
            found = LAYER_OUTPUT.finders[0].find(module, layer, frozenset())
        except NoPlace as problem:
            refused[str(problem).split("`")[0]].add(row["base"])
            continue
        returned = module.method(layer, "forward").body[-1]
        assert found.lines == (returned.lineno,)
        unnamed[row["base"]] += not found.declared[layer.name].returns.isidentifier()
    assert set(+unnamed) <= {"deepseek_v4", "inkling2", "codegen", "gptj"}  # the last two since 5.24.0
    assert set().union(*refused.values()) == {"big_bird", "rembert", "mvp", "trocr"}


class _Renaming(ast.NodeTransformer):
    """Gives an attribute of self another name."""

    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = old, new

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:
        self.generic_visit(node)
        return ast.copy_location(
            ast.Attribute(node.value, self.new if node.attr == self.old else node.attr, node.ctx), node
        )


def renamed_away(forward: ast.FunctionDef, anchor: str) -> ast.FunctionDef:
    """A forward in which nothing is spelt like an anchor."""
    changed = deepcopy(forward)
    for hit in fits(changed, anchor):
        if isinstance(hit, ast.Call):
            hit.func = ast.copy_location(ast.Name("renamed", ast.Load()), hit)
        else:
            hit.op = ast.Sub()
    return changed


def doubled(forward: ast.FunctionDef, anchor: str) -> ast.FunctionDef:
    """A forward with the last statement that an anchor fits written twice."""
    changed = deepcopy(forward)
    block, index = path_to(changed, fits(changed, anchor)[-1])[-1]
    block.insert(index, deepcopy(block[index]))
    return changed
