"""The demo of a memory, on a model small enough for a test, and the facts that it is made of."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from memory_models import Tokenizer


EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def examples_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])


def test_no_name_of_the_test_is_in_training() -> None:
    from memory_facts import KINDS, PER_SUBJECT, SENTENCE, TEST_ASKS, TRAINED, VALUES, World

    world = World(3)
    train, test = world.facts(60, (TRAINED, SENTENCE)), world.facts(20, KINDS, is_test=True)
    assert (
        len(train) == 60 * PER_SUBJECT and len(test) == 20 * PER_SUBJECT and {each.kind for each in test} == {*KINDS}
    )
    listed = {word for words in VALUES.values() for word in words.split()}
    known = {word.strip("?.,") for each in train for text in (each.row, *each.prompts) for word in text.split()}
    for each in test:
        answer = each.answer.strip(" .\n")
        assert answer in each.row and each.edited_answer.strip(" .\n") in each.edited and each.edited != each.row
        assert answer in listed or answer.isdecimal() or answer not in known
        assert not any(answer in prompt for prompt in each.prompts)
        assert len(each.prompts) == 1 and each.prompts[0] not in {prompt for one in train for prompt in one.prompts}
    assert len({each.row.replace(each.answer.strip(" .\n"), "") for each in train}) == len(train)
    starts = {ask.split("{")[0] for ask in TEST_ASKS}
    assert not any(prompt.startswith(start) for each in train for prompt in each.prompts for start in starts)


def test_what_is_unseen_is_in_no_training() -> None:
    from memory_facts import KINDS, REAL_PROMPTS, SENTENCE, TEST_ASKS, TEST_ROWS, TRAINED, World
    from memory_words import ORDINARY, RELATIONS, ROWS, SENTENCES, UNSEEN_RELATIONS, UNSEEN_SENTENCES, WRAPS

    world = World(1)
    train, real = world.facts(300, (TRAINED, SENTENCE)), world.questions_about_the_real(300)
    said = "\n".join([text for each in train for text in (each.row, *each.prompts)] + real).lower()
    for form in (*TEST_ROWS, *TEST_ASKS):
        assert form.split("{")[0].strip().lower() not in said, form
    for names, _ in UNSEEN_RELATIONS.values():
        assert not any(f" {name} of" in said or f" its {name} " in said for name in names), names
    known = {*said.replace("\n", " ").replace(".", "").replace("?", "").split(" ")}
    for row, _, _, _, test, _ in UNSEEN_SENTENCES:
        assert any({*text.lower().strip("?").split(" ")} - known - {"{v}", "{s}"} for text in (row, test)), row
        assert row.lower().replace("{v}", "").split("{s}")[-1] not in said, row
    assert not any(test.format(S="X") == asked.format(S="X") for _, asked, *_, test, _ in SENTENCES)
    assert not {*REAL_PROMPTS} & {*ORDINARY, *real}
    assert all(len(names) == 3 for names, _ in (*RELATIONS.values(), *UNSEEN_RELATIONS.values()))
    forms = (*ROWS, *TEST_ROWS, *(each[0] for each in (*SENTENCES, *UNSEEN_SENTENCES)))
    assert all(each.count("{V}") == 1 for each in forms) and all("{Q}" in each for each in WRAPS)
    texts = [text for each in World(2).facts(40, KINDS) for text in (each.row, each.edited, *each.prompts)]
    assert not any("{" in text or "}" in text for text in texts)


def test_worlds_are_drawn_again() -> None:
    from memory_facts import KINDS, World

    one, same, other = (World(seed).facts(5, KINDS) for seed in (0, 0, 1))
    assert one == same != other
    assert World(0).questions_about_the_real(4) == World(0).questions_about_the_real(4)


def test_the_demo_runs_and_goes_on(
    tokenizer: Tokenizer, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import memory_demo

    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 6, "num_attention_heads": 2}
    marks = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None, "max_position_embeddings": 512}
    base = LlamaForCausalLM(LlamaConfig(vocab_size=258, **sizes, **marks)).eval()
    given = [
        "--subjects",
        "4",
        "--test-subjects",
        "2",
        "--negatives",
        "6",
        "--seeds",
        "0",
        "1",
        "--output",
        str(tmp_path),
        "--gate",
        "memory_query_layer=2",
        "memory_layers=[3,5]",
        "--",
    ]
    args = memory_demo.parse([*given, "retrieval_steps=2", "fusion_steps=2", "fusion_batch=4"])
    monkeypatch.setattr("memory_demo.REAL_PROMPTS", memory_demo.REAL_PROMPTS[:4])
    monkeypatch.setattr("memory_demo.ordinary", lambda paragraphs: ["The first paragraph.", "And a second one."])
    made = []
    monkeypatch.setattr(
        "memory_demo.gated", lambda *given, own=memory_demo.gated: made.append(own(*given)) or made[-1]
    )
    numbers = memory_demo.run(tokenizer, base, args)["numbers"]
    assert made[0].config.memory_query_layer == 2 and made[0].config.memory_layers == [3, 5]
    said = capsys.readouterr().out
    assert "| with the bank: answered | 0.000 | 0.000 |" in said and "not answered:" in said
    assert numbers["harm: cross-entropy of text without"]["mean"] == pytest.approx(5.55, abs=0.2)
    assert numbers["empty bank: answered"] == {"mean": 0.0, "spread": 0.0}
    written = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))
    assert written["seeds"] == [0, 1] and written["numbers"] == numbers
    (tmp_path / "seed-1" / "numbers.json").unlink()
    memory_demo.run(tokenizer, base, args)
    assert "seed 1" in (again := capsys.readouterr().out) and ": retrieval" not in again and "seed 0" not in again


def test_means_and_spreads() -> None:
    import memory_demo

    assert memory_demo.summary([{"a": 1.0}, {"a": 3.0}]) == {"a": {"mean": 2.0, "spread": pytest.approx(2**0.5)}}
