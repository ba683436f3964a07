"""Banks of knowledge for models with memory gates: files of them, updates while a model runs, both paths of inference.

    from memory import DualPathInference, FactExtractor, MemoryBankUpdater, build_bank, load_bank, open_bank

What needs torch is imported when it is asked for.
"""

from importlib import import_module
from typing import Any


_PLACES = {
    "BankError": "errors",
    "blocks_for": "opening",
    "build_bank": "building",
    "DualPathInference": "dual_path",
    "FactExtractor": "extractors",
    "LLMLinguaFactExtractor": "extractors",
    "MemoryBankUpdater": "updater",
    "SentenceFactExtractor": "extractors",
    "load_bank": "loading",
    "open_bank": "opening",
}
__all__ = sorted(_PLACES)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
