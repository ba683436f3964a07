"""A modular file in the form that another version of its bases asks for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from facts.values import GATED

from converter.diagnostics import Diagnostic
from upstream.layout import MODELS
from upstream.spans import Span, insert_above, substitute, with_imports
from upstream.values import PREFIX, Tree


# Roots that a modular file names where the class it inherits from does not define the method.
ROOTS = {"Config": ("PreTrainedConfig", "...configuration_utils"), "Model": ("PreTrainedModel", "...modeling_utils")}
_RELATIVE = re.compile(r"^\.\.([a-z]\w*)\.(\w+)$")
DECORATORS = {  # and the imports that they need
    "auto_docstring": "from ...utils import auto_docstring\n",
    "strict": "from huggingface_hub.dataclasses import strict\n",
}
_NAMES_CHECKPOINT = re.compile(r"auto_docstring\(.*checkpoint=")
_DOCUMENTED = re.compile(r"^(\w+) \(")


def adapt(modular: str, tree: Tree, home: Tree) -> str:
    """The modular file for the bases of `tree`; `home` is the version that the delta was written against."""
    modular = settle_base_calls(modular, parents(modular, tree), parents(modular, home))
    modular = settle_config_docs(modular, parents(modular, tree))
    modular = bring_parts(modular, tree)
    return keep_checkpoints(modular, parents(modular, tree))


def parents(modular: str, tree: Tree) -> dict[str, ast.ClassDef]:
    """The classes that a modular file imports from models, as they are in `tree`."""
    found: dict[str, ast.ClassDef] = {}
    for node in ast.parse(modular).body:
        place = _RELATIVE.match("." * node.level + (node.module or "")) if isinstance(node, ast.ImportFrom) else None
        if place:
            text = tree.read(f"{MODELS}/{place[1]}/{place[2]}.py") or ""
            wanted = {alias.name for alias in node.names}
            found |= {each.name: each for each in _classes(ast.parse(text)) if each.name in wanted}
    return found


def settle_base_calls(modular: str, there: Mapping[str, ast.ClassDef], home: Mapping[str, ast.ClassDef]) -> str:
    """`super().m()` where the parent defines `m` and `PreTrainedModel.m(self)` where it does not.

    A call past a parent that defines `m` in both versions is meant so and stays.
    """
    lines = modular.splitlines(keepends=True)
    imports: set[str] = set()
    for node, method in _methods(modular):
        parent = ast.unparse(node.bases[0]) if node.bases else ""
        root, module = next((ROOTS[end] for end in ROOTS if node.name.endswith(end)), ("", ""))
        if parent not in there or not root:
            continue
        defines = method.name in _names(there[parent])
        defined = parent in home and method.name in _names(home[parent])
        past, own = f"{root}.{method.name}(self, ", f"super().{method.name}("
        for number in range(method.lineno - 1, method.end_lineno or method.lineno):
            if defines and not defined and past in lines[number]:
                lines[number] = lines[number].replace(past, own)
            elif defined and not defines and own in lines[number]:
                lines[number] = lines[number].replace(own, past)
                imports.add(f"from {module} import {root}\n")
    return with_imports("".join(lines), imports)


def settle_config_docs(modular: str, there: Mapping[str, ast.ClassDef]) -> str:
    """The docstring of a configuration says of the base's fields what the base's own says, in its order."""
    for node in reversed(list(_classes(ast.parse(modular)))):
        parent = there.get(ast.unparse(node.bases[0])) if node.bases else None
        said = ast.get_docstring(node)
        if parent is None or said is None or not node.name.endswith("Config"):
            continue
        own = {ast.unparse(each.target) for each in node.body if isinstance(each, ast.AnnAssign)}
        theirs = _entries(ast.get_docstring(parent) or "")
        ours = {name: text for name, text in _entries(said).items() if name in own}
        rest = _after_entries(said)
        new = "".join({**theirs, **ours}.values()) + rest
        if _entries(said) != {**theirs, **ours}:
            first = node.body[0]
            text = "".join(f"    {line}\n" if line else "\n" for line in new.rstrip("\n").splitlines())
            modular = substitute(modular, Span(first.lineno, first.end_lineno or 1), f'    r"""\n{text.rstrip()}"""\n')
    return modular


def keep_checkpoints(modular: str, there: Mapping[str, ast.ClassDef]) -> str:
    """A parent's `@auto_docstring(checkpoint=...)` is repeated: taken over, the names in it would be replaced."""
    imports: set[str] = set()
    for node in reversed(list(_classes(ast.parse(modular)))):
        parent = there.get(ast.unparse(node.bases[0])) if node.bases else None
        decorators = [ast.unparse(each) for each in parent.decorator_list] if parent else []
        needed = {DECORATORS.get(each.partition("(")[0], "") for each in decorators}
        if not node.decorator_list and all(needed) and any(map(_NAMES_CHECKPOINT.match, decorators)):
            modular = insert_above(modular, node.lineno, "\n".join(f"@{each}" for each in decorators))
            imports |= needed
    return with_imports(modular, imports)


