"""Names in a text: the same as Python's own parser finds, on made-up and on real code."""

from __future__ import annotations

import ast
import json
import keyword
from pathlib import Path

import pytest
from corpus import sample_modules
from hypothesis import given, settings
from hypothesis import strategies as st
from syntax.scan import (
    closing_colon,
    drop_comments,
    is_definition,
    local_functions,
    map_prose,
    map_tokens,
    mentions,
    mentions_with_annotations,
)


SETTINGS = settings(max_examples=150, deadline=None, derandomize=True, database=None)
WORDS = ("alpha", "beta", "f", "rb", "_x1", "été", "Alpha")


def literal(text: str) -> str:
    """Text that can stand outside the fields of an f-string."""
    return "".join(char for char in text if char.isprintable() and char not in "{}\\'\"")


names = st.sampled_from(WORDS)
plain = st.text(max_size=8)
strings = st.one_of(
    plain.map(repr),
    plain.map(json.dumps),  # the other quotes
    st.just('"\\\\" + "alpha \\" beta"'),
    plain.map(lambda text: "u" + repr(text)),
    st.binary(max_size=6).map(repr),
    plain.map(lambda text: 'r"""' + literal(text) + "'\n# alpha\"" + '\n"""'),
    st.tuples(names, plain, names).map(
        lambda parts: f'f"{{{parts[0]}}} {literal(parts[1])} {{{parts[2]}.beta!r:>3}}"'
    ),
    st.tuples(names, plain).map(lambda parts: f"Rf'''{literal(parts[1])}\n{{{parts[0]}[0]}}'''"),
)
numbers = st.sampled_from(["1", "0xF", "1_000", "2.5e-3", "1j", ".5"])
leaves = st.one_of(names, strings, numbers)


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Larger expressions made of smaller ones."""
    pair = st.tuples(inner, inner)
    return st.one_of(
        pair.map(lambda two: f"({two[0]}, {two[1]})"),
        pair.map(lambda two: f"call({two[0]}, key={two[1]})"),
        pair.map(lambda two: f"[{two[0]},  # alpha 'quoted\n {two[1]}]"),
        pair.map(lambda two: f"{{{two[0]}: {two[1]}}}"),
        st.tuples(names, names).map(lambda two: f"({two[0]} . {two[1]})"),
        st.tuples(names, inner).map(lambda two: f"(lambda {two[0]}: {two[1]})"),
        inner.map(lambda one: f"(...)[{one}:]"),
    )


expressions = st.recursive(leaves, compound, max_leaves=6)
statements = st.one_of(
    expressions.map(lambda one: f"alpha = {one}  # beta = 'x"),
    st.tuples(names, expressions).map(lambda two: f"def {two[0]}(f: {two[1]}) -> None:\n    '''alpha'''"),
    st.tuples(names, names).map(lambda two: f"@{two[0]}.call\nclass {two[1]}:\n    beta: rb = 1"),
)
programs = st.lists(statements, min_size=1, max_size=4).map("\n".join).filter(lambda text: parses(text))


def parses(text: str) -> bool:
    """Whether a text is Python: nested quotes in f-strings are for newer versions only."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def bound_and_used(text: str) -> tuple[set[str], set[str]]:
    """(names that are loaded or stored, every other identifier that is no attribute) as the parser sees them."""
    tree = ast.parse(text)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    other: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                other.add(name)
            case ast.arg(arg=str(name)) | ast.keyword(arg=str(name)):
                other.add(name)
            case ast.alias(name=name, asname=asname):
                other |= {*name.split("."), *([asname] if asname else [])}
            case ast.ImportFrom(module=str(name)):
                other |= set(name.split("."))
            case ast.ExceptHandler(name=str(name)):
                other.add(name)
            case ast.Global(names=several) | ast.Nonlocal(names=several):
                other |= set(several)
    return used, other


def check_mentions(text: str, allowed: frozenset[str] = frozenset()) -> None:
    found = mentions(text)
    used, other = bound_and_used(text)
    assert used <= found
    assert {name for name in found - used - other - allowed if not keyword.iskeyword(name)} == set()


@SETTINGS
@given(programs)
def test_mentions_are_the_names_that_the_parser_finds(text: str) -> None:
    check_mentions(text, allowed=frozenset("r"))  # the conversion in `{x!r}`


