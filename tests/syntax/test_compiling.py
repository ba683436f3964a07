"""What is no Python is refused at its line, whether the parser or only the compiler sees it."""

from __future__ import annotations

import warnings

import pytest
from diagnostics.errors import ConversionError
from syntax.compiling import check_compiles, compile_problem, parse
from syntax.source import Source


DEEP = f"a = {'(' * 300}1{')' * 300}"
NESTED = f"a = {'-' * 100_000}1"


def refusal(function: object, text: str, lines: tuple[int, ...] = ()) -> tuple[str, int, int, str]:
    assert callable(function)
    with pytest.raises(ConversionError) as error:
        function(Source("modular_x.py", "x", text, lines))
    (problem,) = error.value.diagnostics
    assert problem.path == "modular_x.py" and problem.fix
    return problem.code, problem.line, problem.column, problem.message


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a = 1\nb = = 2", 2, 5, "invalid syntax"),
        ("def f():\nreturn 1", 2, 1, "expected an indented block"),
        ("class A:\n    x = 1\n   y = 2", 3, 9, "unindent does not match"),
        ("a = 'b", 1, 5, "unterminated string"),
        ("a = (1,\nb = 2\n", 1, 5, "'(' was never closed"),
        ("if True:\n    a = 1\n\tb = 2", 3, 0, "inconsistent use of tabs"),
        ("print 'a'", 1, 1, "Missing parentheses"),
    ],
)
def test_what_the_parser_does_not_take(text: str, line: int, column: int, words: str) -> None:
    for function in (parse, check_compiles):
        code, at, beside, message = refusal(function, text)
        assert (code, at) == ("syntax-error", line) and message.startswith("not Python: ") and words in message
        assert beside == column or not column  # of tabs, releases of Python tell other columns


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a = 1\ncontinue", 2, "'continue' not properly in loop"),
        ("def f():\n    nonlocal x", 2, "no binding for nonlocal 'x'"),
        ("return 1", 1, "'return' outside function"),
        ("def f(x):\n    global x", 2, "parameter and global"),
        ("def f():\n    return 1\n\nawait f()", 4, "'await' outside function"),
        ("a = [*b for b in c]", 1, "iterable unpacking"),
    ],
)
def test_what_only_the_compiler_sees(text: str, line: int, words: str) -> None:
    code, at, _, message = refusal(check_compiles, text)
    assert (code, at) == ("syntax-error", line) and words in message


def test_null_bytes_are_refused_and_not_raised_as_something_else() -> None:
    for function in (parse, check_compiles):
        code, line, _, message = refusal(function, "a = 1\0")
        assert (code, line) == ("syntax-error", 1) and "null byte" in message


@pytest.mark.parametrize("text", [DEEP, NESTED], ids=["brackets", "signs"])
def test_what_is_nested_too_deeply_has_an_answer(text: str) -> None:
    """Brackets beyond a few hundred are a syntax error of Python's own; signs end its recursion."""
    for function in (parse, check_compiles):
        code, line, _, message = refusal(function, text)
        assert (code, line) in {("too-deep", 1), ("syntax-error", 1)} and "nest" in message
    assert isinstance(compile_problem(text), SyntaxError | RecursionError | MemoryError)


def test_a_problem_is_told_at_the_line_of_the_file() -> None:
    assert refusal(check_compiles, "a = 1\ncontinue", (10, 20))[1] == 20


def test_what_python_takes_is_taken_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for text in ("", "a = '\\d'", "assert (1, 'x')", "a = 1 is 1", "async def f():\n    await g()\n"):
            assert compile_problem(text) is None
            check_compiles(Source("x.py", "x", text))


def test_what_runs_is_not_what_this_module_imports() -> None:
    """`from __future__` of the tool's own modules says nothing of the text: an annotation is evaluated there."""
    assert compile_problem("x: (yield) = 1") is not None
