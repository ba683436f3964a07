"""A conversation with a model that remembers: lines in, answers and what became of the memory out. Needs torch."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from diagnostics.names import nearest
from telling.tools import typed

from memory.encoding import row_of
from memory.errors import BankError
from memory.values import Change, Row


if TYPE_CHECKING:
    from memory.disk import DiskBank
    from memory.dual_path import DualPathInference, Generated

_SHOWN = 50  # rows at a time
_ROOM = 16  # tokens that a template may add
ANSWERED = 0.5  # the alpha from which a row is said to have answered


@dataclass(frozen=True, slots=True)
class Reply:
    """What an answer came with."""

    text: str
    row: int | None = None  # the one that was let in most
    alpha: float | None = None
    sentence: str = ""
    remembered: tuple[Row, ...] = ()

    @property
    def notes(self) -> list[str]:
        """For people, below the answer."""
        from_row = self.alpha is not None and self.alpha >= ANSWERED
        answered = f"row {self.row}, alpha {self.alpha:.2f}: {self.sentence}" if from_row else "no row was let in"
        return [f"[{answered}]", *(f"[remembered in row {row.row}: {row.sentence}]" for row in self.remembered)]


@dataclass(slots=True)
class Conversation:
    """What was said so far, and with whom.

    Args:
        paths: the model, and what remembers.
        generation: arguments of `generate`.
        templated: whether lines are put into the tokenizer's chat template, where it has one.
        frozen: whether frozen rows may be edited.
        saved: the bank that changes are kept in, else they end with the conversation.
    """

    paths: DualPathInference
    generation: dict[str, Any] = field(default_factory=dict)
    templated: bool = True
    frozen: bool = False
    saved: DiskBank | None = None
    messages: list[dict[str, str]] = field(default_factory=list)

    def answer(self, line: str) -> Generator[str, None, Reply]:
        """The answer to a line, piece by piece; the iterator returns a `Reply`."""
        found = yield from self.paths.stream(self._prompt(line), line, **self.generation)
        text = found["generated_text"].strip()
        self.messages += [{"role": "user", "content": line}, {"role": "assistant", "content": text}]
        row, alpha = self._who_answered(found)
        sentence = self._row(row).sentence if row is not None else ""
        update = found.memory_update
        rows = update.get("update_indices", ()) if update is not None else ()
        return Reply(text, row, alpha, sentence, tuple(map(self._row, rows)))

    def command(self, line: str) -> list[str]:
        """Do what a line that begins with a slash says; what is to be told. Raises BankError where it cannot be done."""
        name, _, rest = line[1:].partition(" ")
        if name not in COMMANDS:
            close = nearest(name, COMMANDS)
            fix = f"did you mean /{close}?" if close else "/help lists them"
            raise BankError(f"/{name}", "is not a command", fix)
        return COMMANDS[name][0](self, rest.strip())

    def close(self) -> None:
        """Write what was changed into the bank, where it is kept."""
        if self.saved is not None:
            self.saved.finish_changes()

    @property
    def _updater(self) -> Any:
        if self.paths.memory_bank_updater is None:
            raise BankError("the memory", "is not to be changed", "leave out --no-remember")
        return self.paths.memory_bank_updater

    def _prompt(self, line: str) -> torch.Tensor:
        """[tokens]: the line, in a template with what was said before, as far as there is room for it."""
        tokenizer = self.paths.tokenizer
        if not self.templated or not tokenizer.chat_template:
            ids = tokenizer(line, verbose=False)["input_ids"]
            return torch.tensor(ids or [tokenizer.eos_token_id or 0])
        room = self._room()
        for start in range(0, len(self.messages) + 2, 2):
            messages = [*self.messages[start:], {"role": "user", "content": line}]
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
            if len(ids) <= room:
                break
        return torch.tensor(ids)

    def _room(self) -> int:
        text = self.paths.model.config.get_text_config()
        most = getattr(text, "max_position_embeddings", None) or 2048
        return max(_ROOM, int(most) - int(self.generation.get("max_new_tokens", 64)))

    def _who_answered(self, found: Generated) -> tuple[int | None, float | None]:
        """The row that was let in most where the answer's tokens were chosen, and how far."""
        alphas, rows, length = found.memory_alphas, found.memory_rows, found.prompt_length
        if alphas is None or rows is None or length is None or alphas.shape[1] <= length:
            return None, None
        places = alphas[0, length - 1 : -1].float()
        best = int(places.argmax())
        return int(rows[0, length - 1 + best, 0]), float(places[best])

    def _row(self, row: int) -> Row:
        model, tokenizer = self.paths.model, self.paths.tokenizer
        pad = model.config.get_text_config().memory_pad_token_id
        return row_of(row, model.memory_bank[row].cpu().numpy(), tokenizer, pad)

    def _rows(self, rest: str) -> list[str]:
        bank = self.paths.model.memory_bank
        pad = self.paths.model.config.get_text_config().memory_pad_token_id
        used = (bank != pad).any(1).nonzero()[:, 0].tolist()
        wanted = [self._number(rest)] if rest else used[:_SHOWN]
        lines = [f"{row:>7}  {self._row(row).sentence or '(empty)'}" for row in wanted]
        if not rest and len(used) > _SHOWN:
            lines.append(f"and {len(used) - _SHOWN} more: {typed('memory')} show lists all of a bank")
        return lines or ["the memory is empty"]

    def _edit(self, rest: str) -> list[str]:
        number, _, sentence = rest.partition(" ")
        if not sentence.strip():
            raise BankError("/edit", "needs a row and its sentence", "say /edit ROW TEXT, or /forget ROW")
        return [str(self._updater.edit(self._number(number), sentence.strip(), self.frozen))]

    def _forget(self, rest: str) -> list[str]:
        return [str(self._updater.edit(self._number(rest), "", self.frozen))]

    def _remember(self, rest: str) -> list[str]:
        update = self._updater.update_with_facts([rest])
        rows = update.get("update_indices", ())
        return [f"remembered in row {row}: {self._row(row).sentence}" for row in rows] or [update.message or ""]

    def _undo(self, rest: str) -> list[str]:
        changes: Sequence[Change] = self._updater.undo(self._number(rest) if rest else 1)
        return [str(change) for change in changes] or ["nothing to take back"]

    def _help(self, rest: str) -> list[str]:
        return [f"/{name} {says}".replace("  ", " ") for name, (_, says) in COMMANDS.items()]

    def _number(self, text: str) -> int:
        number = -1
        with suppress(ValueError):
            number = int(text)
        if not 0 <= number < len(self.paths.model.memory_bank):
            last = len(self.paths.model.memory_bank) - 1
            raise BankError("the row", f"is {text!r}", f"give a number from 0 to {last}")
        return number


QUIT = "/quit"
COMMANDS: dict[str, tuple[Callable[[Conversation, str], list[str]], str]] = {
    "rows": (Conversation._rows, "[ROW]: what is in the memory"),
    "edit": (Conversation._edit, "ROW TEXT: give a row another sentence"),
    "undo": (Conversation._undo, "[N]: take back the last changes"),
    "forget": (Conversation._forget, "ROW: take a row away"),
    "remember": (Conversation._remember, "TEXT: write a fact, as it stands"),
    "help": (Conversation._help, ": this list"),
    "quit": (lambda _, __: [], ": end"),
}


def usage_file(bank: DiskBank) -> Path:
    """Where a bank's updater keeps how rows were used."""
    from memory.bank_files import USAGE

    return bank.folder / USAGE
