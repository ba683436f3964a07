"""What a lock says of a model, in its file and in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from building.lock import LockEntry, compare, explain, listed, read_lock, render_lock
from diagnostics.errors import ConversionError
from outcomes import entry


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (entry(), []),
        (replace(entry(), transformers="5.1.0"), ["transformers 5.0.0 -> 5.1.0"]),
        (replace(entry(), modular="n"), ["modular_toy.py changed"]),
        (entry(definitions={"models.llama.modeling_llama.LlamaMLP": "1"}), ["LlamaModel is gone"]),
        (entry(restated={}), ["LlamaMLP.forward is gone, which the delta restates"]),
        (entry(imports={"models.llama.modeling_llama": "9"}), ["imports of modeling_llama changed"]),
        (entry(models={"quality_gate_base": "5", "other": "6"}), ["other is new"]),
        (
            entry(definitions={}, imports={}, models={}),
            ["LlamaMLP is gone", "LlamaModel is gone", "imports of modeling_llama is gone", "and 1 more changes"],
        ),
    ],
)
def test_two_entries_are_told_apart_in_a_few_words(found: LockEntry, words: list[str]) -> None:
    assert list(explain(entry(), found, "modular_toy.py")) == words


def test_digests_are_compared_by_key() -> None:
    assert list(compare({"b": "1", "a": "1", "c": "1"}, {"c": "2", "d": "1", "b": "1"})) == [
        ("a", "is gone"),
        ("c", "changed"),
        ("d", "is new"),
    ]


@pytest.mark.parametrize(("names", "text"), [("", ""), ("a", "a"), ("abc", "a, b, c"), ("abcd", "a, b, c and 1 more")])
def test_names_in_a_sentence(names: str, text: str) -> None:
    assert listed(names) == text


def test_a_lock_is_read_as_it_was_written(tmp_path: Path) -> None:
    entries = {"toy": entry(), "base": replace(entry(), transformers="4.0.0")}
    assert read_lock(tmp_path) == {}
    (tmp_path / "lock.json").write_text(render_lock(entries))
    assert read_lock(tmp_path) == entries and list(read_lock(tmp_path)) == ["base", "toy"]
    assert render_lock(dict(reversed(entries.items()))) == render_lock(entries)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"5.0.0"', '"5.0.1"'),
        ('"models"', '"model"'),
        ("}", ""),
        ("{", "["),
        ('"seal": "', '"seal": "0'),
        ("\n", "\n<<<<<<< HEAD\n"),
    ],
)
def test_a_lock_that_was_changed_is_refused(tmp_path: Path, old: str, new: str) -> None:
    (tmp_path / "lock.json").write_text(render_lock({"toy": entry()}).replace(old, new, 1))
    with pytest.raises(ConversionError) as error:
        read_lock(tmp_path)
    assert [each.code for each in error.value.diagnostics] == ["broken-lock"]


@pytest.mark.parametrize("text", ["[]", "null", "3", '{"seal": ""}', '{"models": {}}', "", "\xff"])
def test_a_lock_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConversionError, match="broken-lock"):
        read_lock(tmp_path)