def bring_parts(modular: str, tree: Tree) -> str:
    """Configurations that a parent's is made of are in the modular file: they would come along, names replaced."""
    own = {node.name for node in _classes(ast.parse(modular))}
    for statement in [node for node in ast.parse(modular).body if isinstance(node, ast.ImportFrom)]:
        place = _RELATIVE.match("." * statement.level + (statement.module or ""))
        if not place or not place[2].startswith("configuration_") or place[1].startswith(PREFIX):
            continue
        there = {
            node.name: node for node in _classes(ast.parse(tree.read(f"{MODELS}/{place[1]}/{place[2]}.py") or ""))
        }
        wanted = [alias.name for alias in statement.names if alias.name in there]
        for name in sorted({part for each in wanted for part in _named_configs(there[each], there)} - set(wanted)):
            if GATED + name not in own:
                first = next(_classes(ast.parse(modular)))
                above = min([first.lineno, *(each.lineno for each in first.decorator_list)])
                modular = insert_above(modular, above, f"class {GATED}{name}({name}):\n    pass\n\n")
                modular = with_imports(modular, {f"from ..{place[1]}.{place[2]} import {name}\n"})
    return modular


def _named_configs(node: ast.ClassDef, there: Mapping[str, ast.ClassDef]) -> set[str]:
    """The configurations of the same file that a class names, and whose checkpoint would be replaced."""
    named = {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and each.id in there}
    decorators = {name: [ast.unparse(each) for each in there[name].decorator_list] for name in named - {node.name}}
    return {name for name, said in decorators.items() if any(map(_NAMES_CHECKPOINT.match, said))}


def changed_parents(modular: str, tree: Tree, home: Tree, path: str) -> list[Diagnostic]:
    """Methods that the delta replaces whole, and whose originals in `tree` are not those it was written against."""
    there, here = parents(modular, tree), parents(modular, home)
    found = []
    for node, method in _methods(modular):
        parent = ast.unparse(node.bases[0]) if node.bases else ""
        if parent not in there or parent not in here or "super()" in ast.unparse(method):
            continue
        old, new = (_method_text(each[parent], method.name) for each in (here, there))
        if old != new and old:
            message = f"`{parent}.{method.name}` is not what `{node.name}.{method.name}` was written against"
            fix = "compare the two and take over what changed"
            found.append(Diagnostic("parent-changed", path, method.lineno, 1, message, fix))
    return found


def _classes(tree: ast.Module) -> Iterator[ast.ClassDef]:
    return (node for node in tree.body if isinstance(node, ast.ClassDef))


def _methods(text: str) -> Iterator[tuple[ast.ClassDef, ast.FunctionDef]]:
    for node in _classes(ast.parse(text)):
        yield from ((node, each) for each in node.body if isinstance(each, ast.FunctionDef))


def _names(node: ast.ClassDef) -> set[str]:
    return {each.name for each in node.body if isinstance(each, ast.FunctionDef)}


def _method_text(node: ast.ClassDef, name: str) -> str:
    """What a method does: its names and its body, without comments, layout, docstring and annotations."""
    found = (each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == name)
    method = next(found, None)
    if method is None:
        return ""
    body = method.body[1:] if ast.get_docstring(method) else method.body
    arguments = [each.arg for each in ast.walk(method.args) if isinstance(each, ast.arg)]
    return "\n".join([*arguments, *map(ast.unparse, body)])


def _entries(docstring: str) -> dict[str, str]:
    """The fields that a clean docstring describes: name -> its lines."""
    found: dict[str, str] = {}
    name = ""
    for line in docstring.splitlines():
        head = _DOCUMENTED.match(line)
        name = head[1] if head else name if line.startswith(" ") else ""
        if name:
            found[name] = found.get(name, "") + line + "\n"
    return found


def _after_entries(docstring: str) -> str:
    """What a docstring says after its fields: an example, say."""
    lines = docstring.splitlines()
    last = max((n for n, line in enumerate(lines) if _DOCUMENTED.match(line)), default=-1) + 1
    while last < len(lines) and lines[last].startswith(" "):
        last += 1
    return "\n".join(lines[last:])
