"""From a corpus to a better training set: train gates on it, score it, choose from it (docs/selection.md)."""
