"""Checks of an exported model, with what is available everywhere. Each room: a subject -> findings."""

from __future__ import annotations

from collections.abc import Iterable

from diagnostics.values import Diagnostic

from pull_request.values import ExportSetting, Tree
from pull_request.verify import (
    config_checks,
    layout_checks,
    mapping_checks,
    modeling_checks,
    page_checks,
    reference_checks,
    test_checks,
    tool_checks,
)
from pull_request.verify.subject import Check, Subject


CHECKS: tuple[Check, ...] = (
    layout_checks.missing_files,
    layout_checks.headers,
    tool_checks.reconverted,
    reference_checks.relied_on,
    reference_checks.called_above,
    tool_checks.ruff,
    tool_checks.linted,
    config_checks.decorated,
    config_checks.documented_fields,
    config_checks.read_fields,
    config_checks.float_fields,
    config_checks.checkpoints,
    modeling_checks.prefixed,
    modeling_checks.exported,
    modeling_checks.keyword_arguments,
    modeling_checks.documented_inputs,
    modeling_checks.redundant_inputs,
    modeling_checks.initialisation,
    modeling_checks.base_prefixes,
    modeling_checks.relative_imports,
    mapping_checks.in_models_init,
    mapping_checks.configs_mapped,
    mapping_checks.models_mapped,
    page_checks.dates,
    page_checks.documented,
    page_checks.listed,
    test_checks.tested,
    test_checks.collected,
)


def verify(names: Iterable[str], tree: Tree, setting: ExportSetting) -> list[Diagnostic]:
    """What is wrong with exported models in a tree, by file and line."""
    subjects = [Subject(name, tree, setting) for name in names]
    found = {each for subject in subjects for check in CHECKS for each in check(subject)}
    return sorted(found, key=lambda each: (each.path, each.line, each.code, each.message))
