"""The gated Llama as it is exported to the installed transformers: made once per process, never changed."""

from __future__ import annotations

from datetime import date
from functools import cache

from pull_request.base_source import installed_tree, setting_for
from pull_request.compose import Export
from pull_request.exports import Bundle, bundle
from pull_request.project import find_models
from pull_request.values import ExportSetting, Tree


TODAY = date(2026, 3, 14)


@cache
def llama() -> Bundle:
    """The bundle of the gated Llama alone."""
    tree = installed_tree()
    return bundle(find_models(["llama"]), ["quality_gate_llama"], tree, setting())


def export() -> Export:
    return llama().exports[0]


def exported_tree() -> Tree:
    """The installed transformers with the gated Llama in it."""
    return installed_tree().with_changes(llama().texts)


@cache
def setting() -> ExportSetting:
    return setting_for(installed_tree(), TODAY)
