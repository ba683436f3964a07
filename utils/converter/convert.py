"""The pipeline: delta text + parents -> file texts. Opens no file, prints nothing."""

from __future__ import annotations

from collections.abc import Mapping

from converter.banner import render_banner
from converter.checks import by_place, check_delta, exported_names, settle
from converter.class_checks import check_outputs
from converter.emit import emit_file
from converter.index import index_module
from converter.names import Casing
from converter.parents import find_parents
from converter.plan import plan_files
from converter.provenance import trace
from converter.scope import Scope
from converter.source import Source
from converter.values import Conversion, Layout, Loader, Provenance, Target


def convert(delta: Source, target: Target, load: Loader, casing: Mapping[str, str]) -> Conversion:
    """Expand one delta. Raises ConversionError with everything that is wrong with it."""
    table = Casing(casing)
    index = index_module(delta)
    model = table.of_model(target.model)
    parents = find_parents(index, model, load, table)
    warnings = settle(by_place(check_delta(index, parents, table, load)), target.strict)
    scope = Scope(index, parents, model, table)
    # Inside a tree, files are what the reference makes of them, unless nothing doubtful is to pass.
    in_tree = target.layout is Layout.TREE
    drafts = plan_files(scope, as_reference=in_tree and not target.strict)
    warnings += settle(by_place(check_outputs(scope, drafts, in_tree)), target.strict)
    exported = exported_names(index.definitions["__all__"]) or []
    files = {
        f"{kind}_{target.model}.py": emit_file(
            scope, drafts, kind, target, [name for name in exported if scope.kind(name) == kind]
        )
        for kind in drafts
    }
    made_from = Provenance()
    if target.layout is Layout.PACKAGE:
        made_from = trace(scope, drafts)
        modules = "".join(f"from .{name.removesuffix('.py')} import *\n" for name in sorted(files))
        files["__init__.py"] = f"{render_banner(target)}{index.header}{modules}"
    return Conversion(files, warnings, tuple(sorted(parents)), made_from)
