"""The exports of several models, each on top of those before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pull_request.compose import Export, compose
from pull_request.layout import modular_path
from pull_request.values import ExportSetting, Model, Tree, refuse


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a pull request brings, and what it found there."""

    exports: tuple[Export, ...]
    already: tuple[str, ...]  # models that the tree had before

    @property
    def texts(self) -> dict[str, str]:
        """All files by path, sorted, as they are in the end."""
        found: dict[str, str] = {}
        for export in self.exports:
            found |= export.texts
        return dict(sorted(found.items()))

    @property
    def names(self) -> list[str]:
        return [export.model.name for export in self.exports]


def bundle(models: Sequence[Model], wanted: Iterable[str], tree: Tree, setting: ExportSetting) -> Bundle:
    """The exports of models, parents first. A parent that the tree has already is left as it is there.

    Raises ConversionError: `already-there` for a wanted model that the tree has, and what a conversion is refused for.

    Args:
        models: those that are wanted and their parents, parents first.
        wanted: the names of those that are asked for.
        tree: the repository that they go to.
        setting: what an export is made with.
    """
    exports: list[Export] = []
    already: list[str] = []
    for model in models:
        if tree.read(modular_path(model.name)) is None:
            export = compose(model, tree, setting)
            tree = tree.with_changes(export.texts)
            exports.append(export)
        elif model.name in wanted:
            message = f"the tree has {model.name} already"
            raise refuse(
                "already-there", modular_path(model.name), message, "start from a tree without it, or --verify"
            )
        else:
            already.append(model.name)
    return Bundle(tuple(exports), tuple(already))
