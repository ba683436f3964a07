"""Import statements <-> items, one item a name; and the choice of those that a body needs."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace

from syntax.scan import mentions

from converter.index import ModuleIndex, Statement, StatementKind


@dataclass(frozen=True, slots=True)
class ImportItem:
    """`from <dots><module> import <name> as <alias>`; `name` is empty for `import <module> as <alias>`."""

    module: str
    name: str
    alias: str | None = None
    level: int = 0

    @property
    def binds(self) -> str:
        """The name that the import makes available."""
        return self.alias or self.name or self.module.partition(".")[0]

    @property
    def key(self) -> str:
        """Imports with equal keys provide the same thing: `import torch` and `import torch.distributions` do not."""
        return self.binds if self.name or self.alias else self.module

    def is_used(self, used: Set[str], body: str) -> bool:
        """Whether `body`, which mentions the names `used`, needs this import."""
        return self.binds in used and (self.key == self.binds or self.module in body)


@dataclass(frozen=True, slots=True)
class ImportLine:
    """One plain import statement with the blank lines and comments above it."""

    lead: str
    items: tuple[ImportItem, ...]

    def render(self) -> str:
        """The statement on one line; ruff wraps it."""
        if not self.items[0].name:
            return self.lead + "".join(f"import {each.module}{_alias(each)}\n" for each in self.items)
        names = ", ".join(each.name + _alias(each) for each in self.items)
        first = self.items[0]
        return f"{self.lead}from {'.' * first.level}{first.module} import {names}\n"


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch of a guard: its head (`if ...:`, `elif ...:`, `else:`) and what it imports."""

    head: str
    lines: tuple[tuple[str, tuple[ImportItem, ...]], ...]  # each statement: its text, the items it imports

    def render(self) -> str:
        """The branch as it stands in its file."""
        return self.head + "".join(text for text, _ in self.lines)


@dataclass(frozen=True, slots=True)
class Guard:
    """`if is_xxx_available(): import ...`, or any other `if` around imports."""

    lead: str
    branches: tuple[Branch, ...]
    tests: frozenset[str]  # names in the conditions

    @property
    def items(self) -> Iterator[ImportItem]:
        """Everything imported under the guard."""
        return (item for branch in self.branches for _, items in branch.lines for item in items)

    def only(self, needed: Collection[ImportItem]) -> Guard:
        """The guard without the import statements of which nothing is needed."""
        return self.keep(lambda items: not items or any(item in needed for item in items))

    def keep(self, wanted: Callable[[tuple[ImportItem, ...]], bool]) -> Guard:
        """The guard with only the statements whose items are wanted; branches that lose all of theirs go too."""
        branches = (
            replace(branch, lines=tuple(line for line in branch.lines if wanted(line[1]))) for branch in self.branches
        )
        return replace(self, branches=tuple(branch for branch in branches if branch.lines))

    def render(self) -> str:
        """The guard as it stands in its file."""
        return self.lead + "".join(branch.render() for branch in self.branches)


def _alias(item: ImportItem) -> str:
    return f" as {item.alias}" if item.alias else ""


