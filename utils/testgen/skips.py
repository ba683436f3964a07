"""Tests that a base cannot pass itself: for its gated version they would prove nothing."""

from __future__ import annotations

import re

from facts.peculiar import Peculiarities


_DEFINITION = re.compile(r"^( *)(class|(?:async )?def) (\w+)\b", re.MULTILINE)
_TESTED = ("test_", "Test")


def mark_skips(text: str, peculiar: Peculiarities) -> str:
    """The text of a rendered suite with a mark, and the reason, on every test that its architecture leaves out.

    Raises PeculiarError (`stale-peculiarity`) where the suite has no such test.
    """
    tests = [name for _, _, name in _DEFINITION.findall(text) if name.startswith(_TESTED)]
    peculiar.check("skip", peculiar.skip, tests, "test or class of tests of the rendered suite")

    def marked(found: re.Match[str]) -> str:
        indent, _, name = found.groups()
        if name not in peculiar.skip:
            return found[0]
        return f'{indent}@pytest.mark.skip(reason="{peculiar.skip[name]}")\n{found[0]}'

    return _DEFINITION.sub(marked, text)
