"""Texts become sentences, and sentences facts: by the rule of this project, and by LLMLingua's package."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
from memory.errors import BankError
from memory.extractors import FactExtractor, LLMLinguaFactExtractor, SentenceFactExtractor, count_tokens, rate_of
from memory.sentences import split_facts, split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One is. Two is! Three?", ["One is.", "Two is!", "Three?"]),
        ("Pi is 3.14 and e is 2.71. So.", ["Pi is 3.14 and e is 2.71.", "So."]),
        ('He said "Go." Then left.', ['He said "Go."', "Then left."]),
        ("水的沸点是100℃。猫吃鱼！真的？是；对", ["水的沸点是100℃。", "猫吃鱼！", "真的？", "是；", "对"]),
        ("他说：“走吧。”然后走了。", ["他说：“走吧。”", "然后走了。"]),
        ("a line\nanother line\n\nthe third", ["a line", "another line", "the third"]),
        ("Dr. Smith met J. Doe. They ate.", ["Dr. Smith met J. Doe.", "They ate."]),
        ("Use e.g. water. Done.", ["Use e.g. water.", "Done."]),
        ("Wait... what?! Yes.", ["Wait...", "what?!", "Yes."]),
        ("See www.example.org for more", ["See www.example.org for more"]),
        ("... !!! \n", []),
        ("", []),
    ],
)
def test_texts_are_split_in_every_script(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


def test_facts_have_a_length_in_tokens() -> None:
    assert split_facts("Go. Melk is big. 猫吃鱼。", count_tokens) == ["Melk is big.", "猫吃鱼。"]
    assert split_facts("Go. Melk is big.", count_tokens, 1) == ["Go.", "Melk is big."]


STATED = [
    ("Hi! My name is Ada. How are you?", ["My name is Ada."]),
    ("Hello there, good morning! Thanks a lot.", []),
    ("What is the capital of Zorvania", []),
    ("What I like is tea.", ["What I like is tea."]),
    ("Please remember that the key is under the mat.", ["The key is under the mat."]),
    ("Remember: Bob lives in Graz.", ["Bob lives in Graz."]),
    ("Can you tell me about Graz. Tell me more.", []),
    ("Ok. Sure, great! The bus leaves at 7:15.", ["The bus leaves at 7:15."]),
    ("你好！水的沸点是100℃。你是谁？猫吃鱼吗。", ["水的沸点是100℃。"]),
    ("记住：钥匙在桌上。", ["钥匙在桌上。"]),
    ("Remember?", []),
    ("Note 7 is a phone made by Samsung.", ["Note 7 is a phone made by Samsung."]),
    ("Remember the Milk is a to-do app.", ["Remember the Milk is a to-do app."]),
    ("Note that Melk is big. Note: Tars is old. Note, Dun is long.", ["Melk is big.", "Tars is old.", "Dun is long."]),
    ("FYI, the bus is late. FYI the tram is not.", ["The bus is late.", "The tram is not."]),
    ("Don't forget that Ada is 36. Keep in mind: she is tall.", ["Ada is 36.", "She is tall."]),
    ("Note.", []),
    ("Will Smith lives in Paris", ["Will Smith lives in Paris"]),
    ("May 5 is my birthday", ["May 5 is my birthday"]),
    ("May is the fifth month", ["May is the fifth month"]),
    ("Will the bus come", []),
    ("Please remember the key is under the mat.", ["The key is under the mat."]),
    ("May has 31 days", ["May has 31 days"]),
    ("Can't you see", []),
    ("May", []),
    ("will we meet", []),
    ("May I ask", []),
    ("Will you help me", []),
    ("I see. No. Right!", []),
]


@pytest.mark.parametrize(("text", "facts"), STATED)
def test_what_states_nothing_is_dropped(text: str, facts: list[str]) -> None:
    found = SentenceFactExtractor().extract(text)
    assert list(found.facts) == facts and found["compressed_text"] == " ".join(facts)


def test_a_rate_is_the_share_that_is_kept() -> None:
    text = "It was as it is and so it was. Melk has 5,257 people. The Dun flows to the Aa. There it is."
    whole = SentenceFactExtractor().extract(text)
    assert whole.compression_ratio == 1.0 and len(whole.facts) == 4
    for rate in (0.2, 0.4, 0.6, 0.8):
        found = SentenceFactExtractor(compression_rate=rate)(text)
        assert found.compressed_tokens <= max(rate * found.original_tokens, 5), rate
        assert found.facts[0] == "Melk has 5,257 people." and len(found.facts) >= 1
        assert found.compression_ratio == found.compressed_tokens / found.original_tokens
    assert SentenceFactExtractor(compression_rate=0.6)(text).facts == (
        "Melk has 5,257 people.",
        "The Dun flows to the Aa.",
    )
    assert SentenceFactExtractor(compression_rate=0.01)(text, 1.0).facts == whole.facts
    assert [mark for _, mark in SentenceFactExtractor(compression_rate=0.2)(text).annotations] == ["-", "+", "-", "-"]


def test_a_blank_text_has_no_facts() -> None:
    for text in ("", " \n "):
        found = SentenceFactExtractor().extract(text)
        assert dict(found) == {
            "compressed_text": "",
            "original_tokens": 0,
            "compressed_tokens": 0,
            "compression_ratio": 0.0,
            "facts": (),
            "annotations": (),
        }


@pytest.mark.parametrize("rate", [0, -1, 1.5, "0.4", True, float("nan"), None])
def test_a_rate_that_is_no_share_is_refused(rate: object) -> None:
    with pytest.raises(BankError, match="compression_rate: is"):
        SentenceFactExtractor(compression_rate=rate)


# ---- LLMLingua


class Compressor:
    """Stands for `llmlingua.PromptCompressor`: keeps every other word."""

    made: list[dict[str, Any]] = []
    called: list[dict[str, Any]] = []
    fails = False

    def __init__(self, **given: Any) -> None:
        self.made.append(given)

    def compress_prompt(self, context: list[str], **given: Any) -> dict[str, Any]:
        self.called.append({"context": context, **given})
        if self.fails:
            raise RuntimeError("CUDA is not there")
        words = context[0].split(" ")
        kept = [word for place, word in enumerate(words) if not place % 2]
        found = {"compressed_prompt": " ".join(kept), "origin_tokens": len(words), "compressed_tokens": len(kept)}
        found |= {"ratio": "2.0x", "rate": f"{100 * len(kept) / len(words):.1f}%"}
        if given["return_word_label"]:
            labels = (f"{word}{given['label_sep']}{1 - place % 2}" for place, word in enumerate(words))
            found["fn_labeled_original_prompt"] = given["word_sep"].join(labels)
        return found


@pytest.fixture
def llmlingua(monkeypatch: pytest.MonkeyPatch) -> type[Compressor]:
    made = type("Made", (Compressor,), {"made": [], "called": []})
    module = types.ModuleType("llmlingua")
    module.PromptCompressor = made
    monkeypatch.setitem(sys.modules, "llmlingua", module)
    return made


def test_llmlingua_is_asked_for_the_share_to_keep(llmlingua: type[Compressor], tmp_path: Path) -> None:
    extractor = LLMLinguaFactExtractor(tmp_path, compression_rate=0.5, device="cuda:1", annotations=True)
    assert llmlingua.made == [{"model_name": str(tmp_path), "use_llmlingua2": True, "device_map": "cuda:1"}]
    found = extractor.extract("Melk is a town. Yes it is.")
    assert dict(found) == {
        "compressed_text": "Melk a Yes is.",
        "original_tokens": 7,
        "compressed_tokens": 4,
        "compression_ratio": pytest.approx(0.571),
        "facts": (),
        "annotations": tuple(zip(["Melk", "is", "a", "town.", "Yes", "it", "is."], "+-+-+-+", strict=True)),
    }
    (call,) = llmlingua.called
    assert (
        call["context"] == ["Melk is a town. Yes it is."] and call["rate"] == 0.5 and call["drop_consecutive"] is True
    )
    assert {"\n", ".", "!", "?", ",", ":", ";", "。", "！", "？", "；", "，", "："} == set(call["force_tokens"])
    assert {".", "\n", "!", "?", "。", "！", "？", "；"} == set(call["chunk_end_tokens"])
    extractor.extract("Once more.", 0.9)
    assert llmlingua.called[-1]["rate"] == 0.9 and extractor.compression_rate == 0.5


def test_llmlingua_says_nothing_of_words_unless_it_is_asked(llmlingua: type[Compressor], tmp_path: Path) -> None:
    found = LLMLinguaFactExtractor(tmp_path).extract("Melk is a town.")
    assert "annotations" not in found and llmlingua.called[0]["return_word_label"] is False
    assert llmlingua.called[0]["rate"] == 0.4 and llmlingua.made[0]["device_map"] == "cpu"
    assert LLMLinguaFactExtractor(tmp_path).extract(" \n").original_tokens == 0 and len(llmlingua.called) == 1


def test_where_llmlingua_fails_the_text_is_kept(llmlingua: type[Compressor], tmp_path: Path) -> None:
    llmlingua.fails = True
    with pytest.warns(UserWarning, match="the text is kept whole: CUDA is not there"):
        found = LLMLinguaFactExtractor(tmp_path).extract("Melk is a town.")
    assert (found.compressed_text, found.compression_ratio) == ("Melk is a town.", 1.0)


@pytest.mark.parametrize(("said", "share"), [("41.7%", 0.417), ("100.0%", 1.0), (0.25, 0.25), ("x", 0.5), (None, 0.5)])
def test_a_rate_of_llmlingua_is_a_number(said: object, share: float) -> None:
    assert rate_of(said, 2, 4) == pytest.approx(share)


def test_llmlingua_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "llmlingua", None)
    with pytest.raises(ImportError, match=r"llmlingua is not installed; fix: pip install 'quality-gate\[memory\]'"):
        LLMLinguaFactExtractor(tmp_path)


def test_a_model_of_llmlingua_that_is_not_there_is_told(llmlingua: type[Compressor], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        LLMLinguaFactExtractor(tmp_path / "nowhere")
    assert llmlingua.made == []


def test_the_originals_name_makes_what_its_arguments_ask_for(llmlingua: type[Compressor], tmp_path: Path) -> None:
    assert isinstance(FactExtractor(str(tmp_path), 0.4), LLMLinguaFactExtractor)
    assert isinstance(FactExtractor(model_path=tmp_path), LLMLinguaFactExtractor)
    assert isinstance(FactExtractor(), SentenceFactExtractor)
    assert FactExtractor(compression_rate=0.3).compression_rate == 0.3
