"""The pipeline: delta text + parents -> file texts. Opens no file, prints nothing."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from converter.banner import render_banner
from converter.emit import emit_file
from converter.index import index_module
from converter.names import Casing
from converter.parents import find_parents
from converter.plan import Plan, plan_files
from converter.source import Source
from converter.values import Conversion, Layout, Loader, Target


def convert(delta: Source, target: Target, load: Loader, casing: Mapping[str, str]) -> Conversion:
    """Expand one delta."""
    table = Casing(casing)
    index = index_module(delta)
    parents = find_parents(index, target.model, load, table)
    plan = Plan(index, parents, table.of_model(target.model), table)
    drafts = plan_files(plan)
    exported = ast.literal_eval(index.definitions["__all__"].node.value)
    files = {
        f"{kind}_{target.model}.py": emit_file(
            plan, drafts, kind, target, [name for name in exported if plan.kind(name) == kind]
        )
        for kind in drafts
    }
    if target.layout is Layout.PACKAGE:
        files["__init__.py"] = render_banner(target) + index.header + "".join(f"from .{name[:-3]} import *\n" for name in sorted(files))
    return Conversion(files, (), tuple(sorted(parents)))
