"""The pipeline: delta text + parents -> file texts. Opens no file, prints nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from syntax.compiling import check_compiles, too_deep
from syntax.source import Source

from converter.aliases import check_aliases, render_aliases
from converter.annotations import check_annotations
from converter.banner import render_banner
from converter.checks import by_place, check_capitals, check_delta, exported_names, warnings_of
from converter.class_checks import check_outputs
from converter.dropped import check_guards
from converter.emit import emit_file
from converter.index import StatementKind, index_module
from converter.names import Casing, as_classes_spell
from converter.parents import find_parents
from converter.plan import plan_files
from converter.provenance import trace
from converter.scope import Scope, beside_configurations
from converter.text_checks import check_texts
from converter.values import Conversion, Layout, Loader, Provenance, Target


def convert(delta: Source, target: Target, load: Loader, casing: Mapping[str, str]) -> Conversion:
    """Expand one delta. Raises ConversionError with everything that is wrong with it.

    Args:
        delta: the modular file.
        target: what it becomes.
        load: reads a module by its dotted name; None where there is none.
        casing: the release's own table of model names, snake_case -> CamelCase.
    """
    try:
        check_compiles(delta)
        return _convert(delta, target, load, Casing(casing))
    except RecursionError:  # Python's compiler takes more than its own tree walkers do
        raise too_deep(delta) from None


def _convert(delta: Source, target: Target, load: Loader, table: Casing) -> Conversion:
    index = index_module(delta)
    model = table.of_model(target.model)
    if target.layout is Layout.PACKAGE:  # inside a tree the reference goes by its table alone
        model = as_classes_spell(model, [name for each in index.of_kind(StatementKind.CLASS) for name in each.names])
    parents = find_parents(index, model, load, table)
    problems = list(check_delta(index, parents, table, load))
    if target.layout is Layout.PACKAGE and not table.lists(target.model):
        problems += check_capitals(index, model)
    warnings = warnings_of(by_place(problems), target.strict)
    scope = Scope(index, parents, model, table)
    if target.layout is Layout.PACKAGE:
        scope = replace(scope, with_configurations=beside_configurations(scope))
    # Inside a tree, files are what the reference makes of them, unless nothing doubtful is to pass.
    in_tree = target.layout is Layout.TREE
    drafts = plan_files(scope, as_reference=in_tree and not target.strict)
    warnings += warnings_of(by_place(check_outputs(scope, drafts, in_tree)), target.strict)
    warnings += warnings_of(by_place(check_aliases(scope, drafts, in_tree)), target.strict)
    exported = exported_names(index) or []
    files = {
        f"{kind}_{target.model}.py": emit_file(
            scope, drafts, kind, target, [name for name in exported if scope.kind(name) == kind]
        )
        for kind in drafts
    }
    found = [*check_guards(index, files), *check_annotations(scope, files), *check_texts(files, delta, target, load)]
    warnings += warnings_of(by_place(found), target.strict)
    made_from = Provenance()
    if target.layout is Layout.PACKAGE:
        made_from = trace(scope, drafts)
        modules = "".join(f"from .{name.removesuffix('.py')} import *\n" for name in sorted(files))
        files["__init__.py"] = (
            f"{render_banner(target)}{index.header}{modules}{render_aliases(scope, drafts, target.model)}"
        )
    return Conversion(files, warnings, tuple(sorted(parents)), made_from)