def import_items(node: ast.stmt) -> Iterator[ImportItem]:
    """The items of one import statement."""
    if isinstance(node, ast.Import):
        yield from (ImportItem(each.name, "", each.asname) for each in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (ImportItem(node.module or "", each.name, each.asname, node.level) for each in node.names)


def read_imports(index: ModuleIndex) -> Iterator[ImportLine | Guard]:
    """A module's imports: the plain statements first, then the guarded ones."""
    for statement in index.of_kind(StatementKind.IMPORT):
        yield ImportLine(statement.lead, tuple(import_items(statement.node)))
    for statement in index.of_kind(StatementKind.GUARD):
        yield _read_guard(statement)


def _read_guard(statement: Statement) -> Guard:
    lines = statement.text.splitlines(keepends=True)
    above = 0
    node: ast.If | None = statement.guard
    branches: list[Branch] = []
    tests: set[str] = set()
    while node is not None:
        tests |= mentions(ast.unparse(node.test))
        branch, above = _read_branch(lines, node.body, statement.node.lineno, above)
        branches.append(branch)
        below = node.orelse[0] if len(node.orelse) == 1 else None
        following = below if isinstance(below, ast.If) else None  # an `elif`
        if node.orelse and following is None:
            branches.append(_read_branch(lines, node.orelse, statement.node.lineno, above)[0])
        node = following
    return Guard(statement.lead, tuple(branches), frozenset(tests))


def _read_branch(lines: Sequence[str], body: Sequence[ast.stmt], first: int, above: int) -> tuple[Branch, int]:
    starts = [each.lineno - first for each in body]
    end = (body[-1].end_lineno or body[-1].lineno) - first + 1
    pieces = zip(body, starts, [*starts[1:], end], strict=True)
    texts = tuple(_read_line("".join(lines[start:stop]), node) for node, start, stop in pieces)
    return Branch("".join(lines[above : starts[0]]), texts), end


def _read_line(text: str, node: ast.stmt) -> tuple[str, tuple[ImportItem, ...]]:
    items = tuple(import_items(node))
    return (_indent(text) + ImportLine("", items).render() if items else text), items


def _indent(text: str) -> str:
    return text[: len(text) - len(text.lstrip())]


def absolute_module(item: ImportItem, importer: str) -> str:
    """The dotted name of the module that `item`, found in module `importer`, imports from."""
    if not item.level:
        return item.module
    package = importer.split(".")[: -item.level]
    return ".".join([*package, item.module] if item.module else package)


def choose_imports(
    sources: Sequence[Iterable[ImportLine | Guard]], body: str, used: Set[str], provided: Set[str]
) -> tuple[list[ImportLine], list[Guard]]:
    """What of the sources' imports a body needs; the first source that provides a name provides it.

    The conditions of all guards count as used: the reference keeps their imports, and ruff removes them.

    Args:
        sources: the imports of the delta and its parents, those that come first preferred.
        body: the text below the imports.
        used: the names that it mentions.
        provided: names that are not imported from these sources: the file has them otherwise, or does without.
    """
    read = [list(source) for source in sources]
    used = used | {name for source in read for each in source if isinstance(each, Guard) for name in each.tests}
    taken = set(provided)
    plain: list[ImportLine] = []
    guarded: list[Guard] = []
    for each in (each for source in read for each in source):
        needed = [item for item in each.items if item.is_used(used, body) and item.key not in taken]
        if not needed:
            continue
        taken.update(item.key for item in needed)
        if isinstance(each, Guard):
            guarded.append(each.only(needed))
        else:
            plain.append(replace(each, items=tuple(needed)))
    return plain, guarded


def map_items(each: ImportLine | Guard, change: Callable[[ImportItem], ImportItem]) -> ImportLine | Guard:
    """The same imports with `change` applied to every item."""
    if isinstance(each, ImportLine):
        return replace(each, items=tuple(map(change, each.items)))
    branches = (
        replace(branch, lines=tuple(_map_line(text, items, change) for text, items in branch.lines))
        for branch in each.branches
    )
    return replace(each, branches=tuple(branches))


def rename_guard(each: ImportLine | Guard, change: Callable[[str], str]) -> ImportLine | Guard:
    """A guard whose conditions, and statements that are no imports, are changed by `change`."""
    if isinstance(each, ImportLine):
        return each
    branches = (
        replace(
            branch,
            head=change(branch.head),
            lines=tuple((text if items else change(text), items) for text, items in branch.lines),
        )
        for branch in each.branches
    )
    return replace(each, branches=tuple(branches), tests=frozenset(map(change, each.tests)))


def _map_line(
    text: str, items: tuple[ImportItem, ...], change: Callable[[ImportItem], ImportItem]
) -> tuple[str, tuple[ImportItem, ...]]:
    if not items:
        return text, items
    changed = tuple(map(change, items))
    return _indent(text) + ImportLine("", changed).render(), changed


def put_behind_guards(plain: Sequence[ImportLine], guarded: Sequence[Guard]) -> tuple[list[ImportLine], list[Guard]]:
    """Move every import of torch and torchvision under its availability guard, one guard each, at the end."""
    collected: dict[str, list[str]] = {"torch": [], "torchvision": []}
    kept_plain = []
    for line in plain:
        heavy = [item for item in line.items if _package(item) in collected]
        for item in heavy:
            collected[_package(item)].append("    " + ImportLine("", (item,)).render())
        rest = tuple(item for item in line.items if item not in heavy)
        if rest:
            kept_plain.append(replace(line, items=rest))
    kept_guards: list[Guard] = []
    for guard in guarded:
        for branch in guard.branches:
            for text, items in branch.lines:
                if items and _package(items[0]) in collected:
                    collected[_package(items[0])].append(text)
        others = guard.keep(lambda items: not items or _package(items[0]) not in collected)
        if others.branches:
            kept_guards.append(others)
    for package, lines in collected.items():
        if lines:
            test = f"is_{package}_available"
            own = ImportItem("utils", test, level=3)
            utils = next(
                (line for line in kept_plain if (line.items[0].module, line.items[0].level) == ("utils", 3)), None
            )
            # The reference rewrites this statement and puts it first, which costs the first one its blank line.
            position = 0 if utils and own in utils.items else len(kept_plain)
            kept_plain.insert(position, ImportLine("", (own,)))
            body = tuple((text, ()) for text in dict.fromkeys(lines))
            kept_guards.append(Guard("", (Branch(f"if {test}():\n", body),), frozenset({test})))
    return kept_plain, kept_guards


def _package(item: ImportItem) -> str:
    return "" if item.level else item.module.partition(".")[0]
