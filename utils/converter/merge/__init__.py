"""Parent class + delta class -> one class."""

from converter.merge.classes import ClassPair, merge_class
from converter.merge.deprecations import deprecations_of


__all__ = ["ClassPair", "deprecations_of", "merge_class"]
