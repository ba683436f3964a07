"""The forward of a decoder layer with a gate on the input of its feed-forward part."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import libcst as cst
import libcst.matchers as m


ASK = "output_quality_logits"
_SCORE = f"""\
if {ASK} or self.scale_ffn:
    _, good_ratio = self.quality_gate({{0}})
"""
_SCALE = """\
if self.scale_ffn:
    {0} = {1}.to({0}.dtype) * {2}
"""
_RESIDUAL_INSIDE = """\
if self.scale_ffn:  # the module adds the residual itself
    {out} = {residual} + good_ratio.to({residual}.dtype) * {call}
else:
    {out} = {whole}
"""
_MODULE = cst.Module([])


class NoPlace(Exception):
    """There is no statement that a gate can be put at; `line` counts from the first line of the function."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Gated:
    """A function with gates, and the lines of the statements that they stand before, from 1."""

    text: str
    lines: tuple[int, ...]


def insert_gate(text: str, names: frozenset[str]) -> Gated:
    """Put a gate before the feed-forward part of a layer's forward, and its ratio on what that part adds.

    `text` is a function without indentation; `names` are the attributes of the feed-forward part. Raises NoPlace.
    """
    wrapper = cst.MetadataWrapper(cst.parse_module(text))
    lines = wrapper.resolve(cst.metadata.PositionProvider)
    editor = _Editor(names, lambda node: lines[node].start.line)
    edited = wrapper.module.visit(editor)
    if editor.problem or not editor.places:
        calls = " or ".join(f"self.{name}" for name in sorted(names)) or "a feed-forward part"
        raise editor.problem or NoPlace(1, f"no statement calls {calls}")
    return Gated(edited.code, tuple(editor.places))