@pytest.mark.parametrize("path", sample_modules(), ids=lambda path: path.stem)
def test_mentions_of_real_code(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    for node in ast.parse(text).body:
        piece = "".join(lines[node.lineno - 1 : node.end_lineno])
        used, _ = bound_and_used(piece)
        assert used <= mentions(piece)


@SETTINGS
@given(programs)
def test_mapping_tokens_to_themselves_changes_nothing(text: str) -> None:
    assert map_tokens(text, lambda token: token) == text
    assert map_prose(text, lambda token: token) == text


@SETTINGS
@given(programs)
def test_mapping_tokens_renames_every_name_and_keeps_the_rest(text: str) -> None:
    renamed = map_tokens(text, lambda token: token.replace("alpha", "omega"))
    assert "alpha" not in mentions(renamed)
    assert mentions(renamed) == {name.replace("alpha", "omega") for name in mentions(text)}
    assert renamed.replace("omega", "alpha") == text.replace("omega", "alpha")


def test_tokens_are_words_comments_and_plain_strings() -> None:
    text = 'x = "one" + f"two {three.four} two"  # five\ny = 6'
    upper = 'X = "ONE" + f"two {THREE.FOUR} two"  # FIVE\nY = 6'
    assert map_tokens(text, str.upper) == upper


def test_prose_is_comments_and_plain_strings() -> None:
    text = 'x = "one" + f"two {three}" + r\'four\'  # five "six"'
    assert map_prose(text, str.upper) == 'x = "ONE" + f"two {three}" + R\'FOUR\'  # FIVE "SIX"'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('def f(x: "Cache", y: "list[Cut | None]" = None) -> "Model": ...', {"Cache", "list", "Cut", "None", "Model"}),
        ('x: Unpack["Kwargs"]', {"Kwargs"}),
        ('name = "Cache"', set()),
        ('call("Cache", key="Cut")', set()),
        ('names = ("Model", "Cache")', set()),
        ('table = {"a": "Cache"}', set()),
    ],
)
def test_quoted_annotations_mention_names(text: str, found: set[str]) -> None:
    assert mentions_with_annotations(text, {"Cache", "Cut", "Kwargs", "Model", "list", "None"}) - mentions(
        text
    ) == found - mentions(text)


@pytest.mark.parametrize(
    "header",
    [
        "class A:",
        'class A(B[x:y], metaclass=f({1: 2}), text=":"):',
        "def f(x: int = {1: 2}[1], *, y: str = ':') -> dict[str, int]:",
        "def f(  # a comment: with a colon\n    x,\n):",
    ],
)
def test_the_colon_that_ends_a_header(header: str) -> None:
    above = "@decorator\n"
    assert closing_colon(f"{above}{header} x: int", len(above)) == len(above) + len(header) - 1


def test_functions_below_the_top_level() -> None:
    assert local_functions("def f():\n    def g(): ...\nclass A:\n    def h(self): ...\n") == {"g", "h"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("# why\n@d\nclass A: ...", True), ("async def f(): ...", True), ("x = 1\n", False), ("default = 1\n", False)],
)
def test_definitions(text: str, expected: bool) -> None:
    assert is_definition(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = f'{{a}} {b}'", {"x", "b"}),
        ("f'{ {1: a}[b] } c'", {"a", "b"}),
        ("f'} {a'", set()),
        ("rf'{a:{b}}' 'c'", {"a", "b"}),
        ("F'{a.b}' b'{c}'", {"a"}),
        ("f'{f\"{a}\"} b'", {"a"}),
        ("a.b .c(d=1)", {"a", "d"}),
        ("a = ...", {"a"}),
        ("1.e5 + 0xab + 1_0j", set()),
        ("'it\\'s a' + b", {"b"}),
        ("'''a 'b' c''' + d", {"d"}),
        ("# a 'b\nc", {"c"}),
        ("'# a' + b", {"b"}),
    ],
)
def test_words_that_can_be_names(text: str, expected: set[str]) -> None:
    assert mentions(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1  # noqa: E501\nb = 2  # why", "a = 1  \nb = 2  # why"),
        ("a = '# noqa'", "a = '# noqa'"),
        ("# noqa\n# and more noqa\nnoqa = 1", "\n\nnoqa = 1"),
        ("a = 1  # why", "a = 1  # why"),
    ],
)
def test_comments_with_a_mark_are_emptied_and_lines_stay(text: str, expected: str) -> None:
    assert drop_comments(text, "noqa") == expected


@pytest.mark.parametrize("text", ["class A", "def f(x: int", "x[1:2]", ""])
def test_a_header_without_its_colon_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no colon"):
        closing_colon(text, 0)


def test_an_annotation_of_what_is_no_python_says_only_what_stands_there() -> None:
    assert mentions_with_annotations("def f(x: 'Cache'", {"Cache"}) == {"def", "f", "x"}


def test_a_quoted_annotation_of_none_of_the_names_adds_nothing() -> None:
    assert mentions_with_annotations("def f(x: 'Other'): ...", {"Cache"}) == {"def", "f", "x"}
    assert mentions_with_annotations("def f(x: 'Cache'): return Cache", {"Cache"}) == {
        "def",
        "f",
        "x",
        "return",
        "Cache",
    }
