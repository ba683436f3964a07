"""Docstrings of entries: what is read off them, and those of a delta in place of the woven ones, no word else changed."""

from __future__ import annotations

import pytest
from weave.docstrings import (
    arguments_of,
    entry_name,
    entry_names,
    joined,
    merge_entries,
    passages,
    split_entries,
    split_example,
    without_entries,
)


WOVEN = '''\
    r"""
    size (`int`, *optional*, defaults to 3):
        How large.

        In two paragraphs.
    depth (`int`, *optional*):
        How deep.

    Example:

    ```python
    >>> x = 1
    ```"""
'''


def merged(own: str) -> str:
    return merge_entries(WOVEN, f'    """\n{own}    """\n') or ""


def test_an_entry_takes_the_place_of_its_namesake() -> None:
    own = "    depth (`int`, *optional*, defaults to 5):\n        Deeper.\n"
    found = merged(own)
    assert own in found and "How deep." not in found
    assert "How large.\n\n        In two paragraphs.\n" in found
    assert found.endswith('        Deeper.\n\n    Example:\n\n    ```python\n    >>> x = 1\n    ```"""\n')


def test_the_first_entry_can_change_alone() -> None:
    own = "    size (`int`):\n        Larger.\n"
    found = merged(own)
    assert own in found
    assert "In two paragraphs." not in found and "How deep." in found and ">>> x = 1" in found


def test_a_new_entry_goes_behind_the_others_and_before_the_example() -> None:
    found = merged("    width (`int`):\n        How wide.\n")
    assert found.index("How deep.") < found.index("How wide.") < found.index("Example:")


@pytest.mark.parametrize(
    ("woven", "own"),
    [
        (WOVEN, '    """A sentence."""\n'),
        (WOVEN, '    """\n    Text above.\n\n    size (`int`):\n        Larger.\n    """\n'),
        ('    """A sentence."""\n', '    """\n    size (`int`):\n        Larger.\n    """\n'),
    ],
)
def test_what_is_no_list_of_entries_replaces_the_whole(woven: str, own: str) -> None:
    assert merge_entries(woven, own) is None


def test_paragraphs_of_the_last_entry_stay_with_it() -> None:
    woven = WOVEN.replace("How deep.\n", "How deep.\n\n        And how high.\n")
    found = merge_entries(woven, '    """\n    width (`int`):\n        How wide.\n    """\n') or ""
    assert found.index("And how high.") < found.index("width") < found.index("Example:")


def test_an_example_of_the_delta_takes_the_place_of_the_woven_one() -> None:
    found = merged("    depth (`int`):\n        Deeper.\n\n    Example: mine\n")
    assert "Example: mine" in found and ">>> x = 1" not in found


def test_an_example_behind_a_new_entry_takes_its_place_as_well() -> None:
    found = merged("    width (`int`):\n        How wide.\n\n    Example: mine\n")
    assert found.count("Example:") == 1 and found.index("How wide.") < found.index("Example: mine")
    assert ">>> x = 1" not in found


def test_a_changed_entry_stays_as_far_from_the_one_above() -> None:
    woven = WOVEN.replace("    depth", "\n    depth")
    found = merge_entries(woven, '    """\n    depth (`int`):\n        Deeper.\n    """\n') or ""
    assert "In two paragraphs.\n\n    depth (`int`):\n        Deeper.\n\n    Example:" in found


def test_text_between_entries_stays_where_it_is() -> None:
    woven = WOVEN.replace("    depth", "    More of them:\n\n    depth")
    found = merge_entries(woven, '    """\n    size (`int`):\n        Larger.\n    """\n') or ""
    assert "        Larger.\n    More of them:\n\n    depth (`int`, *optional*):" in found


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("size (`int`, *optional*):", "size"),
        ("    size (`tuple[int, int]`, *optional*, defaults to", "size"),
        ("size (*optional*, defaults to 3)", "size"),
        ("size (int):", "size"),
        ("size (of what)", ""),
        ("The size (`int`):", ""),
        ("size: of what", ""),
        ("Example:", ""),
        ("", ""),
    ],
)
def test_an_entry_is_a_name_with_a_type(line: str, name: str) -> None:
    assert entry_name(line) == name and entry_names(f"Text.\n{line}\n    more") == [name] * bool(name)


def test_brief_entries_are_told_only_where_they_are_asked_for() -> None:
    assert entry_name("    size: how large", brief=True) == "size" and entry_name("Example:", brief=True) == ""
    assert (
        without_entries("size: it", ["size"]) == "size: it" and without_entries("size: it", ["size"], brief=True) == ""
    )


@pytest.mark.parametrize(
    "said", ["", "\n\n", WOVEN, "Text.\n\n\nx (`int`):\n    It.\nText.\n", "\n    x (`int`):\n        It.\n    "]
)
def test_passages_are_all_of_a_docstring(said: str) -> None:
    assert joined(passages(said)) == said


def test_paragraphs_are_part_of_an_entry_and_text_as_far_out_is_not() -> None:
    said = (
        "Args:\n    x (`int`):\n        One.\n\n        Two.\n\n    y (`int`):\n        It.\n\n    More.\nExample: it"
    )
    assert [each.name for each in passages(said)] == ["", "x", "y", ""]
    assert without_entries(said, ["x"]) == "Args:\n\n    y (`int`):\n        It.\n\n    More.\nExample: it"
    assert without_entries(said, ["y"]).endswith("        Two.\n\n    More.\nExample: it")
    assert without_entries(said, ["x", "y"]) == "    More.\nExample: it"
    assert without_entries(said, ["z"]) == said


def test_a_docstring_is_split_at_its_first_entry() -> None:
    assert split_entries("Says.\n\n  x (`int`):\n    It.\n") == ("Says.\n", "x (`int`):\n  It.")
    assert split_entries("Says.") == ("Says.", "")


@pytest.mark.parametrize("heading", ["Args:", "Parameters :", "    Arguments:"])
def test_arguments_are_what_is_below_their_heading(heading: str) -> None:
    entry = "x (`int`):\n    It."
    below = "\n".join(f"        {line}" for line in entry.split("\n"))
    said = f"Text (of it).\n\n{heading}\n{below}\n\nReturns:\n    y (`int`)\n\nExample:\n\n>>> x (`int`):"
    assert arguments_of(said) == entry
    assert arguments_of(f"{heading}\n{entry}\n\n```python\n```") == entry, "as far out as the heading"
    assert arguments_of(f"{heading}\n        x: a number\n\nMore.") == "x: a number", "no entries"


def test_arguments_without_a_heading_begin_at_the_first_entry() -> None:
    assert arguments_of("Text.\n\nx (`int`):\n    It.\n\nExamples:\n    f(x)") == "x (`int`):\n    It."
    assert arguments_of("Text.") == arguments_of("") == ""


def test_an_example_is_told_from_what_is_above_it() -> None:
    assert split_example("Says.\n\nExample:\n\n>>> 1") == ("Says.", "Example:\n\n>>> 1")
    assert split_example("Says.") == ("Says.", "")
