"""The ways to change one node of a syntax tree, as edits of its text. One row of `OPERATORS` is one way."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mutation.values import Edit


@dataclass(frozen=True)
class Text:
    """A module's text with its tree, and where nodes are in its bytes."""

    text: str
    tree: ast.Module = field(init=False)
    data: bytes = field(init=False)
    _lines: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        data = self.text.encode()
        starts = [0, *(found.end() for found in re.finditer(rb"\n", data))]
        for name, value in (("tree", ast.parse(self.text)), ("data", data), ("_lines", tuple(starts))):
            object.__setattr__(self, name, value)

    def start(self, node: ast.expr | ast.stmt) -> int:
        return self._lines[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None and node.end_col_offset is not None  # of what was parsed they are known
        return self._lines[node.end_lineno - 1] + node.end_col_offset

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of a byte, both from 1."""
        line = self.data.count(b"\n", 0, offset)
        return line + 1, offset - self._lines[line] + 1

    def replaced(self, node: ast.expr | ast.stmt, new: str) -> Edit:
        return Edit(self.start(node), self.end(node), new)

    def between(self, left: ast.expr, right: ast.expr, old: str, new: str) -> Iterator[Edit]:
        """The edit of an operator that stands between two expressions; none where a comment is in the way.

        Args:
            left, right: the expressions.
            old: the operator as it is written.
            new: what becomes of it.
        """
        yield from self._within(self.end(left), self.start(right), old, new)

    def before(self, node: ast.expr, operand: ast.expr, old: str, new: str) -> Iterator[Edit]:
        """The edit of an operator in front of its operand.

        Args:
            node: the expression with the operator.
            operand: what the operator stands in front of.
            old: the operator as it is written.
            new: what becomes of it.
        """
        yield from self._within(self.start(node), self.start(operand), old, new)

    def _within(self, start: int, end: int, old: str, new: str) -> Iterator[Edit]:
        gap = self.data[start:end]
        if (found := re.search(old.encode(), gap)) and b"#" not in gap:
            yield Edit(start + found.start(), start + found.end(), new)


def changed(data: bytes, edit: Edit) -> bytes:
    """A text with one edit made."""
    return data[: edit.start] + edit.new.encode() + data[edit.end :]


Operator = Callable[[Text, ast.AST], Iterator[Edit]]

_FLIPPED = {
    **{
        ast.Eq: ("==", "!="),
        ast.NotEq: ("!=", "=="),
        ast.Is: (r"\bis\b", "is not"),
        ast.IsNot: (r"\bis\s+not\b", "is"),
    },
    **{ast.In: (r"\bin\b", "not in"), ast.NotIn: (r"\bnot\s+in\b", "in")},
    **{ast.Lt: ("<", ">="), ast.LtE: ("<=", ">"), ast.Gt: (">", "<="), ast.GtE: (">=", "<")},
}
_BOUNDARIES = {ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">")}
_ARITHMETIC = {
    **{ast.Add: (r"\+", "-"), ast.Sub: ("-", "+"), ast.Mult: (r"\*", "//"), ast.FloorDiv: ("//", "*")},
    **{ast.Div: ("/", "*"), ast.Mod: ("%", "*"), ast.BitOr: (r"\|", "&"), ast.BitAnd: ("&", "|")},
}
_CALLED = {
    **{"sorted": "list", "reversed": "list", "min": "max", "max": "min", "any": "all", "all": "any"},
    **{
        "startswith": "endswith",
        "endswith": "startswith",
        "removeprefix": "removesuffix",
        "removesuffix": "removeprefix",
    },
    **{"lstrip": "rstrip", "rstrip": "lstrip", "partition": "rpartition", "rpartition": "partition"},
    **{"fullmatch": "match", "match": "search", "lower": "upper", "upper": "lower", "find": "rfind"},
}
_UPDATES = {
    "append",
    "add",
    "update",
    "extend",
    "insert",
    "discard",
    "remove",
    "clear",
    "setdefault",
    "pop",
    "appendleft",
}


def comparison(text: Text, node: ast.AST) -> Iterator[Edit]:
    """`==` becomes `!=`, `<` becomes `>=`, `in` becomes `not in`, and so on."""
    yield from _compared(text, node, _FLIPPED)


def boundary(text: Text, node: ast.AST) -> Iterator[Edit]:
    """`<` becomes `<=`, and the other way round."""
    yield from _compared(text, node, _BOUNDARIES)


def _compared(text: Text, node: ast.AST, table: dict[type[ast.cmpop], tuple[str, str]]) -> Iterator[Edit]:
    if isinstance(node, ast.Compare):
        for operator, left, right in zip(node.ops, [node.left, *node.comparators], node.comparators):
            if type(operator) in table:
                yield from text.between(left, right, *table[type(operator)])


def connective(text: Text, node: ast.AST) -> Iterator[Edit]:
    """The first `and` becomes `or`, and the other way round."""
    if isinstance(node, ast.BoolOp):
        words = (r"\band\b", "or") if isinstance(node.op, ast.And) else (r"\bor\b", "and")
        yield from text.between(node.values[0], node.values[1], *words)


def negation(text: Text, node: ast.AST) -> Iterator[Edit]:
    """`not x` becomes `x`."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield from text.before(node, node.operand, r"not\b\s*", "")


def condition(text: Text, node: ast.AST) -> Iterator[Edit]:
    """The condition of an `if`, a `while`, a choice is negated; that of a comprehension is always true."""
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        yield text.replaced(node.test, f"not ({_source(text, node.test)})")
    if isinstance(node, ast.comprehension):
        for test in node.ifs:
            yield text.replaced(test, f"(True or {_source(text, test)})")


def arithmetic(text: Text, node: ast.AST) -> Iterator[Edit]:
    """`+` becomes `-`, `|` becomes `&`, and so on."""
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        yield from text.between(node.left, node.right, *_ARITHMETIC[type(node.op)])


def constant(text: Text, node: ast.AST) -> Iterator[Edit]:
    """A number is one more, True is False, and the other way round."""
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        yield text.replaced(node, _other(node.value))


def word(text: Text, node: ast.AST) -> Iterator[Edit]:
    """A text that something is compared with, looked up by or cut at is another one."""
    looked_up: list[ast.expr] = []
    if isinstance(node, ast.Compare):
        looked_up = [node.left, *node.comparators]
    elif isinstance(node, ast.Subscript):
        looked_up = [node.slice]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and len(node.args) == 1:
        looked_up = node.args if node.func.attr in {*_CALLED, "split", "get", "count", "index"} else []
    for each in looked_up:
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield text.replaced(each, repr(f"{each.value}?"))


def default(text: Text, node: ast.AST) -> Iterator[Edit]:
    """The text that an argument defaults to is another one; numbers and truths are constants as all are."""
    if isinstance(node, ast.FunctionDef):
        for each in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                yield text.replaced(each, repr(f"{each.value}?"))


def called(text: Text, node: ast.AST) -> Iterator[Edit]:
    """`sorted` becomes `list`, `any` becomes `all`, `startswith` becomes `endswith`, and so on."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id in _CALLED:
            keys = {keyword.arg for keyword in node.keywords}
            if not (node.func.id in ("sorted", "reversed") and keys):  # list takes no key
                yield text.replaced(node.func, _CALLED[node.func.id])
        elif isinstance(node.func, ast.Attribute) and node.func.attr in _CALLED:
            end = text.end(node.func)
            yield Edit(end - len(node.func.attr), end, _CALLED[node.func.attr])


def statement(text: Text, node: ast.AST) -> Iterator[Edit]:
    """An update of a list, a set or a dictionary is dropped, or a sum is."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name))) if name in _UPDATES:
            yield text.replaced(node, "pass")
        case ast.Assign(targets=[ast.Subscript(), *_]) | ast.AugAssign() | ast.Delete():
            yield text.replaced(node, "pass")


def leaving(text: Text, node: ast.AST) -> Iterator[Edit]:
    """A `return`, `continue`, `break` or `raise` inside an `if` is dropped."""
    if isinstance(node, ast.If):
        for each in (node.body[-1], *node.orelse[-1:]):
            if isinstance(each, ast.Return | ast.Continue | ast.Break | ast.Raise):
                yield text.replaced(each, "pass")


def element(text: Text, node: ast.AST) -> Iterator[Edit]:
    """The first of several constants in a tuple, a list or a set is left out."""
    if isinstance(node, ast.Tuple | ast.List | ast.Set) and len(node.elts) > 2:
        if all(isinstance(each, ast.Constant) for each in node.elts):
            yield Edit(text.start(node.elts[0]), text.start(node.elts[1]), "")


OPERATORS: dict[str, Operator] = {
    operator.__name__: operator
    for operator in (
        *(comparison, boundary, connective, negation, condition, arithmetic, constant, word, default, called),
        *(statement, leaving, element),
    )
}


def _other(value: bool | int | float) -> str:
    if isinstance(value, bool):
        return str(not value)
    return str(value + 1 if isinstance(value, int) else value * 2 or 1.0)


def _source(text: Text, node: ast.expr) -> str:
    return text.data[text.start(node) : text.end(node)].decode()
