"""Docstrings of entries: those of a delta in place of the woven ones of the same names, and no word else changed."""

from __future__ import annotations

import pytest
from weave.docstrings import merge_entries


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
