"""Definitions of modular files stand above those that need them when a file is imported."""

from __future__ import annotations

from pull_request.import_order import in_import_order


LATE = '''"""A modular file."""

from torch import nn


class Layer(nn.Module):
    def forward(self, states, memory: "int | None" = None, reading: Reading | None = None):
        return helper(states)


def helper(states):
    return states


# what layers share
@frozen
class Reading:
    pass


__all__ = ["Layer"]
'''


def test_what_an_annotation_names_moves_up_with_its_comment_and_decorator() -> None:
    made = in_import_order(LATE)
    places = [
        made.index(part)
        for part in ("from torch", "# what layers share\n@frozen\nclass Reading", "class Layer", "def helper")
    ]
    assert places == sorted(places)  # `helper` is needed once `forward` is called, and stays below
    assert sorted(made.split("\n")) == sorted(LATE.split("\n"))
    exec(compile(made, "made", "exec"), {"frozen": lambda each: each})


def test_a_file_in_order_is_left_as_it_is() -> None:
    assert in_import_order(in_import_order(LATE)) == in_import_order(LATE)
    assert in_import_order("") == "" and in_import_order("x = y\ny = 1\n") == "x = y\ny = 1\n"
