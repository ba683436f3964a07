"""Any layout of a module comes into one form: four columns a level, one statement a line, each line with its place in the file."""

from __future__ import annotations

import ast
import textwrap

import pytest
from syntax.compiling import parse
from syntax.source import Source
from syntax.tidy import tidy


def tidied(text: str, lines: tuple[int, ...] = ()) -> Source:
    source = Source("modeling_x.py", "x", text, lines)
    found, tree = tidy(source, parse(source))
    assert ast.dump(tree) == ast.dump(ast.parse(found.text))
    return found


def laid_out(text: str) -> str:
    return textwrap.dedent(text).strip("\n") + "\n"


KEPT = [
    "class A:\n    def f(self):\n        return 1\n",
    "def f(self): return 1\n",
    "class A: x = 1\n",
    "class A:\n    def f(self):\n        if x:\n          return 1\n",  # what is deeper is carried as it stands
    "text = 'a; b'  # c; d\n",
    "if a:\n  b = 1\n",  # no class, no function
    "",
]


@pytest.mark.parametrize("text", KEPT)
def test_most_modules_come_back_as_they_are(text: str) -> None:
    source = Source("modeling_x.py", "x", text)
    tree = parse(source)
    assert tidy(source, tree) == (source, tree) and tidy(source, tree)[1] is tree


INDENTED = {
    "two columns": (
        """
        class A:
          x = 1

          def f(self):
            if x:
              return 1
            return 2
        """,
        """
        class A:
            x = 1

            def f(self):
                if x:
                    return 1
                return 2
        """,
    ),
    "tabs": ("class A:\n\tdef f(self):\n\t\treturn 1\n", "class A:\n    def f(self):\n        return 1\n"),
    "two widths in one class": (
        """
        class A:
              def f(self):
               return 1
              async def g(self):
                        return 2
        """,
        """
        class A:
            def f(self):
                return 1
            async def g(self):
                return 2
        """,
    ),
    "comments": (
        """
        class A:
          # of the method
          def f(self):
            # of the statement
            return 1  # and behind it
            # at its end
          # at the end of the class
        # of the module
        """,
        """
        class A:
            # of the method
            def f(self):
                # of the statement
                return 1  # and behind it
                # at its end
            # at the end of the class
        # of the module
        """,
    ),
    "statements of several lines": (
        """
        def f(
          x,  # why
              y,
        ):
          return (
            x +
                y
         )
        """,
        """
        def f(
          x,  # why
              y,
        ):
            return (
              x +
                  y
         )
        """,
    ),
    "strings of several lines": (
        '''
        def f():
          """A docstring.

          Its second line.
          """
          return """
          text
          """, 1
        ''',
        '''
        def f():
            """A docstring.

          Its second line.
          """
            return """
          text
          """, 1
        ''',
    ),
    "fields in strings of several lines": (
        """
        def f(x):
          return f'''
          {x} of
          ''' + x
        """,
        """
        def f(x):
            return f'''
          {x} of
          ''' + x
        """,
    ),
}


@pytest.mark.parametrize("name", INDENTED)
def test_blocks_are_indented_by_four_columns_and_strings_stay(name: str) -> None:
    given, expected = map(laid_out, INDENTED[name])
    found = tidied(given)
    assert found.text == expected and found.lines == ()
    assert tidied(expected) == Source("modeling_x.py", "x", expected)
    if "strings" not in name:  # a docstring is one string, however deep it stands
        assert ast.dump(ast.parse(found.text)) == ast.dump(ast.parse(given))


@pytest.mark.parametrize("name", [name for name in INDENTED if "strings" in name])
def test_the_values_of_strings_are_what_they_were(name: str) -> None:
    given = laid_out(INDENTED[name][0])
    assert ast.dump(ast.parse(tidied(given).text)) == ast.dump(ast.parse(given))


BROKEN = [  # text, what becomes of it, the lines of the file
    ("a = 1; b = 2\n", "a = 1\nb = 2\n", (1, 1, 2)),
    ("a = 1 ;b = 2;  c = 3  # all\n", "a = 1\nb = 2\nc = 3  # all\n", (1, 1, 1, 2)),
    ("x = 0\na = ';'; b = 2;\n", "x = 0\na = ';'\nb = 2;\n", (1, 2, 2, 3)),
    ("é = 'ü'; b = 'ä'\n", "é = 'ü'\nb = 'ä'\n", (1, 1, 2)),
    ("class A: x = 1; y = 2\n", "class A:\n    x = 1\n    y = 2\n", (1, 1, 1, 2)),
    (
        "class A:\n    def f(self): self.x = 1; return 2\n    z = 3\n",
        "class A:\n    def f(self):\n        self.x = 1\n        return 2\n    z = 3\n",
        (1, 2, 2, 2, 3, 4),
    ),
    (
        "class A:\n    x = [\n        1,\n    ]; y = 2\n",
        "class A:\n    x = [\n        1,\n    ]\n    y = 2\n",
        (1, 2, 3, 4, 4, 5),
    ),
    ("def f():\n    if x: a = 1; b = 2\n", "def f():\n    if x: a = 1; b = 2\n", ()),
]


@pytest.mark.parametrize(("text", "expected", "lines"), BROKEN)
def test_each_statement_has_a_line_of_its_own(text: str, expected: str, lines: tuple[int, ...]) -> None:
    found = tidied(text)
    assert (found.text, found.lines) == (expected, lines)
    assert ast.dump(ast.parse(found.text)) == ast.dump(ast.parse(text))


def test_what_is_off_in_both_ways_is_put_right_and_problems_are_told_where_the_file_has_them() -> None:
    found = tidied("class A:\n  def f(self):\n    a = 1; return a\n  z = 2\n")
    assert found.text == "class A:\n    def f(self):\n        a = 1\n        return a\n    z = 2\n"
    assert [found.problem(line, 1, "c", "m", "f").line for line in (1, 2, 3, 4, 5, 6, 99)] == [1, 2, 3, 3, 4, 5, 5]


def test_lines_that_a_text_knows_already_are_followed() -> None:
    assert tidied("a = 1; b = 2\nc = 3", (7, 9)).lines == (7, 7, 9)
