"""`chat_with_memory.py`: a conversation over a pipe, its commands, and what is kept of it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from memory.bank_files import MANIFEST, USAGE
from memory.chat import Conversation
from memory.chat_cli import main
from memory.log import LOG
from memory.opening import open_bank
from memory_models import FACTS, Remembering, Tokenizer, in_memory

from transformers.utils import logging


class Chat:
    """Lines in; lines out, and what was refused."""

    def __init__(self, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.checkpoint, self._monkeypatch, self._capsys = checkpoint, monkeypatch, capsys
        self.refused = ""
        self.loaded: list[Any] = []

    def __call__(self, *lines: str, words: tuple[str, ...] = (), status: int = 0, stdin: Any = None) -> list[str]:
        self._monkeypatch.setattr("sys.stdin", stdin or io.StringIO("\n".join(lines)))
        self._capsys.readouterr()
        assert main([str(self.checkpoint), "--max-new-tokens", "4", *words]) == status
        out, self.refused = self._capsys.readouterr()
        assert "Traceback" not in self.refused and "internal-error" not in self.refused, self.refused
        return out.splitlines()


@pytest.fixture
def chat(
    checkpoint: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Chat:
    made = Chat(checkpoint, monkeypatch, capsys)
    logging.disable_progress_bar()

    def load(place: object, dtype: str = "float32", device: str = "cpu") -> tuple[Any, Tokenizer]:
        made.loaded.append(Remembering.from_pretrained(place).eval())
        return made.loaded[-1], tokenizer

    monkeypatch.setattr("memory.loading.load_model", load)
    return made


def test_facts_are_remembered_and_the_row_that_answers_is_shown(chat: Chat, tokenizer: Tokenizer) -> None:
    out = chat("Graz lies on the Mur.", "Graz lies on the Mur.?", "/quit", "never read")
    assert out.count("[remembered in row 6: Graz lies on the Mur.]") == 1 and "never read" not in "".join(out)
    first, second = (line for line in out if line.startswith(("[row ", "[no row ")))
    assert "Graz" not in first, "a row that was written after an answer has not answered"
    assert second.startswith("[row 6, alpha ") and second.endswith(": Graz lies on the Mur.]") and chat.refused == ""
    assert open_bank(chat.checkpoint).log.size == 0, "without --save nothing is kept"
    assert not (chat.checkpoint / LOG).exists() and in_memory(chat.loaded[0], tokenizer)[6] == "Graz lies on the Mur."


def test_commands_change_the_memory(chat: Chat) -> None:
    out = chat(
        "/remember Graz is green.",
        "/edit 6 Graz is grey.",
        "/rows 6",
        "/forget 4",
        "/undo 2",
        "/undo",
        "/rows",
        "/undo",
    )
    assert out == [
        "remembered in row 6: Graz is green.",
        "row 6: Graz is green. -> Graz is grey.",
        "      6  Graz is grey.",
        f"row 4: {FACTS[4]} -> (empty)",
        f"row 4: (empty) -> {FACTS[4]}",
        "row 6: Graz is grey. -> Graz is green.",
        "row 6: Graz is green. -> (empty)",
        *(f"{row:>7}  {sentence}" for row, sentence in enumerate(FACTS)),
        "nothing to take back",
    ]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("/edti 6 x", "/edti: is not a command; fix: did you mean /edit?"),
        ("/xyz", "is not a command; fix: /help lists them"),
        ("/edit 6", "needs a row and its sentence"),
        ("/edit x y", "the row: is 'x'; fix: give a number from 0 to 15"),
        ("/edit 16 y", "the row: is '16'"),
        ("/edit 2 y", "is frozen: the first 3 rows are; fix: allow it: --frozen"),
        ("/forget", "the row: is ''"),
        ("/undo 0", "cannot take back 0 changes"),
    ],
)
def test_what_cannot_be_done_ends_nothing(line: str, what: str, chat: Chat, tokenizer: Tokenizer) -> None:
    assert chat(line, "/rows 0") == [f"      0  {FACTS[0]}"]
    assert what in chat.refused and chat.refused.count("\n") == 1
    assert list(in_memory(chat.loaded[0], tokenizer).values()) == FACTS


def test_frozen_rows_are_edited_on_request(chat: Chat) -> None:
    assert chat("/edit 2 Cats eat mice.", words=("--frozen",)) == ["row 2: Cats eat fish. -> Cats eat mice."]


def test_what_is_saved_is_there_the_next_time(chat: Chat, tokenizer: Tokenizer) -> None:
    chat("Graz lies on the Mur.", "/edit 4 Ice is cold.", "/forget 5", words=("--save",))
    assert {LOG, MANIFEST, USAGE} <= {path.name for path in chat.checkpoint.iterdir()}
    wanted = {**dict(enumerate(FACTS)), 4: "Ice is cold.", 6: "Graz lies on the Mur."}
    del wanted[5]
    assert {row.row: row.sentence for row in open_bank(chat.checkpoint).rows()} == wanted
    out = chat("/rows 4", "Linz is large.", "/undo 2", words=("--save",))
    assert out[0].endswith("Ice is cold.") and in_memory(chat.loaded[1], tokenizer) == wanted | {5: FACTS[5]}
    assert [change.by for _, change in open_bank(chat.checkpoint).log.read()] == ["chat_with_memory.py"] * 6


def test_what_a_killed_conversation_has_logged_is_not_lost(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory.chat.Conversation.close", lambda self: None)  # as if it was killed
    chat("/edit 4 Ice is cold.", words=("--save",))
    monkeypatch.undo()
    assert [row.sentence for row in open_bank(chat.checkpoint).rows([4])] == ["Ice is cold."]


def test_a_bank_takes_the_place_of_the_checkpoints(chat: Chat, bank: Path) -> None:
    open_bank(bank).edit({7: "Of the bank."})
    out = chat("/rows 7", "/edit 8 New.", words=("--bank", str(bank), "--save"))
    assert out[0] == "      7  Of the bank."
    assert [row.sentence for row in open_bank(bank).rows([8])] == ["New."]
    assert [row.sentence for row in open_bank(chat.checkpoint).rows([7, 8])] == ["", ""]


def test_a_log_of_its_own_is_written(chat: Chat, tmp_path: Path) -> None:
    chat("/edit 4 Ice is cold.", words=("--log", str(tmp_path / "log.jsonl")))
    assert json.loads((tmp_path / "log.jsonl").read_text(encoding="utf-8"))["new_sentence"] == "Ice is cold."


def test_bytes_that_are_no_text_end_nothing(chat: Chat) -> None:
    raw = io.TextIOWrapper(io.BytesIO(b"/remember caf\xe9 au lait\n\n/rows 6\n"), encoding="utf-8")
    assert chat(stdin=raw)[-1] == "      6  caf\ufffd au lait"


def test_one_document_of_json_is_printed(chat: Chat) -> None:
    out = chat("Graz lies on the Mur.", "/edit 99 x", "/rows 0", words=("--json", "--frequency", "1"))
    document = json.loads("\n".join(out))
    first, second, third = document["turns"]
    assert first["remembered"] == [{"row": 6, "sentence": "Graz lies on the Mur."}] and isinstance(
        first["alpha"], float
    )
    assert "the row: is '99'" in second["error"] and third["said"] == [f"      0  {FACTS[0]}"]


def test_nothing_is_remembered_on_request(chat: Chat) -> None:
    out = chat("Graz lies on the Mur.", "/remember This.", words=("--no-remember",))
    assert not any("remembered" in line for line in out) and "leave out --no-remember" in chat.refused


def test_a_template_sees_what_was_said_before(
    chat: Chat, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = "{% for m in messages %}<{{ m.role[0] }}>{{ m.content }}{% endfor %}<a>"
    monkeypatch.setattr(tokenizer, "chat_template", template)
    seen: list[str] = []
    kept = Remembering.generate

    def generate(self: Any, ids: Any, **given: Any) -> Any:
        seen.append(tokenizer.decode(ids[0]))
        return kept(self, ids, **given)

    monkeypatch.setattr(Remembering, "generate", generate)
    chat("One is first.", "Two is second.", "/rows 0")
    assert (
        seen[0] == "<u>One is first.<a>"
        and seen[1].startswith("<u>One is first.<a>")
        and seen[1].endswith("<u>Two is second.<a>")
    )
    chat("x" * 300, "y" * 250, words=())
    assert seen[3].startswith("<u>yyy"), "what there is no room for is left out"
    chat("One is first.", words=("--raw",))
    assert seen[4] == "One is first."


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--max-new-tokens", "0"), "--max-new-tokens: is 0"),
        (("--frequency", "0"), "--frequency: is 0"),
        (("--temperature", "-1"), "--temperature: is -1"),
        (("--rate", "2"), "compression_rate: is 2.0"),
        (("--bank", "nowhere"), "nowhere: does not exist"),
        (("--llmlingua", "nowhere"), "llmlingua is not installed; fix: pip install"),
    ],
)
def test_wrong_options_are_one_line(
    words: tuple[str, ...], what: str, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "llmlingua", None)
    if words[0] == "--llmlingua":  # `command.run` tells it in a line
        with pytest.raises(ImportError, match=what):
            chat(words=words)
        return
    chat(words=words, status=2)
    assert what in chat.refused and chat.refused.count("\n") == 1


def test_a_model_without_a_memory_is_refused(chat: Chat, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    chat.checkpoint = tmp_path / "empty"
    chat(status=2)
    assert "holds no bank" in chat.refused


def test_a_row_below_half_an_alpha_has_not_answered() -> None:
    from memory.chat import Reply

    assert Reply("x", 3, 0.49, "A fact.").notes == Reply("x").notes == ["[no row was let in]"]
    assert Reply("x", 3, 0.5, "A fact.").notes == ["[row 3, alpha 0.50: A fact.]"]


@pytest.mark.parametrize(("ids", "end", "prompt"), [([5, 6], 2, [5, 6]), ([], 2, [2]), ([], None, [0]), ([], 0, [0])])
def test_an_empty_line_is_the_end_of_a_text(ids: list[int], end: int | None, prompt: list[int]) -> None:
    class Words:
        chat_template = None
        eos_token_id = end

        def __call__(self, line: str, verbose: bool) -> dict[str, list[int]]:
            return {"input_ids": ids}

    assert Conversation(SimpleNamespace(tokenizer=Words()))._prompt("").tolist() == prompt
