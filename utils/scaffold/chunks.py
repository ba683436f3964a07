"""Layers whose feed-forward part is a method, run in chunks, with the residual added in another module."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

import libcst as cst
import libcst.matchers as m

from scaffold.gate import NoPlace, is_simple, score, target_of
from scaffold.modules import Module, assigned_calls
from scaffold.plumbing import add_argument, add_parameter, dedent_function, indent_function, rename


CHUNK = "feed_forward_chunk"
_SCALED_CHUNK = f"scaled_{CHUNK}"  # chunks take as many tensors as the method has parameters
_RATIO = "good_ratio: torch.Tensor | None = None"
_SCALED = """\
if self.scale_ffn:
    {0}
else:
    {1}
"""
_SCALE = """\
if good_ratio is not None:
    {0} = good_ratio.to({0}.dtype) * {0}
"""


@dataclass(frozen=True)
class Chunked:
    """The texts of such a layer with a gate: its forward, and who brings the ratio to where the residual is added."""

    forward: str  # at the left margin
    line: int  # of the forward, where the gate stands
    chunk: str  # the method, as a member; empty where it stays as it is
    adder: str  # the class that adds the residual
    adder_forward: str  # its forward, as a member


def chunked_layer(module: Module, node: ast.ClassDef, names: Mapping[str, str]) -> Chunked | None:
    """The texts for a layer with a `feed_forward_chunk`; None for others. Raises NoPlace."""
    chunk, forward = module.own_method(node, CHUNK), module.method(node, "forward")
    if chunk is None or forward is None:
        return None
    parts = {name: ast.unparse(call.func) for name, call, _ in assigned_calls(module.own_method(node, "__init__"))}
    adder, first = module.classes.get(parts.get("output", "")), module.classes.get(parts.get("intermediate", ""))
    inside, outside = ("self.output(" in ast.unparse(each) for each in (chunk, forward))
    if adder is None or first is None or inside == outside:
        raise NoPlace(1, f"neither `{CHUNK}` nor forward adds the result to a residual through `self.output`")
    text, line = _scored(dedent_function(module, forward), _norm(module, chunk, first), in_chunks=inside)
    adding = _adding(add_parameter(dedent_function(module, module.method(adder, "forward")), _RATIO))
    chunk_text = _scaled(dedent_function(module, chunk)) if inside else ""
    members = [indent_function(rename(each, names)) if each else "" for each in (chunk_text, adding)]
    return Chunked(text, line, members[0], adder.name, members[1])


def _scaled(chunk: str) -> str:
    """The method that takes the ratio as well."""
    text = add_parameter(chunk, "good_ratio: torch.Tensor").replace(f"def {CHUNK}(", f"def {_SCALED_CHUNK}(")
    return add_argument(text, {"self.output"}, "good_ratio")


def _norm(module: Module, chunk: ast.FunctionDef, first: ast.ClassDef) -> str:
    """How the input is normalised inside the part, as a pattern for the name of the input: "self.ln({})"."""
    opening = ast.unparse(chunk.body[0])
    found = re.fullmatch(rf"\w+ = (self\.\w*(?:ln|norm)\w*)\({chunk.args.args[1].arg}\)", opening, re.IGNORECASE)
    if found:
        return f"{found[1]}({{}})"
    inside = re.fullmatch(r"\w+ = self\.(\w*norm\w*)\(\w+\)", _first_line(module, first), re.IGNORECASE)
    return f"self.intermediate.{inside[1]}({{}})" if inside else "{}"


def _first_line(module: Module, node: ast.ClassDef) -> str:
    return ast.unparse(module.method(node, "forward").body[0])


def _scored(text: str, norm: str, in_chunks: bool) -> tuple[str, int]:
    """The forward with a gate before the statement that runs the chunks, and the line of that statement."""
    wrapper = cst.MetadataWrapper(cst.parse_module(text))
    lines = wrapper.resolve(cst.metadata.PositionProvider)
    [function] = wrapper.module.body
    body = list(function.body.body)
    code = [wrapper.module.code_for_node(each) for each in body]
    place = next((i for i, each in enumerate(code) if f"self.{CHUNK}" in each and is_simple(body[i])), None)
    if place is None:
        raise NoPlace(1, f"no statement runs `self.{CHUNK}`")
    start = body[place]
    [call] = m.findall(start, m.Call(func=m.Name("apply_chunking_to_forward"))) or [None]
    if call is None:
        raise NoPlace(lines[start].start.line, f"`self.{CHUNK}` is not run by apply_chunking_to_forward")
    given = wrapper.module.code_for_node(call.args[-1].value)
    run = _run_scaled(start, call, given) if in_chunks else [start.with_changes(leading_lines=[])]
    edited = [*body[:place], *score(start, norm.format(given)), *run, *body[place + 1 :]]
    tree = function.with_changes(body=function.body.with_changes(body=edited))
    code = wrapper.module.with_changes(body=[tree]).code
    if not in_chunks:
        code = add_argument(code, {"self.output"}, "good_ratio if self.scale_ffn else None")
    return code, lines[start].start.line


def _run_scaled(start: cst.SimpleStatementLine, call: cst.Call, given: str) -> list[cst.BaseStatement]:
    """The statement that runs the chunks in two branches, of which one gives them the ratio as well."""
    code = cst.Module([]).code_for_node
    more = call.with_changes(args=[*call.args[:-1], *cst.parse_expression(f"f({given}, good_ratio)").args])
    scaled = code(start.deep_replace(call, more).with_changes(leading_lines=[])).strip()
    scaled = scaled.replace(f"self.{CHUNK}", f"self.{_SCALED_CHUNK}")
    plain = code(start.with_changes(leading_lines=[])).strip()
    return list(cst.parse_module(_SCALED.format(_joined(scaled), _joined(plain))).body)


def _joined(statement: str) -> str:
    return re.sub(r"\s*\n\s*", " ", statement).replace("( ", "(").replace(", )", ")").replace(" )", ")")


def _adding(text: str) -> str:
    """The forward of the class that adds the residual, with the ratio on what it adds."""
    tree = cst.parse_module(text)
    [function] = tree.body
    body = list(function.body.body)
    for place, each in enumerate(body):
        sums = m.findall(each, m.BinaryOperation(operator=m.Add()))
        if sums and place:
            scale = cst.parse_module(_SCALE.format(target_of(body[place - 1]))).body
            edited = function.body.with_changes(body=[*body[:place], *scale, *body[place:]])
            return tree.with_changes(body=[function.with_changes(body=edited)]).code
    raise NoPlace(1, "no statement of its output module adds a residual")
