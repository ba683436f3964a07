"""Texts through gated models, and the command."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import torch
from seen import NASTY, model, tokenizer
from viewing.cli import main
from viewing.scores import Texts, TextScores, quality_scores

from transformers import LlamaConfig, LlamaForCausalLM


TEXTS = ["the plain words", NASTY, "the \ud83d\ude00 words"]


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gated")
    model().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.parametrize("text", TEXTS[:2], ids=["plain", "nasty"])
def test_scores_are_what_the_model_returns(text: str) -> None:
    gated, words = model(), tokenizer()
    found = quality_scores(gated, words, text)
    assert isinstance(found, TextScores) and found.text == text
    ids = words(text, return_tensors="pt").input_ids
    with torch.inference_mode():
        outputs = gated(ids, output_router_logits=True)
    assert [token.id for token in found.tokens] == ids[0].tolist()
    assert torch.equal(found.scores, torch.stack(outputs.quality_logits)[:, 0, :, 0])
    assert torch.equal(found.good_ratios, found.scores.sigmoid()) and found.layers == (0, 1, 2)
    chances = outputs.logits[0].float().softmax(-1)
    expected = [1 / chances[place, token].item() for place, token in enumerate(ids[0, 1:].tolist())]
    assert found.perplexity[0] is None and found.perplexity[1:] == pytest.approx(expected, rel=1e-4)
    covered = "".join(text[token.start : token.end] for token in found.tokens if token.end > token.start)
    assert set(text) <= set(covered)


def test_several_texts_are_scored_each_by_itself() -> None:
    gated, words = model().train(), tokenizer()
    found = quality_scores(gated, words, TEXTS)
    assert isinstance(found, Texts) and [each.title for each in found] == ["text 1", "text 2", "text 3"]
    assert found[2].text == "the \U0001f600 words"
    assert torch.equal(found[0].scores, quality_scores(gated, words, TEXTS[0]).scores) and gated.training
    html = found._repr_html_()
    assert html.count("<figure>") == 3 and "&lt;</span>" in html and "<script" not in html


def test_bytes_of_one_character_are_told_apart() -> None:
    shown = [token.shown for token in quality_scores(model(), tokenizer(), "\u20ac").tokens]
    assert shown == ["<s>", "\u27e8E2\u27e9", "\u27e882\u27e9", "\u27e8AC\u27e9"]


def test_what_cannot_be_scored_is_refused() -> None:
    gated, words = model(), tokenizer()
    with pytest.raises(TypeError, match="LlamaForCausalLM has no quality gates"):
        plain = LlamaConfig(
            vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
        )
        quality_scores(LlamaForCausalLM(plain), words, "a")
    with pytest.raises(ValueError, match="has 301 tokens, and the model reads 256 at most"):
        quality_scores(gated, words, "#" * 300)


def test_the_command_writes_a_page_and_a_picture(gated: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(NASTY, encoding="utf-8")
    page, picture = tmp_path / "page.html", tmp_path / "map.png"
    given = ["--model", str(gated), "--text", str(tmp_path / "text.txt"), "--text", "the words"]
    assert main([*given, "--against", str(gated), "--output", str(page), "--png", str(picture)]) == 0
    data = (
        page.read_text(encoding="utf-8").split('<script id="data" type="application/json">')[1].split("</script>")[0]
    )
    panels = json.loads(data)["panels"]
    assert [each["title"] for each in panels] == [f"{gated.name}: {name}" for name in ("text.txt", "the words")] * 2
    assert "".join(piece for piece, _ in panels[0]["pieces"]) == NASTY
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_command_prints_without_an_output(gated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", str(gated), "--text", "the words " * 200, "--max-tokens", "20"]) == 0
    said = capsys.readouterr().out
    assert "the words" in said and "layer 2" in said


def test_a_run_is_shown_with_the_gates_that_it_trained(gated: Path, tmp_path: Path) -> None:
    """Its base lies where the run says, and has other gates."""
    trained, run, page = model(), tmp_path / "run", tmp_path / "page.html"
    for name, weight in trained.named_parameters():
        if ".quality_gate." in name:
            weight.data.zero_()
    run.mkdir()
    trained.save_quality_gates(run)
    tokenizer().save_pretrained(run)
    (run / "config.yaml").write_text(f"gated_model: {gated}\n")
    assert main(["--model", str(run), "--text", "the words", "--output", str(page)]) == 0
    data = page.read_text(encoding="utf-8").split('<script id="data" type="application/json">')[1]
    scores = json.loads(data.split("</script>")[0])["panels"][0]["scores"]
    assert set(base64.b64decode(scores)) == {0}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--model", "/nowhere", "--text", "a"], "/nowhere: does not exist"),
        (["--model", "GATED", "--text", "#" * 300], "the model reads 256 at most; fix: "),
        (["--model", "BASE", "--text", "a"], "a model without gates; fix: gate it first"),
        (["--model", "GATED", "--text", "a", "--output", "/nowhere/page.html"], "/nowhere/page.html: no such file"),
    ],
)
def test_bad_input_is_one_line(
    given: list[str], said: str, gated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = LlamaConfig(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    LlamaForCausalLM(plain).save_pretrained(tmp_path / "base")
    places = {"GATED": str(gated), "BASE": str(tmp_path / "base")}
    capsys.readouterr()
    assert main([places.get(each, each) for each in given]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1, err
