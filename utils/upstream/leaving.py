"""What a delta has for the life of its model outside transformers, and what no model of transformers has.

Weights of gates alone are saved and loaded by hand (there: `save_pretrained`, and a script for other formats), a
training loop is watched by printing (there: the outputs hold every score), and a weight is marked as a gate's for
`_init_weights`, which for custom code sees no module without weights of its own (there: it sees the gate).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from upstream.spans import Span, drop, statement_span
from upstream.values import Model


FILES = ("save_quality_gates", "load_quality_gates")
CUSTOM = "_initialize_weights"  # overridden where custom code would pass models over
PRINTS = "print_quality_scores"
SWITCH, ASKED = "quality_loss_debug", "debug"  # the field of the configuration, the argument of the loss
MARK = "scores_quality"
_RECORDED = re.compile(r'"quality_logits": OutputRecorder\((\w+)')
_ENTRY = re.compile(rf"^ *({SWITCH} \(|{ASKED}: )")


def leave_files(text: str, model: Model) -> str:
    """Nothing saves or loads gates alone: neither the functions nor the attributes that make methods of them."""
    nodes = [*_statements(ast.parse(text))]
    gone = [each for each in nodes if _name(each) in FILES]
    return drop(text, [statement_span(text, each) for each in gone])


def leave_custom_code(text: str, model: Model) -> str:
    """No method tells transformers not to take a model for custom code."""
    gone = [
        each
        for each in _statements(ast.parse(text))
        if _name(each) == CUSTOM and "is_custom_code" in ast.unparse(each)
    ]
    return drop(text, [statement_span(text, each) for each in gone])


def leave_printing(text: str, model: Model) -> str:
    """Nothing prints: no field that asks for it, no argument, no function."""
    nodes = [*_statements(ast.parse(text))]
    gone = [each for each in nodes if _name(each) in (PRINTS, SWITCH) or _asks(each)]
    text = drop(text, [statement_span(text, each) for each in gone])
    text = drop(text, _entries(text))
    text = re.sub(rf"\n *{ASKED}: bool = False,", "", text)
    return text.replace(f" config.{SWITCH},", "")


def know_gates(text: str, model: Model) -> str:
    """`_init_weights` knows a gate by its class, whose only weight is its linear map's."""
    gate = _RECORDED.search(text)
    lines = [line for line in text.splitlines(keepends=True) if f".{MARK} = True" not in line]
    text = "".join(lines)
    if gate is None:
        return text
    old = re.compile(rf'if getattr\(module, "{MARK}", False\):\n((?:            .*\n)+)')
    return old.sub(lambda found: f"if isinstance(module, {gate[1]}):\n" + _of_its_map(found[1]), text)


def _of_its_map(lines: str) -> str:
    return lines.replace("module.weight", "module.gate.weight")


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """All statements of the file, but those of one that goes as a whole."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if _name(node) not in (*FILES, PRINTS) and not _asks(node):
            waiting += [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)]


def _name(node: ast.stmt) -> str:
    """What a statement defines: a function, an attribute, a field."""
    if isinstance(node, ast.FunctionDef):
        return node.name
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0])
    return ast.unparse(node.target) if isinstance(node, ast.AnnAssign) else ""


def _asks(node: ast.stmt) -> bool:
    """Whether a branch asks first of all whether to print."""
    return isinstance(node, ast.If) and re.match(rf"{ASKED}\b", ast.unparse(node.test)) is not None


def _entries(text: str) -> Iterator[Span]:
    """What docstrings say of the switch: a line, and those below it that are further in."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if _ENTRY.match(line):
            depth = len(line) - len(line.lstrip())
            last = number + 1
            while last < len(lines) and lines[last].startswith(" " * (depth + 1)):
                last += 1
            yield Span(number + 1, last)
