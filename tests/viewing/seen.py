"""Panels and a tiny gated model to look at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from viewing.values import Panel, Token

from generated.quality_gate_llama import QualityGateLlamaConfig, QualityGateLlamaForCausalLM
from transformers import PreTrainedTokenizerFast


try:
    import playwright.sync_api as playwright
except ModuleNotFoundError:
    playwright = None
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NASTY = (
    "plain words, twice  two blanks\n\n<script>window.hit = 1</script> </script> & \"quoted\" 'text' `x` ${y}\n"
    "\u65e5\u672c\u8a9e\u306e\u6587 \u0645\u0631\u062d\u0628\u0627 \U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea na\u00efve\ttab <!-- x"
)


def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer that begins every text with a token of its own; most characters beyond ASCII are bytes."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<s>"], initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(["the plain words that a tokenizer knows, and some more of the words"] * 4, trainer)
    from tokenizers.processors import TemplateProcessing

    made.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", made.token_to_id("<s>"))])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>")


def model(layers: int = 3) -> QualityGateLlamaForCausalLM:
    """A gated Llama of random weights, whose gates are far from closed and from open."""
    torch.manual_seed(0)
    config = QualityGateLlamaConfig(
        vocab_size=400,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=256,
        quality_gate_init_std=0.5,
    )
    return QualityGateLlamaForCausalLM(config).eval()


def panel(text: str = "one two", rows: int = 2, scores: Sequence[Sequence[float]] | None = None) -> Panel:
    """A panel with a token for each word."""
    spans, place = [], 0
    for word in text.split(" "):
        spans.append((place, place + len(word)))
        place += len(word) + 1
    tokens = tuple(Token(number, text[start:end], start, end) for number, (start, end) in enumerate(spans))
    numbers = scores or [[row - token / 2 for token in range(len(tokens))] for row in range(rows)]
    return Panel("a text", text, tokens, tuple(f"layer {row}" for row in range(rows)), tuple(map(tuple, numbers)))


def browser_of() -> Iterator[Any]:
    """A headless Chromium of the system; whoever asks for one is skipped where there is none."""
    if not hasattr(playwright, "sync_playwright"):
        pytest.skip("playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on PATH: apt-get install chromium")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


def opened(browser: Any, place: Path, text: str) -> Iterator[Any]:
    """A page in a browser; its test fails on any message of the console and any request."""
    (place / "page.html").write_text(text, encoding="utf-8")
    said: list[str] = []
    asked: list[str] = []
    # with transitions, a colour that is read at once may still be the one before
    page = browser.new_page(viewport={"width": 1200, "height": 900}, reduced_motion="reduce")
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((place / "page.html").as_uri())
    yield page
    page.close()
    assert said == [] and asked == [(place / "page.html").as_uri()]
