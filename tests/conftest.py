"""The tests use no network, however they are started, and what stays is not searched for garbage again and again."""

import gc
import os
from collections.abc import Generator
from pathlib import Path

import pytest


os.environ["HF_HUB_OFFLINE"] = "1"
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
