"""A model's name in its three spellings, and the renaming of one model into another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from syntax.scan import map_prose, map_tokens

from converter.quirks import foreign_names


# Gated models are spelled like the bases they are named after: `<kind>_gate_gptj`, `<Kind>GateGPTJ`.
_FAMILY, _FAMILY_CAMEL = re.compile(r"([a-z]+)_gate_(?=.)"), re.compile(r"([A-Z][a-z]+)Gate(?=[A-Z])")
_PUNCTUATION = re.compile(r"[^a-z0-9]")
_ABSOLUTE_IMPORT = re.compile(r"^([ \t]*from [A-Za-z_][\w.]* import (?:\([^)]*\)|[^\n]*))", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Spelling:
    """One model's name as it occurs in code: `quality_gate_llama`, `QUALITY_GATE_LLAMA`, `QualityGateLlama`."""

    snake: str
    camel: str

    @property
    def upper(self) -> str:
        return self.snake.upper()


def as_classes_spell(model: Spelling, classes: Sequence[str]) -> Spelling:
    """A model's spelling with the capitals of its classes, where none of them has those that were assumed.

    `ExplicitLMQwen3Config` says of explicit_lm_qwen3 what no table knows.
    """
    heads = [head for name in classes if (head := spelled_by(model, name))]
    if not heads or model.camel in heads:
        return model
    return Spelling(model.snake, max(dict.fromkeys(heads), key=heads.count))


def spelled_by(model: Spelling, name: str) -> str:
    """A model's name in CamelCase as a class that begins with it spells it; "" of another class."""
    bare = model.snake.replace("_", "")
    return name[: len(bare)] if name.lower().startswith(bare) else ""


class Casing:
    """snake_case <-> CamelCase of model names, by the release's own table where it lists them."""

    def __init__(self, table: Mapping[str, str]) -> None:
        self._camel = dict(table)
        self.models = frozenset(table)
        self._bare = {_PUNCTUATION.sub("", snake): camel for snake, camel in reversed(list(table.items()))}
        self._snake = {camel: snake.replace("-", "_") for snake, camel in reversed(list(table.items()))}

    def of_model(self, snake: str) -> Spelling:
        """The spelling of a model given as `snake_case`."""
        camel = self._listed(snake)
        if camel is None and (family := _FAMILY.match(snake)):
            base = self._listed_under_its_folder(snake[family.end() :])
            camel = base and f"{family[1].title()}Gate{base}"
        return Spelling(snake, camel or "".join(part.title() for part in snake.split("_")))

    def lists(self, snake: str) -> bool:
        """Whether the release's table says which letters of a model are capitals, by its own name or its base's."""
        family = _FAMILY.match(snake)
        return bool(self._listed(snake) or family and self._listed_under_its_folder(snake[family.end() :]))

    def of_prefix(self, camel: str) -> Spelling:
        """The spelling of a class prefix given as `CamelCase`."""
        snake = self._snake.get(camel)
        if snake is None and (family := _FAMILY_CAMEL.match(camel)):
            base = self._snake.get(camel[family.end() :])
            snake = base and f"{family[1].lower()}_gate_{base}"
        return self.of_model(snake or re.sub(r"(?<!^)(?=[A-Z])", "_", camel).lower())

    def _listed(self, snake: str) -> str | None:
        return self._camel.get(snake) or self._camel.get(snake.replace("_", "-"))

    def _listed_under_its_folder(self, snake: str) -> str | None:
        """Of a model whose folder is spelled otherwise than the table has it: kosmos2_5 for kosmos-2.5."""
        return self._listed(snake) or self._bare.get(_PUNCTUATION.sub("", snake))


@dataclass(frozen=True)
class Rename:
    """Renames one model into another in identifiers, plain strings and comments."""

    old: Spelling
    new: Spelling

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        alternatives = "|".join(map(re.escape, dict.fromkeys([self.old.snake, self.old.camel.lower()])))
        foreign = "|".join(map(re.escape, foreign_names(self.old.snake)))
        guard = rf"(?P<foreign>{foreign})|" if foreign else ""
        return re.compile(rf"{guard}(?<![a-z0-9])(?P<name>(?i:{alternatives}))")

    def word(self, text: str) -> str:
        """Rename inside one identifier, string or comment."""
        return self._pattern.sub(self._replacement, text)

    def code(self, text: str) -> str:
        """Rename throughout a stretch of code."""
        if not self._pattern.search(text):
            return text
        pieces = _ABSOLUTE_IMPORT.split(text)
        if len(pieces) > 1:
            return "".join(piece if i % 2 else self.code(piece) for i, piece in enumerate(pieces))
        if "f'" in text or 'f"' in text or "F'" in text or 'F"' in text:
            return map_tokens(text, self.word)
        return self.word(text)

    def prose(self, text: str) -> str:
        """Rename in strings and comments only."""
        return map_prose(text, self.word) if self._pattern.search(text) else text

    def _replacement(self, match: re.Match[str]) -> str:
        found = match["name"]
        if not found:
            return match.group()
        if found == self.old.camel == self.old.upper:
            following = match.string[match.end() : match.end() + 1]
            return self.new.camel if following.isalpha() else self.new.upper
        by_spelling = {self.old.upper: self.new.upper, self.old.camel: self.new.camel, self.old.snake: self.new.snake}
        return by_spelling.get(found, self.new.camel)


def common_suffix(one: str, other: str) -> str:
    """The longest common suffix of two names."""
    length = 0
    while length < min(len(one), len(other)) and one[-1 - length] == other[-1 - length]:
        length += 1
    return one[len(one) - length :]
