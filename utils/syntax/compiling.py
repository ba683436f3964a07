"""Whether Python takes a text: its grammar, and what it finds behind it (a stray `continue`, a `nonlocal` of nothing)."""

from __future__ import annotations

import ast
import warnings

from diagnostics.errors import ConversionError

from syntax.source import Source
from syntax.trees import tree_of


_DEEP = "an expression or block is nested more deeply than Python can compile"


def parse(source: Source) -> ast.Module:
    """A module's tree. Raises ConversionError: `syntax-error`, or `too-deep` where Python's own parser gives up."""
    try:
        return tree_of(source.text)
    except SyntaxError as error:
        raise _refuse_syntax(source, error) from None
    except ValueError as error:  # a null byte
        raise source.refuse(1, 1, "syntax-error", f"not Python: {error}", "correct the syntax") from None
    except (RecursionError, MemoryError):
        raise too_deep(source) from None


def check_compiles(source: Source) -> None:
    """Raises ConversionError as `parse` does, also for what only Python's compiler sees."""
    if isinstance(problem := compile_problem(source.text), SyntaxError):
        raise _refuse_syntax(source, problem)
    if problem is not None:
        raise too_deep(source)


def compile_problem(text: str) -> SyntaxError | RecursionError | MemoryError | None:
    """What Python's compiler says against a text, None where it takes it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "<text>", "exec", dont_inherit=True)
    except (SyntaxError, RecursionError, MemoryError) as error:
        return error
    except ValueError as error:  # a null byte
        return SyntaxError(str(error))
    return None


def too_deep(source: Source) -> ConversionError:
    """The refusal of a text that is nested too deeply."""
    return source.refuse(1, 1, "too-deep", _DEEP, "split it into several statements")


def _refuse_syntax(source: Source, error: SyntaxError) -> ConversionError:
    message = f"not Python: {error.msg}"
    return source.refuse(error.lineno or 1, error.offset or 1, "syntax-error", message, "correct the syntax")
