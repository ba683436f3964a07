"""The tests use no network, however they are started, and garbage is searched for seldom, and not in what stays."""

import gc
import os
from collections.abc import Generator
from pathlib import Path

import pytest


os.environ["HF_HUB_OFFLINE"] = "1"
gc.set_threshold(50_000, 20, 100)  # models and trees are many objects and little garbage
BEGUN: set[Path] = set()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Nothing that is collected goes away before the end: it is left out of every search, as libraries ask for after steps."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before a file's first test: what the files before it imported stays, too."""
    if item.path not in BEGUN:
        BEGUN.add(item.path)
        gc.collect()
        gc.freeze()
