"""A woven modular file and its conversion -> the shortest modular file that makes the same. Reads a tree, writes nothing."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from facts.values import base_name

from pull_request.borrowing import borrowed, definitions, loans, with_stubs
from pull_request.conversion import formatted, generate
from pull_request.dead_code import without_dead_code
from pull_request.import_order import in_import_order
from pull_request.layout import configuration_path, modeling_path, modular_path
from pull_request.parents import homes
from pull_request.unused import shared_texts, without_unused
from pull_request.values import ExportSetting, Model, Tree


@dataclass(frozen=True, slots=True)
class Converted:
    """A modular file, formatted, with what is made of it."""

    modular: str
    generated: dict[str, str]  # by path
    warnings: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class Reducer:
    """One model in one tree."""

    model: Model
    tree: Tree
    setting: ExportSetting

    def reduced(self, woven: str) -> Converted:
        """The woven file without what conversion shows to be dead or unread, and with what another model has whole.

        Raises ConversionError where the woven file cannot be converted in this tree.
        """
        made = self._convert(woven)
        for text in (self._without_dead_code, self._without_unused):
            made = self._convert(new) if (new := text(made)) != made.modular else made
        made = next(self._shorter(made), made)
        ordered = in_import_order(made.modular)
        return next(self._as(definitions(self._modeling(made)), ordered), made) if ordered != made.modular else made

    def _convert(self, text: str) -> Converted:
        modular = formatted(modular_path(self.model.name), text, self.setting)
        return Converted(modular, *generate(self.model.name, modular, self.tree, self.setting, strict=True))

    def _without_dead_code(self, made: Converted) -> str:
        return without_dead_code(
            made.modular, self._modeling(made), made.generated[configuration_path(self.model.name)]
        )

    def _without_unused(self, made: Converted) -> str:
        modeling, configuration = self._modeling(made), made.generated[configuration_path(self.model.name)]
        of_base = self.tree.read(modeling_path(self.model.base)) or ""
        shared = shared_texts(self.tree.read, modeling)
        return without_unused(made.modular, configuration, modeling, of_base, shared)

    def _shorter(self, made: Converted) -> Iterator[Converted]:
        """The same with classes of another gated model: all of them, those of the base beside them named, or the last ones."""
        modular, modeling = made.modular, self._modeling(made)
        wanted = definitions(modeling)
        for home in homes(modular):
            found = loans(modular, modeling, home, self.tree.read(modeling_path(home)) or "")
            if not found:
                continue
            came = yield from self._as(wanted, borrowed(modular, found))
            if stubs := self._of_base(wanted, came):
                yield from self._as(wanted, with_stubs(borrowed(modular, found), stubs, self.model.base))
            if last := [each for each in found if not each.is_built_on]:
                yield from self._as(wanted, borrowed(modular, last))

    def _as(self, wanted: dict[str, str], text: str) -> Generator[Converted, None, dict[str, str]]:
        """The conversion of a text, where it makes what is wanted; returned is what it makes."""
        try:
            made = self._convert(text)
        except ConversionError:
            return {}
        came = definitions(self._modeling(made))
        if came == wanted:
            yield made
        return came

    def _of_base(self, wanted: dict[str, str], came: dict[str, str]) -> list[str]:
        """The classes of the base that another model would bring in another form."""
        of_base = definitions(self.tree.read(modeling_path(self.model.base)) or "")
        return [name for name in came if name in wanted and came[name] != wanted[name] and base_name(name) in of_base]

    def _modeling(self, made: Converted) -> str:
        return made.generated[modeling_path(self.model.name)]
