"""A text -> the facts in it: by a rule of our own, which needs no model, or by LLMLingua-2."""

from __future__ import annotations

import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from memory.errors import BankError
from memory.sentences import split_sentences
from memory.values import Extraction


FORCED = ("\n", ".", "!", "?", ",", ":", ";", "。", "！", "？", "；", "，", "：")  # what LLMLingua never drops
CHUNK_ENDS = (".", "\n", "!", "?", "。", "！", "？", "；")
INSTALL = "pip install 'quality-gate[memory]', or in a clone: pip install -e '.[memory]'"
_SEPARATOR = "\t\t|\t\t"


def _words(text: str) -> list[str]:
    return text.split()


# A word, or a letter of a script without spaces
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_FILLERS = frozenset(
    _words(
        "hi hello hey hallo greetings good morning afternoon evening night day bye goodbye see you later thanks thank very much "
        "so a lot please ok okay yes no yeah yep nope sure well hmm um uh oh ah wow great nice cool fine right really indeed "
        "welcome sorry cheers there all everyone again got it i i'm im see understand agree lol haha"
    )
)
_FILLERS_ELSEWHERE = re.compile(
    r"(你好|您好|大家好|早上好|晚上好|谢谢|謝謝|多谢|再见|再見|好的|好吧|嗯+|哦+|是的|不是|こんにちは|ありがとう)+"
)
_QUESTION = re.compile(r"[?？]|[吗呢嗎][。！\"”’」』]*$")
_ASKING = re.compile(
    r"(?i:^(who|whom|whose|what|when|where|which|why|how|is|are|was|were|do|does|did|has|have|could|would|should)\b)"
    # Will and May are names as well: "Will Smith lives ...", "May 5 is ...", "May has ..." ask nothing
    r"|(?i:^(can|will|may)(['’]t|not)?)(\s*$|\s+((?i:i|you|he|she|it|we|they|the|an?)\b|(?!(is|was|has|had)\b)[a-zà-ÿ]))"
)
_REQUEST = re.compile(
    r"(?i)^((please|pls)\b|(tell|show|give|write|help|explain to|remind) me\b|(can|could|would|will) you\b|explain\b|let'?s\b|请|請)"
)
_TOLD = re.compile(
    r"(?i)^((please|pls)\s+(remember|note)\b|(please\s+)?(keep in mind|don['’]?t forget|fyi)\b"
    r"|(remember|note)\b(?=\s+that\b|\s*[,:]|\W*$))"  # as in "Note 7 is a phone", they may be names
    r"(\s+that\b)?\s*[,:]?\s*|^请?(记住|記住)[，,：:]?\s*"
)
_COMMON = frozenset(
    _words(
        "a an the and or but if of to in on at by for with from as is are was were be been it its this that these those he she "
        "they we you i his her their our my your not no so do does did has have had will would can could there here very just"
    )
)


class FactExtractor(ABC):
    """What finds facts in texts. `FactExtractor(model_path)` is that of LLMLingua-2, `FactExtractor()` that of sentences."""

    compression_rate: float  # the share of tokens that is KEPT

    def __new__(cls, model_path: Any = None, *given: Any, **named: Any) -> FactExtractor:
        """The original project's name makes the extractor that its arguments ask for."""
        if cls is FactExtractor:
            cls = LLMLinguaFactExtractor if isinstance(model_path, str | Path) else SentenceFactExtractor
        return super().__new__(cls)

    @abstractmethod
    def extract(self, text: str, compression_rate: float | None = None) -> Extraction:
        """The facts of one text; a blank one has none.

        Args:
            text: in any language.
            compression_rate: the share of tokens to keep, in place of the extractor's own.
        """

    def __call__(self, text: str, compression_rate: float | None = None) -> Extraction:
        """As `extract`."""
        return self.extract(text, compression_rate)


class SentenceFactExtractor(FactExtractor):
    """Keeps the sentences that state something, whole and as they are.

    A rule of words, not a model: questions, requests, greetings and fillers are dropped, "remember that" is taken off, and
    what is left is taken for a fact, whether it is one or not. With a rate below 1, sentences with the most rare words,
    numbers and names for their length are kept, until that share of the text's words is reached; one at least.
    """

    def __init__(self, model_path: None = None, compression_rate: float = 1.0) -> None:
        self.compression_rate = check_rate(compression_rate)

    def extract(self, text: str, compression_rate: float | None = None) -> Extraction:
        """As `FactExtractor.extract`. Words are counted, and letters of scripts without spaces."""
        rate = self.compression_rate if compression_rate is None else check_rate(compression_rate)
        sentences = split_sentences(text)
        stated = {place: said for place, each in enumerate(sentences) if (said := _statement(each))}
        original = sum(map(count_tokens, sentences))
        kept = _best(stated, rate * original if rate < 1 else float("inf"))
        facts = tuple(stated[place] for place in sorted(kept))
        size = sum(map(count_tokens, facts))
        annotations = tuple((each, "+" if place in kept else "-") for place, each in enumerate(sentences))
        return Extraction(" ".join(facts), original, size, size / original if original else 0.0, facts, annotations)


