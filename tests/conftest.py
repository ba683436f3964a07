"""The tests use no network, however they are started, and what stays is not searched for garbage again and again."""

import gc
import os
from pathlib import Path

import pytest


os.environ["HF_HUB_OFFLINE"] = "1"
BEGUN: set[Path] = set()


def pytest_collection() -> None:
    """Nothing that is collected goes away before the end: searching it for circles takes as long as reading it."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What lives from here on is left out of every later search; libraries ask for one after each training step."""
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
