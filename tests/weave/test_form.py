"""What a delta or a kind of gate says for one form is not there in the other, and every line keeps its number."""

from __future__ import annotations

import pytest
from syntax.source import Source
from weave.form import Form, home, in_form, upstream
from weave.form_filter import instead, left_over, without


DELTA = """\
from gates.quality import QualityGate
from weave.form import home, upstream


@home
def register():
    pass


class A(base.A):
    @home  # why
    @torch.no_grad()
    def at_home(self):
        return 1

    @upstream
    def there(self):
        return 2


class B(base.B):
    @home
    def at_home(self):
        return 3
"""


def said(form: Form) -> list[str]:
    text = in_form(Source("delta.py", "delta", DELTA), form).text
    compile(text, "delta.py", "exec")
    assert len(text.split("\n")) == len(DELTA.split("\n")) and "weave.form" not in text
    return text.split("\n")


def test_marks_are_taken_off_and_lines_stay_where_they_are() -> None:
    lines = said(Form.HOME)
    for number, line in enumerate(DELTA.split("\n")):
        if "return" in line and "2" not in line or line.startswith("class"):
            assert lines[number] == line
    assert "    def there(self):" not in lines and "    @torch.no_grad()" in lines


def test_upstream_has_what_is_marked_so_and_nothing_of_home() -> None:
    text = "\n".join(said(Form.UPSTREAM))
    assert "def there" in text and "at_home" not in text and "register" not in text and "no_grad" not in text


def test_a_delta_without_marks_is_handed_back() -> None:
    source = Source("delta.py", "delta", "class A:\n    pass\n")
    assert in_form(source, Form.UPSTREAM) is source


def test_marks_change_nothing_where_a_delta_is_run() -> None:
    assert home(test_marks_change_nothing_where_a_delta_is_run) is test_marks_change_nothing_where_a_delta_is_run
    assert upstream(str) is str


def test_every_trace_of_a_name_goes() -> None:
    text = '''\
from .storage import find, save, show
from .other import save


class Config:
    r"""
    a (`int`):
        A.
    debug (`bool`):
        Whether to print,
        or not.
    b (`int`):
        B.
    """

    a: int = 1
    debug: bool = False
    save = save


def loss(
    config,
    debug: bool = False,
    last: int = 1,
):
    """
    Args:
        config: all.
        debug: whether to print.
        last: one.
    """
    x = find(config, config.debug, debug=True, last=last)
    if debug and now():
        print(x)
    save(x)
    x.debug = 3
    return {"a", "debug"}


# said above
@once
def save(model):
    pass
'''
    left = without(text, ("debug", "save"))
    assert left_over(left, ("debug", "save")) == set() and "debug" not in left and "said above" not in left
    assert "from .storage import find, show\n" in left and "from .other" not in left
    assert "    A.\n    b (`int`):\n" in left and "        config: all.\n        last: one.\n" in left
    assert "find(config, last=last)" in left and 'return {"a"}' in left
    compile(left, "left.py", "exec")


def test_what_only_sounds_like_a_name_stays() -> None:
    text = 'debugging = "debug it"\nx = debugger(debug_mode=1)  # debug\n'
    assert without(text, ("debug",)) == text


def test_a_branch_with_an_alternative_stays_and_is_told() -> None:
    text = "def f(debug):\n    if debug:\n        x = 1\n    else:\n        x = 2\n"
    assert left_over(without(text, ("debug",)), ("debug",)) == {"debug"}


def test_members_stand_in_the_place_of_those_of_the_same_name() -> None:
    text = (
        "X = 1\n\n\nclass A:\n    a = 1\n\n    def f(self):\n        return 1\n\n    b = 2\n\n\ndef g():\n    pass\n"
    )
    other = "Y = 3\n\n\nclass A:\n    def f(self):\n        return 2\n\n    c = 4\n\n\ndef g():\n    return X\n"
    merged = instead(text, other)
    names: dict[str, object] = {}
    exec(merged, names)
    made = names["A"]()  # type: ignore[operator]
    assert (made.a, made.f(), made.b, made.c, names["g"]()) == (1, 2, 2, 4, 1)  # type: ignore[operator]
    assert "Y" not in names  # what is new stays in its own module
    assert instead(text, "import math\n") == text


@pytest.mark.parametrize(
    ("inside", "kept"),
    [
        (
            "Says.\n\n    Args:\n        gone: of it\n        stays: of it\n    ",
            "Says.\n\n    Args:\n        stays: of it\n    ",
        ),
        (
            "\n    gone (`int`):\n        One.\n\n        Two.\n    stays (`int`):\n        It.\n    ",
            "\n    stays (`int`):\n        It.\n    ",
        ),
        ("\n    stays (`int`):\n        It.\n    gone (`int`): it", "\n    stays (`int`):\n        It."),
        ("gone or not", "gone or not"),
    ],
)
def test_a_docstring_loses_whole_entries_and_its_quotes_stay(inside: str, kept: str) -> None:
    text = 'def f():\n    r"""{}"""\n    return 1\n'
    assert without(text.format(inside), ["gone"]) == text.format(kept)