class LLMLinguaFactExtractor(FactExtractor):
    """Keeps the words that LLMLingua-2 finds worth keeping; the text is split into facts after that.

    Args:
        model_path: the folder of an LLMLingua-2 model.
        compression_rate: the share of tokens that is kept: 0.4 keeps two of five.
        force_tokens: what is never dropped.
        chunk_end_tokens: where a long text may be cut.
        device: that the model runs on: "cpu", "cuda:0".
        annotations: whether each word's verdict is asked for.

    Raises:
        ImportError: the package llmlingua is not installed.
        FileNotFoundError: there is no such folder.
    """

    def __init__(
        self,
        model_path: str | Path,
        compression_rate: float = 0.4,
        force_tokens: Sequence[str] = FORCED,
        chunk_end_tokens: Sequence[str] = CHUNK_ENDS,
        device: str = "cpu",
        annotations: bool = False,
    ) -> None:
        self.compression_rate = check_rate(compression_rate)
        try:
            from llmlingua import PromptCompressor
        except ModuleNotFoundError as error:
            if error.name != "llmlingua":
                raise
            raise ModuleNotFoundError(f"llmlingua is not installed; fix: {INSTALL}", name="llmlingua") from error
        if not Path(model_path).expanduser().exists():
            raise FileNotFoundError(2, "there is no such folder of an LLMLingua-2 model", str(model_path))
        self.force_tokens, self.chunk_end_tokens = list(force_tokens), list(chunk_end_tokens)
        self.device, self.annotations = device, annotations
        name = str(Path(model_path).expanduser())
        self._compressor = PromptCompressor(model_name=name, use_llmlingua2=True, device_map=device)

    def extract(self, text: str, compression_rate: float | None = None) -> Extraction:
        """As `FactExtractor.extract`. Where the compressor fails, the text is kept as it is, with a warning."""
        rate = self.compression_rate if compression_rate is None else check_rate(compression_rate)
        if not text.strip():
            return Extraction("", 0, 0, 0.0)
        try:
            found = self._compressor.compress_prompt(
                [text],
                rate=rate,
                force_tokens=self.force_tokens,
                chunk_end_tokens=self.chunk_end_tokens,
                drop_consecutive=True,
                return_word_label=self.annotations,
                word_sep=_SEPARATOR,
                label_sep=" ",
            )
            return _compressed(found, self.annotations)
        except Exception as error:  # of a model and a library of others
            warnings.warn(f"LLMLingua failed, and the text is kept whole: {error}", stacklevel=2)
            count = count_tokens(text)
            return Extraction(text, count, count, 1.0)


def count_tokens(text: str) -> int:
    """Words, and letters of scripts without spaces."""
    return len(_TOKEN.findall(text))


def check_rate(rate: float) -> float:
    """A share above 0. Raises BankError where it is none."""
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= 1:
        raise BankError("compression_rate", f"is {rate!r}", "give the share of tokens to keep: above 0, 1 at most")
    return float(rate)


def rate_of(text: object, kept: int, original: int) -> float:
    """The share that was kept: LLMLingua says it as "41.7%"."""
    try:
        value = float(str(text).strip().rstrip("%")) / (100 if "%" in str(text) else 1)
    except ValueError:
        return kept / original if original else 0.0
    return value


def _compressed(found: Any, annotated: bool) -> Extraction:
    original, kept = int(found["origin_tokens"]), int(found["compressed_tokens"])
    labels = found.get("fn_labeled_original_prompt", "") if annotated else ""
    pieces = [piece.rsplit(" ", 1) for piece in labels.split(_SEPARATOR) if " " in piece]
    annotations = tuple((word, "+" if label == "1" else "-") for word, label in pieces)
    ratio = rate_of(found.get("rate"), kept, original)
    return Extraction(found["compressed_prompt"], original, kept, ratio, (), annotations if annotated else None)


def _statement(sentence: str) -> str:
    """What a sentence states; empty where it asks, greets, or fills."""
    if told := _TOLD.match(sentence):
        rest = sentence[told.end() :]
        return "" if _QUESTION.search(rest) or not count_tokens(rest) else rest[0].upper() + rest[1:]
    if _QUESTION.search(sentence) or _REQUEST.match(sentence):
        return ""
    if _ASKING.match(sentence) and not sentence.rstrip("\"'”’)").endswith((".", "!", "。", "！")):
        return ""
    words = re.findall(r"[\w'’]+", sentence.lower().replace("’", "'"))
    return "" if all(word in _FILLERS or _FILLERS_ELSEWHERE.fullmatch(word) for word in words) else sentence


def _best(stated: dict[int, str], most: float) -> set[int]:
    """The places of what is kept: the densest statements that fit into so many tokens, and one in any case."""
    kept: set[int] = set()
    size = 0
    total = sum(map(count_tokens, stated.values()))
    for place in sorted(stated, key=lambda place: (-_density(stated[place]), place)):
        length = count_tokens(stated[place])
        if not kept or total <= most or size + length <= most:
            kept.add(place)
            size += length
    return kept


def _density(sentence: str) -> float:
    """Words that say something for each word there is; numbers and names inside a sentence say twice as much."""
    words = _TOKEN.findall(sentence)
    said = sum(
        (2 if word.isdecimal() or (place and word[0].isupper()) else 1)
        for place, word in enumerate(words)
        if word.lower() not in _COMMON
    )
    return said / max(len(words), 1)