class _Editor(cst.CSTTransformer):
    """Edits each block of statements that holds a whole feed-forward part, up to the residual."""

    def __init__(self, names: frozenset[str], line_of: Callable[[cst.CSTNode], int]) -> None:
        super().__init__()
        self.names, self.line_of = names, line_of
        self.places: list[int] = []
        self.problem: NoPlace | None = None

    def visit_IndentedBlock(self, node: cst.IndentedBlock) -> bool:
        return _first(node.body, self.names) is None  # what a block begins, it ends: none inside has its own residual

    def leave_IndentedBlock(
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        first = _first(original_node.body, self.names)
        if first is None:
            return updated_node
        line = self.line_of(original_node.body[first])
        try:
            body = _gate_block(list(updated_node.body), first, self.names)
        except NoPlace as problem:
            self.problem = NoPlace(line, str(problem))
            return updated_node
        self.places.append(line)
        return updated_node.with_changes(body=body)


def _first(body: Sequence[cst.BaseStatement], names: frozenset[str]) -> int | None:
    """The first statement of a feed-forward part that this block itself adds to its residual."""
    for place, each in enumerate(body):
        if _calls(each, names):
            return place if is_simple(each) or not _is_whole(each, names) else None
    return None


def _is_whole(statement: cst.BaseStatement, names: frozenset[str]) -> bool:
    """Whether a block in a statement holds a feed-forward part up to its residual."""
    blocks = m.findall(statement, m.IndentedBlock())
    return any(_is_gated(block, names) for block in blocks)


def _is_gated(block: cst.IndentedBlock, names: frozenset[str]) -> bool:
    try:
        first = _first(block.body, names)
        return first is not None and bool(_gate_block(list(block.body), first, names))
    except NoPlace:
        return False


def _gate_block(body: list, first: int, names: frozenset[str]) -> list:
    """A block's statements with the gate at the one that begins the feed-forward part. Raises NoPlace."""
    before, start, after = body[:first], body[first], body[first + 1 :]
    call = _calls(start, names)[0]
    source, prepared, start = _name_input(start, call, names)
    call = _calls(start, names)[0]
    if len(call.args) > 1 and m.matches(call.args[1].value, m.Name("residual")):
        return [*before, *prepared, *score(start, source), *_outer_residual(start, call), *after]
    if _adds(start, call):
        start, rest = _hoist(start, call)
        after = [rest, *after]
    target = target_of(start) or _assigned(start, None)
    if target is None:
        raise NoPlace(1, "what the feed-forward part returns is not assigned to a name")
    place, output = _residual(after, target, names)
    if place is None:
        raise NoPlace(1, "no later statement adds what the feed-forward part returns to a residual")
    scale = _statements(_SCALE, *_factors(before, after[place], output))
    if place and _is_norm(after[place - 1]):
        scale[0] = _explained(scale[0])
    source = _tokens(before, source)
    return [*before, *prepared, *score(start, source), _bare(start), *after[:place], *scale, *after[place:]]


def _tokens(before: Sequence, source: str) -> str:
    """The input of the feed-forward part with its samples, where a statement before has made one batch of all tokens."""
    shape = _flattened(before)
    return f"{source}.view({shape})" if shape else source


def _flattened(before: Sequence) -> str | None:
    """The name of the shape that the hidden states had before they were made two-dimensional."""
    shapes = [target_of(each) for each in before if re.search(r"= \w+\.(shape|size\(\))\n", _code(each))]
    flat = any(re.search(r"\.(reshape|view)\(-1, \w+\.(size\(-1\)|shape\[-1\])\)", _code(each)) for each in before)
    return shapes[-1] if shapes and flat else None


def _factors(before: Sequence, residual: cst.BaseStatement, output: str) -> tuple[str, str, str]:
    """The output, the ratio and the output again, in the shapes in which they can be multiplied."""
    if _flattened(before):
        return output, "good_ratio.view(-1, 1)", output
    view = re.search(rf"\b{output}\.(?:view|reshape)\(residual\.shape\)", _code(residual))
    return output, "good_ratio", view[0] if view else output


def _code(node: cst.CSTNode) -> str:
    return _MODULE.code_for_node(node)


def score(start: cst.BaseStatement, source: str) -> list:
    """The statement that asks the gate, where the blank line before the feed-forward part was."""
    [ask] = _statements(_SCORE, source)
    blank = [line for line in start.leading_lines if line.comment is None][:1]
    return [ask.with_changes(leading_lines=blank)]


def _bare(start: cst.BaseStatement) -> cst.BaseStatement:
    return start.with_changes(leading_lines=[line for line in start.leading_lines if line.comment])


def _name_input(start, call: cst.Call, names: frozenset[str]) -> tuple[str, list, cst.BaseStatement]:
    """The name of what the feed-forward part is given; where it has none, a statement that gives it one."""
    value = call.args[0].value
    if not is_simple(start) and {_MODULE.code_for_node(each.args[0].value) for each in _calls(start, names)} != {
        _MODULE.code_for_node(value)
    }:
        raise NoPlace(1, "the branches give the feed-forward part different inputs")
    if isinstance(value, cst.Name):
        return value.value, [], start
    name = "feed_forward_input"
    named = call.with_changes(args=[call.args[0].with_changes(value=cst.Name(name)), *call.args[1:]])
    lines = start.leading_lines
    [prepared] = _statements(f"{name} = {_MODULE.code_for_node(value)}\n")
    start = start.deep_replace(call, named).with_changes(leading_lines=[])
    return name, [prepared.with_changes(leading_lines=lines)], start


def _hoist(start, call: cst.Call) -> tuple[cst.BaseStatement, cst.BaseStatement]:
    """`x = x + self.mlp(y)` as two statements: what is added gets a name."""
    name = "feed_forward_output"
    [output] = _statements(f"{name} = {_MODULE.code_for_node(call)}\n")
    rest = start.deep_replace(call, cst.Name(name)).with_changes(leading_lines=[])
    return output.with_changes(leading_lines=start.leading_lines), rest


def _outer_residual(start, call: cst.Call) -> list:
    target, residual = target_of(start), call.args[1].value.value
    nothing = call.args[1].with_changes(value=cst.parse_expression(f"torch.zeros_like({residual})"))
    inner = call.with_changes(args=[call.args[0], nothing, *call.args[2:]])
    whole = _MODULE.code_for_node(call)
    values = {"out": target, "residual": residual, "call": _MODULE.code_for_node(inner), "whole": whole}
    [branches] = _statements(_RESIDUAL_INSIDE.format(**values))
    return [branches.with_changes(leading_lines=_bare(start).leading_lines)]


def _residual(after: Sequence, output: str, names: frozenset[str]) -> tuple[int | None, str]:
    """The place of the statement that adds the output to a residual, and the name it has by then."""
    for place, each in enumerate(after):
        if not _reads(each, output):
            continue
        if _returns(each) or _reshapes(each) or _adds_residual(each, output, names):
            return place, output
        output = target_of(each) or _assigned(each, output)
    return None, output


def _adds_residual(statement, output: str, names: frozenset[str]) -> bool:
    """Whether a statement adds the output and something that is not of the feed-forward part."""
    for each in m.findall(statement, m.BinaryOperation(operator=m.Add())):
        sides = [_reads(side, output) for side in (each.left, each.right)]
        if sides.count(True) == 1 and not _calls(each, names):
            return True
    for each in m.findall(statement, m.AugAssign(operator=m.AddAssign())):
        if _reads(each.value, output) != _reads(each.target, output):
            return True
    calls = m.findall(statement, m.Call())
    adders = [each for each in calls if m.matches(each.func, m.Name(value=m.MatchIfTrue(lambda name: "add" in name)))]
    adders += [each for each in calls if any(m.matches(arg.value, m.Name("residual")) for arg in each.args)]
    return any(_reads(each, output) for each in adders)


def _reshapes(statement: cst.BaseStatement) -> bool:
    """Whether a statement gives a result another shape, which a ratio for each token no longer fits."""
    return bool(m.findall(statement, m.Call(func=m.Attribute(attr=m.Name("unsqueeze")))))


def _returns(statement: cst.BaseStatement) -> bool:
    """Whether a layer ends here: whoever called it adds what it returns."""
    return is_simple(statement) and isinstance(statement.body[0], cst.Return)


def _adds(statement, call: cst.Call) -> bool:
    """Whether the statement that calls the feed-forward part adds its result to something at once."""
    sums = m.findall(statement, m.BinaryOperation(operator=m.Add()))
    return any(_contains(each, call) and not _contains(call, each) for each in sums)


def target_of(statement) -> str | None:
    """The first name that a statement assigns."""
    if not is_simple(statement) or not isinstance(statement.body[0], cst.Assign | cst.AugAssign):
        return None
    assign = statement.body[0]
    target = assign.target if isinstance(assign, cst.AugAssign) else assign.targets[0].target
    if isinstance(target, cst.Tuple):
        target = target.elements[0].value
    return target.value if isinstance(target, cst.Name) else None


def _assigned(statement, output: str | None) -> str | None:
    """The name that all branches of an `if` assign last, else the old one."""
    blocks = m.findall(statement, m.IndentedBlock())
    last = {target_of(block.body[-1]) for block in blocks if block.body}
    return last.pop() if len(last) == 1 and None not in last else output


def _calls(tree, names: frozenset[str]) -> list[cst.Call]:
    attribute = m.Attribute(m.Name("self"), m.Name(value=m.MatchIfTrue(lambda name: name in names)))
    found = list(m.findall(tree, m.Call(func=attribute)))
    return sorted(found, key=lambda call: -len(_MODULE.code_for_node(call))) if len(found) > 1 else found


def _reads(tree, name: str) -> bool:
    return bool(m.findall(tree, m.Name(name)))


def is_simple(statement: cst.BaseStatement) -> bool:
    """Whether a statement is one line, not a block."""
    return isinstance(statement, cst.SimpleStatementLine)


def _is_norm(statement) -> bool:
    return "norm" in _MODULE.code_for_node(statement).lower() and is_simple(statement)


def _contains(outer, inner) -> bool:
    return any(each is inner for each in m.findall(outer, m.MatchIfTrue(lambda node: node is inner)))


def _explained(scale: cst.If) -> cst.If:
    comment = cst.TrailingWhitespace(cst.SimpleWhitespace("  "), cst.Comment("# after the norm, which would undo it"))
    return scale.with_changes(body=scale.body.with_changes(header=comment))


def _statements(template: str, *values: str) -> list:
    return list(cst.parse_module(template.format(*values) if values else template).body)
