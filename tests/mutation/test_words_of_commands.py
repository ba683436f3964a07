"""Which mutants a command line asks for, how a sample is shared out, and what a table of explanations has to say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from diagnostics.errors import ConversionError
from mutation.candidates import candidates, is_python
from mutation.cli import FILES, SEED, SIZE, chosen_mutants, main, parse
from mutation.explained import Explained, read_table, stale, why
from mutation.operators import Text, changed
from mutation.sampling import LEAST, quotas, ranked, sample
from mutation.values import Edit


MODULES = {
    "one/room.py": "def f(a):\n    return a < 1\n\n\ndef g(a):\n    return a > 2 and a < 3\n",
    "two/room.py": "def f(a):\n    b = [1]\n    b.append(a)\n    return sorted(b)\n",
    "two/empty.py": "",
}


def asked(*words: str) -> list[str]:
    return [str(each) for each in chosen_mutants(parse(words), MODULES)]


def test_without_words_it_is_the_sample_of_the_project() -> None:
    args = parse([])
    assert (args.size, args.seed, args.files, args.package, args.at) == (SIZE, SEED, FILES, [], [])
    found = asked()
    assert found == asked() and {each.partition("/")[0] for each in found} == {"one", "two"}


def test_words_narrow_it_down() -> None:
    assert {each.partition(":")[0] for each in asked("--package", "two")} == {"two/room.py"}
    assert {each.partition(":")[0] for each in asked("--file", "one/room.py")} == {"one/room.py"}
    assert len(asked("--package", "one", "--size", "1")) == LEAST, "no package is left without"
    line = asked("--at", "one/room.py:6")
    assert len(line) > 4 and all(each.startswith("one/room.py:6:") for each in line)
    both = asked("--at", "two/room.py:3", "--at", "one/room.py:2")
    assert both == [*asked("--at", "two/room.py:3"), *asked("--at", "one/room.py:2")]


@pytest.mark.parametrize(
    "words",
    [
        ("--package", "three"),
        ("--file", "room.py"),
        ("--at", "one/room.py:3"),
        ("--at", "one/room.py"),
        ("--at", "none.py:1"),
        ("--at", "one/room.py:two"),
    ],
)
def test_what_cannot_be_broken_is_named(words: tuple[str, str]) -> None:
    with pytest.raises(ConversionError, match=f"there is nothing to break in `{words[1]}`"):
        asked(*words)


def test_a_sample_takes_one_of_each_function_in_the_order_of_places() -> None:
    found = [each for file, text in MODULES.items() for each in candidates(file, text)]
    taken = sample(reversed(found), {"one": 9, "two": 9}, 3, lambda mutant: True)
    assert [(each.file, each.scope) for each in taken] == [
        ("one/room.py", "f"),
        ("one/room.py", "g"),
        ("two/room.py", "f"),
    ]
    assert sample(found, {"one": 1}, 3, lambda mutant: True)[0].package == "one"
    assert sample(found, {}, 3, lambda mutant: True) == []


def test_the_same_line_twice_is_two_places_in_any_order() -> None:
    twice = candidates("a/b.py", "def f(a):\n    a += 1\n    a += 1\n")
    assert len({each.line for each in ranked(twice, 1)}) == 2 and len(ranked(twice, 1)) == len(twice)


@pytest.mark.parametrize(
    ("lines", "size", "wanted"),
    [
        ({}, 5, {}),
        ({"a": 0}, 5, {"a": LEAST}),
        ({"a": 100, "b": 100}, 10, {"a": 5, "b": 5}),
        ({"a": 900, "b": 100}, 8, {"a": 6, "b": 2}),
    ],
)
def test_shares_go_by_the_root_of_lines(lines: dict[str, int], size: int, wanted: dict[str, int]) -> None:
    assert quotas(lines, size) == wanted


@pytest.mark.parametrize(
    ("source", "start", "end", "new", "is_one"),
    [
        ("a = 1", 4, 5, "2", True),
        ("a = 1", 4, 5, "(1)", False),  # says the same
        ("a = 1", 4, 5, "", False),
        ("é = 1", 5, 6, "2", True),  # by bytes
    ],
)
def test_a_mutant_is_python_that_says_something_else(
    source: str, start: int, end: int, new: str, is_one: bool
) -> None:
    (any_of, *_) = candidates("a/b.py", "x = 1 < 2")
    mutant = replace(any_of, edit=Edit(start, end, new))
    assert is_python(source, mutant) is is_one
    assert changed(source.encode(), mutant.edit).decode() == source.encode()[:start].decode() + new


def test_places_are_counted_in_bytes_from_one() -> None:
    text = Text("é = 1\nb = 'ü', 2\n")
    assert [text.place(offset) for offset in (0, 5, 7, 17)] == [(1, 1), (1, 6), (2, 1), (2, 11)]


ROW = '[[mutant]]\nfile = "one/room.py"\ntext = "return a < 1"\nbecomes = "return a <= 1"\nwhy = "nobody asks for the number one"\n'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("mutant]]", "mutant", "bad-explanation"),
        ('why = "nobody asks for the number one"', "", "bad-explanation"),
        ("why =", "reason =", "bad-explanation"),
        ("nobody asks for the number one", "so it is", "has no reason"),
        ("nobody asks for the number one", "incomprehensibilities-of-all-kinds", "has no reason"),
        ("[[mutant]]\n", "[mutant]\n", "bad-explanation"),
    ],
)
def test_a_table_says_of_each_mutant_why_nobody_could_see_it(old: str, new: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(ROW)
    (row,) = read_table(tmp_path / "t.toml")
    assert stale([row], MODULES) == []
    (tmp_path / "t.toml").write_text(ROW.replace(old, new))
    with pytest.raises(ConversionError, match=said):
        read_table(tmp_path / "t.toml")


@pytest.mark.parametrize(
    ("file", "text", "becomes", "fits"),
    [
        ("one/room.py", "return a < 1", "return a <= 1", True),
        ("one/room.py", "return a < 1", "return a == 1", False),
        ("one/room.py", "return a < 2", "return a <= 2", False),
        ("two/room.py", "return a < 1", "return a <= 1", False),
        ("gone/room.py", "return a < 1", "return a <= 1", False),
    ],
)
def test_a_row_holds_its_line(file: str, text: str, becomes: str, fits: bool) -> None:
    row = Explained(file, text, becomes, "for a reason that is long enough")
    problems = stale([row], MODULES)
    assert [each.code for each in problems] == ["stale-explanation"] * (not fits)
    explained = [each for each in candidates("one/room.py", MODULES["one/room.py"]) if why([row], each)]
    assert len(explained) == (1 if fits else 0)


def test_words_that_argparse_does_not_take_are_no_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--size", "many"], tmp_path) == 2 and "invalid int value" in capsys.readouterr().err
    assert main(["--help"], tmp_path) == 0 and "--package" in capsys.readouterr().out
    assert main(["--package", "none"], tmp_path) == 2 and "unknown-mutant" in capsys.readouterr().out
