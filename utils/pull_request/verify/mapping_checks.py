"""The model's lines in the tables that all models share: there, complete and sorted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from diagnostics.values import Diagnostic
from facts.values import ModelClass, base_name

from pull_request.edits import mappings, models_init, repo_lists
from pull_request.edits.ordering import Key, ListEntry, natural, plain
from pull_request.layout import AUTO_MAPPINGS, CONFIGURATION_AUTO, MODELING_AUTO, MODELS_INIT, REPO_CHECK
from pull_request.shared import tables_of
from pull_request.verify.subject import Subject, finding


def in_models_init(subject: Subject) -> Iterator[Diagnostic]:
    """The model's folder is listed, in natural order."""
    entries = models_init.listed(subject.tree.read(MODELS_INIT) or "")
    fix = "python utils/check_inits.py --fix_and_overwrite"
    if subject.name not in [entry.key for entry in entries]:
        line = entries[0].line + 1 if entries else 1
        yield finding(MODELS_INIT, line, "missing-mapping", f"there is no `from .{subject.name} import *`", fix)
    yield from _unsorted(MODELS_INIT, entries, {subject.name}, natural, fix)


def configs_mapped(subject: Subject) -> Iterator[Diagnostic]:
    """Every configuration has its model type, and its folder where that is another name."""
    path = AUTO_MAPPINGS if subject.tree.read(AUTO_MAPPINGS) else CONFIGURATION_AUTO
    tables = mappings.read_tables(subject.tree.read(path) or "")
    fix = "python utils/check_auto.py --fix_and_overwrite"
    types = subject.model_types()
    for config, model_type in types.items():
        wanted = [(mappings.CONFIGS, config)]
        wanted += [(mappings.FOLDERS, subject.name)] if model_type != subject.name else []
        for name, value in wanted:
            table = tables.get(name)
            if table is None or table.values.get(model_type) != value:
                line = table.entries[0].line + 1 if table and table.entries else 1
                message = f'{name} has no ("{model_type}", "{value}")'
                yield finding(path, line, "missing-mapping", message, fix)
    for name in (mappings.CONFIGS, mappings.FOLDERS):
        if name in tables:
            yield from _unsorted(path, tables[name].entries, set(types.values()), plain, fix)


def models_mapped(subject: Subject) -> Iterator[Diagnostic]:
    """Every model is in the tables of its base, and every one of those tables is sorted."""
    tables = mappings.read_tables(subject.tree.read(MODELING_AUTO) or "")
    fix = "python utils/sort_auto_mappings.py"
    types = set(subject.model_types().values())
    for name in subject.models:
        places = {key for table in tables.values() for key, value in table.values.items() if value == name}
        if not places and not _is_in_no_table(subject, name, tables):
            line = next((table.entries[0].line + 1 for table in tables.values() if table.entries), 1)
            message = f"`{name}` is in no table"
            yield finding(MODELING_AUTO, line, "missing-mapping", message, f"add it under its model type, then {fix}")
        for key in sorted(places):
            model = ModelClass(name, _role(name), "")
            for missing in sorted(tables_of(model, key, tables.values()) - _holding(tables, key, name)):
                line = tables[missing].entries[0].line + 1 if missing in tables else 1
                message = f'{missing} has no ("{key}", "{name}"), though it has the base\'s'
                yield finding(MODELING_AUTO, line, "missing-mapping", message, f"add it, then {fix}")
    for table in tables.values():
        yield from _unsorted(MODELING_AUTO, table.entries, types, plain, fix)


def _is_in_no_table(subject: Subject, name: str, tables: dict[str, mappings.Table]) -> bool:
    """Whether the repository excepts the class, or has its base in no table: then it excepts that one."""
    exceptions = subject.tree.read(REPO_CHECK)
    if exceptions is not None:
        return repo_lists.excepted(exceptions, name)
    return not any(base_name(name) in table.values.values() for table in tables.values())


def _holding(tables: dict[str, mappings.Table], key: str, name: str) -> set[str]:
    return {table.name for table in tables.values() if table.values.get(key) == name}


def _role(name: str) -> str:
    _, mark, task = name.rpartition("For")
    return mark + task if mark else "Model"


def _unsorted(path: str, entries: Sequence[ListEntry], own: set[str], order: Key, fix: str) -> Iterator[Diagnostic]:
    """Entries of the model that do not stand between their neighbours."""
    for before, entry in zip(entries, entries[1:]):
        if {before.key, entry.key} & own and order(before.key) > order(entry.key):
            key = entry.key if entry.key in own else before.key
            line = entry.line if entry.key in own else before.line
            message = f"`{key}` is not in its sorted place: {before.key} stands before {entry.key}"
            yield finding(path, line + 1, "unsorted-mapping", message, fix)
