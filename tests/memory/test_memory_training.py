"""Training: questions, what each stage changes and what not, runs that go on, and what a model is said to know."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from memory.errors import BankError
from memory.evaluation import ask, begins, evaluate
from memory.questions import IGNORED, NOTHING, Encoded, Question, encode, padded, question_of
from memory.settings import FUSION, ORDER, RETRIEVAL, TrainOptions, options_of, pairs
from memory.tasks import branch_of, gate_of, resumed, states_into
from memory.threshold import best_threshold, held_back, set_threshold
from memory.train_cli import CONFIG, GATES, METRICS, RESULT, STAGES, main, sentences_of, settings_in
from memory.training import answered, asking, begun, cosine, mixed, train
from memory_models import Tokenizer, fill, write_records
from safetensors.torch import load_file

from generated.memory_gate_llama import MemoryGateLlamaConfig, MemoryGateLlamaForCausalLM
from transformers import PreTrainedTokenizerFast


PLACES = ["oslo", "bonn", "graz", "bern", "rome", "kyiv", "lima", "doha", "baku", "riga"]
COLOURS = ["red", "blue", "green", "white", "black", "brown", "grey", "pink", "gold", "teal"]
WORDS = ["<pad>", "<end>", "?", "is", "the", "colour", "of", "what", *PLACES, *COLOURS, "sun", "moon", "mars"]
FACTS = [f"the colour of {place} is {colour}" for place, colour in zip(PLACES, COLOURS, strict=True)]
QUESTIONS = [Question(f"what colour is {place} ?", COLOURS[row], row) for row, place in enumerate(PLACES)]
NOTHINGS = [Question(f"what colour is {each} ?") for each in ("sun", "moon", "mars")]
SHORT = TrainOptions(retrieval_steps=40, retrieval_batch=10, fusion_steps=12, fusion_batch=10, threshold_share=0.0)
SETTINGS = ["retrieval_steps=3", "retrieval_batch=4", "fusion_steps=2", "fusion_batch=4", "logging_steps=1"]


@pytest.fixture(scope="module")
def words() -> Tokenizer:
    """A token for every word."""
    from tokenizers import Tokenizer as Tokens
    from tokenizers import pre_tokenizers
    from tokenizers.models import WordLevel

    tokens = Tokens(WordLevel({word: number for number, word in enumerate(WORDS)}, "<end>"))
    tokens.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokens, eos_token="<end>", pad_token="<pad>")


@pytest.fixture
def tiny(words: Tokenizer) -> MemoryGateLlamaForCausalLM:
    return tiny_model(words)


def tiny_model(words: Tokenizer, **fields: Any) -> MemoryGateLlamaForCausalLM:
    """Four layers, the third of which writes; FACTS are in the first rows of its bank."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4, "num_attention_heads": 2}
    memory = {"knowledge_num": 16, "knowledge_length": 8, "knowledge_dim": 16, "num_candidates": 4, "memory_heads": 2}
    marks = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None, "tie_word_embeddings": True}
    memory |= {"memory_head_dim": 8, "memory_query_layer": 1, "memory_layers": [2]} | fields
    config = MemoryGateLlamaConfig(vocab_size=len(WORDS), **sizes, **memory, **marks)
    model = MemoryGateLlamaForCausalLM(config).eval()
    fill(model, words, FACTS)
    return model


def encoded(words: Tokenizer, questions: Sequence[Question] = (*QUESTIONS, *NOTHINGS)) -> list[Encoded]:
    return [encode(each, lambda text: words(text, add_special_tokens=False).input_ids, 64) for each in questions]


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: each.detach().clone() for name, each in model.state_dict().items()}


def changed(before: dict[str, torch.Tensor], model: torch.nn.Module) -> set[str]:
    return {name for name, each in model.state_dict().items() if not torch.equal(each, before[name])}


# ---- questions

ROWS = {"Melk is big.": 2}


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ({"prompt": "a", "answer": " b", "row": 1}, Question("a", " b", 1)),
        ({"prompt": "a", "answer": " b", "fact": "Melk is big."}, Question("a", " b", 2)),
        ({"prompt": "a", "row": None}, Question("a")),
        ({"prompt": "a", "answer": " b", "row": None}, Question("a", " b")),
        ({"text": "words"}, Question("", "words")),
    ],
)
def test_records_are_questions(record: dict[str, Any], wanted: Question) -> None:
    assert question_of(record, ROWS, 4) == wanted


@pytest.mark.parametrize(
    ("record", "what"),
    [
        ([1], "is list, not an object"),
        ({"prompt": 3}, "`prompt` is 3, not text"),
        ({"prompt": "a", "answer": None, "row": 1}, "`answer` is None, not text"),
        ({}, "has none of `prompt`, `messages` and `text`"),
        ({"text": ""}, "has none of `prompt`, `messages` and `text`"),
        ({"prompt": "", "answer": "b", "row": 1}, "has an empty `prompt`"),
        ({"prompt": "a", "answer": "b"}, "has neither `row` nor `fact`"),
        (
            {"prompt": "a", "answer": "b", "fact": "Melk is small."},
            "`fact` is not a row of the bank: 'Melk is small.'",
        ),
        ({"prompt": "a", "answer": "b", "row": 4}, "`row` is 4, but the bank has the rows 0 to 3"),
        ({"prompt": "a", "answer": "b", "row": -1}, "`row` is -1"),
        ({"prompt": "a", "answer": "b", "row": True}, "`row` is True"),
        ({"prompt": "a", "answer": "b", "row": "1"}, "`row` is '1'"),
        ({"prompt": "a", "row": 1}, "has no `answer`"),
    ],
)
def test_what_is_no_question_is_said(record: Any, what: str) -> None:
    with pytest.raises(ValueError) as refused:
        question_of(record, ROWS, 4)
    assert what in str(refused.value)


def test_the_row_is_read_from_the_last_token_of_the_prompt_to_the_last_but_one_of_the_answer() -> None:
    def tokenize(text: str) -> list[int]:
        return list(map(ord, text))

    assert encode(Question("ab", "cd", 7), tokenize, 9) == Encoded(
        [97, 98, 99, 100], [-100, -100, 99, 100], [-100, 7, 7, -100]
    )
    assert encode(Question("ab", "cd", 7), tokenize, 3) == Encoded([97, 98, 99], [-100, -100, 99], [-100, 7, 7])
    assert encode(Question("ab"), tokenize, 9) == Encoded([97, 98], [-100, -100], [-100, NOTHING])
    assert encode(Question("", "ab"), tokenize, 9) == Encoded([97, 98], [97, 98], [-100, -100])
    assert encode(Question("ab", "c", 7), tokenize, 9).asks == 1 and encode(Question("", "ab"), tokenize, 9).asks == 1


def test_batches_are_padded_on_the_right() -> None:
    one, other = Encoded([5, 6, 7], [-100, 6, 7], [3, 3, -100]), Encoded([8], [-100], [-1])
    assert padded([one, other], 9) == {
        "input_ids": [[5, 6, 7], [8, 9, 9]],
        "attention_mask": [[1, 1, 1], [1, 0, 0]],
        "labels": [[-100, 6, 7], [-100, -100, -100]],
        "memory_targets": [[3, 3, -100], [-1, -100, -100]],
    }


def test_what_each_stage_is_given(words: Tokenizer) -> None:
    given = encoded(words, [*QUESTIONS[:3], *NOTHINGS, Question("", "the sun")])
    asked = asking(given)
    assert [each.targets[-1] for each in asked] == [0, 1, 2, NOTHING, NOTHING, NOTHING]
    assert all(set(each.targets[:-1]) <= {IGNORED} and len(each.input_ids) == 5 for each in asked)
    assert answered(given) == [*given[:3], given[-1]]


@pytest.mark.parametrize(
    ("share", "wanted"), [(0.5, [0, 1, 2, 3, -1, -1]), (1.5, [0, 1, 2, 3] + [-1] * 6), (0, [0, 1, 2, 3])]
)
def test_questions_without_a_row_are_a_share(share: float, wanted: list[int]) -> None:
    assert mixed([0, 1, -1, 2, 3], share, lambda row: row) == wanted


def test_where_nothing_is_to_be_found_all_are_kept() -> None:
    assert mixed([-1, -1], 0.5, lambda row: row) == [-1, -1] and mixed([4], 0.5, lambda row: row) == [4]


def test_rates_rise_and_fall() -> None:
    assert [round(cosine(step, 2, 8), 3) for step in (0, 1, 4, 8, 9)] == [0.5, 0.962, 0.5, 0.0, 0.0]


# ---- the threshold


def test_all_questions_of_a_row_are_held_back() -> None:
    given = [Encoded([0], [-100], [row]) for row in (*range(10), *range(10), *[NOTHING] * 8)]
    kept, held = held_back(given, 0.2)
    assert sorted({each.targets[0] for each in held}) == [NOTHING, 4, 9] and len(held) == 2 * 2 + 1
    assert len(kept) + len(held) == len(given) and held_back(given, 0) == (given, [])


def test_the_threshold_is_where_most_is_right() -> None:
    assert best_threshold([0.9, 0.8, 0.7], [True, True, True], [0.2, 0.4]) == pytest.approx(0.55)
    found = best_threshold([0.9, 0.5, 0.3], [True, False, True], [0.4, 0.45])
    assert found == pytest.approx(0.7), "0.5 was of another row, and counts neither way"
    assert best_threshold([0.5], [True], [0.6]) == pytest.approx(0.61), "all in or all out is as good"


# ---- stages


def test_the_first_stage_finds_rows_and_changes_the_gate_alone(
    tiny: MemoryGateLlamaForCausalLM, words: Tokenizer, tmp_path: Path
) -> None:
    before, logged = weights(tiny), Logged()
    train(tiny, encoded(words), SHORT, tmp_path, [logged.callback], done=[FUSION])
    assert logged.losses[-1] < logged.losses[0] / 3
    assert all(".memory_gate." in name for name in changed(before, tiny)) and changed(before, tiny)
    _, rows, alphas = ask(tiny, words, [each.prompt for each in (*QUESTIONS, *NOTHINGS)], 1)
    assert rows[: len(QUESTIONS)] == list(range(len(QUESTIONS)))
    assert min(alphas[: len(QUESTIONS)]) > 0.5 > max(alphas[len(QUESTIONS) :])


def test_rows_are_to_be_found_within_answers_too() -> None:
    long = Encoded([3, 4, 5, 6, 7], [IGNORED, IGNORED, 5, 6, 7], [IGNORED, 9, 9, 9, IGNORED])
    short = Encoded([3, 4, 5], [IGNORED, IGNORED, 5], [IGNORED, 8, IGNORED])
    nothing = Encoded([3, 4], [IGNORED, IGNORED], [IGNORED, NOTHING])
    found = begun([long, short, nothing, long], 1.0)
    assert [(each.input_ids, each.targets) for each in found] == [
        ([3, 4, 5], [IGNORED, IGNORED, 9]),
        ([3, 4, 5, 6], [IGNORED, IGNORED, IGNORED, 9]),
    ]
    assert all(set(each.labels) == {IGNORED} for each in found), "the first stage says nothing"
    assert len(begun([long] * 8, 0.5)) == 4 and len(begun([long], 3.0)) == 3 and begun([long, short], 0.0) == []


def test_a_threshold_is_the_same_of_prompts_of_any_length(tiny: MemoryGateLlamaForCausalLM, words: Tokenizer) -> None:
    given = asking(encoded(words, [*QUESTIONS, *(Question(f"the {'sun ' * n}?") for n in range(1, 13))]))
    found = set_threshold(tiny, given)
    with torch.no_grad():
        outputs = [tiny(torch.tensor([each.input_ids]), output_memory=True) for each in given]
    sharp, null = tiny.config.memory_sharpness, gate_of(tiny).null_similarity.item()
    similarities = [each.memory_alphas[-1][0, -1].logit().item() / sharp + null for each in outputs]
    is_right = [each.memory_rows[-1][0, -1, 0].item() == row for row, each in enumerate(outputs)][: len(QUESTIONS)]
    wanted = best_threshold(similarities[: len(QUESTIONS)], is_right, similarities[len(QUESTIONS) :])
    assert found == pytest.approx(wanted, abs=0.01) and null == pytest.approx(found)


def test_the_second_stage_changes_what_writes_alone(
    tiny: MemoryGateLlamaForCausalLM, words: Tokenizer, tmp_path: Path
) -> None:
    before, logged = weights(tiny), Logged()
    train(tiny, encoded(words), SHORT, tmp_path, [logged.callback], done=[RETRIEVAL])
    own = ("gain", "silent_key", "query.weight", "key.weight", "previous_key.weight")
    layer = "model.layers.2"
    wanted = {f"{layer}.memory_norm.weight", *(f"{layer}.gated_memory_fusion.{each}" for each in own)}
    assert changed(before, tiny) == wanted
    assert logged.losses[-1] < logged.losses[0] and {len(tiny.model.layers)} == {4}


def test_both_stages_make_a_model_that_answers_by_its_rows(
    tiny: MemoryGateLlamaForCausalLM, words: Tokenizer, tmp_path: Path
) -> None:
    long = options_of(
        {"retrieval_steps": 40, "fusion_steps": 100, "threshold_share": 0, "fusion_rate": 0.01, "gain_rate": 0.3}
    )
    done: list[str] = []
    losses = train(tiny, encoded(words), long, tmp_path, on_stage=done.append)
    assert done == [*ORDER] == [*losses]
    found = evaluate(tiny, words, QUESTIONS)
    assert found["answered"] == found["found"] == found["let_in"] == 1.0 and found["wrong"] == []
    fill(tiny, words, ["the colour of oslo is teal"])
    edited = evaluate(tiny, words, [Question(QUESTIONS[0].prompt, "teal", 0)])
    assert edited["answered"] == 1.0
    fill(tiny, words, [""] * len(FACTS))
    assert evaluate(tiny, words, QUESTIONS)["answered"] < 0.5


def test_layers_left_out_are_those_that_ran(tiny: MemoryGateLlamaForCausalLM, words: Tokenizer) -> None:
    torch.nn.init.normal_(tiny.model.layers[2].gated_memory_fusion.gain)
    branch, given = branch_of(tiny), encoded(words, QUESTIONS[:2])
    assert branch is not None and branch.number == 2
    states = torch.stack(states_into(tiny, branch, given)).float()
    ids, targets = torch.tensor([each.input_ids for each in given]), torch.tensor([each.targets for each in given])
    tiny.config.memory_null_similarity = 1.0
    tiny.model.layers[1].memory_gate.null_similarity.data.fill_(9.0)  # nothing but what is told is read
    with torch.no_grad():
        wanted = tiny(ids, memory_targets=targets).logits
        with resumed(branch, states, targets):
            found = tiny(ids, use_cache=False).logits
    assert (wanted - found).abs().max() < 0.03 * wanted.abs().max(), "states are kept in half precision"
    with resumed(branch, states, targets), pytest.raises(RuntimeError, match="before layers are left out"):
        tiny.memory_states(ids)
    assert len(tiny.model.layers) == 4 and type(tiny.model.layers[0]).__name__ == "MemoryGateLlamaDecoderLayer"


def test_layers_that_find_rows_and_write_them_are_not_left_out(words: Tokenizer, tmp_path: Path) -> None:
    model = tiny_model(words, memory_query_layer=2)
    before = weights(model)
    assert branch_of(model) is None
    assert train(model, encoded(words), options_of({"fusion_steps": 2, "fusion_batch": 4}), tmp_path, done=[RETRIEVAL])
    assert changed(before, model) and not any(".memory_gate." in name for name in changed(before, model))


def test_texts_are_trained_on_as_a_whole(tiny: MemoryGateLlamaForCausalLM, words: Tokenizer, tmp_path: Path) -> None:
    before = weights(tiny)
    given = encoded(words, [*QUESTIONS, Question("", FACTS[0])])
    losses = train(tiny, given, options_of({"fusion_steps": 2, "fusion_batch": 4}), tmp_path, done=[RETRIEVAL])
    assert losses.keys() == {FUSION} and changed(before, tiny)
    assert not any(".memory_gate." in name for name in changed(before, tiny))


def test_the_original_design_learns_at_once(words: Tokenizer, tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    memory = {"knowledge_num": 16, "knowledge_length": 8, "knowledge_dim": 16, "num_candidates": 4}
    config = MemoryGateLlamaConfig(
        vocab_size=len(WORDS),
        **sizes,
        **memory,
        memory_design="original",
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )
    model = MemoryGateLlamaForCausalLM(config)
    fill(model, words, FACTS)
    before = weights(model)
    losses = train(model, encoded(words), options_of({"fusion_steps": 2, "fusion_batch": 4}), tmp_path)
    assert losses.keys() == {FUSION} and changed(before, model)
    assert all("memory_" in name for name in changed(before, model)) and model.config.similarity_loss_coef == 0.1


class Logged:
    """The losses that Trainer tells of."""

    def __init__(self) -> None:
        from transformers import TrainerCallback

        self.losses: list[float] = []
        outer = self

        class Callback(TrainerCallback):
            def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
                outer.losses += [logs["loss"]] if "loss" in logs else []

        self.callback = Callback()


# ---- what a model knows


class Parrot:
    """Says what it is told to, and reads a row as it is told."""

    device = torch.device("cpu")

    def __init__(self, words: Tokenizer, says: dict[str, tuple[str, int, float]]) -> None:
        self.words, self.says = words, says

    def _of(self, ids: torch.Tensor) -> list[tuple[str, int, float]]:
        return [self.says[text] for text in self.words.batch_decode(ids, skip_special_tokens=True)]

    def __call__(self, ids: torch.Tensor, **given: Any) -> Any:
        from types import SimpleNamespace

        told, shape = self._of(ids), tuple(ids.shape)
        rows, alphas = torch.zeros(*shape, 1, dtype=torch.long), torch.zeros(shape)
        rows[:, -1, 0], alphas[:, -1] = (
            torch.tensor([each[1] for each in told]),
            torch.tensor([each[2] for each in told]),
        )
        return SimpleNamespace(memory_rows=(rows * 0, rows), memory_alphas=(alphas * 0, alphas))

    def generate(self, ids: torch.Tensor, max_new_tokens: int, **given: Any) -> torch.Tensor:
        said = self.words(
            [each[0] for each in self._of(ids)], padding="max_length", max_length=max_new_tokens
        ).input_ids
        return torch.cat([ids, torch.tensor(said)], 1)


def test_what_a_model_knows_is_counted(words: Tokenizer) -> None:
    says = {
        "what colour is oslo ?": ("red", 0, 0.9),
        "bonn": ("blue the", 1, 0.4),
        "what colour is sun ?": ("is", 5, 0.2),
        "graz is": ("red", 7, 0.8),
    }
    asked = [
        Question(*each) for each in (("what colour is oslo ?", "red", 0), ("bonn", "blue", 1), ("graz is", "green", 2))
    ]
    found = evaluate(Parrot(words, says), words, [*asked, Question("what colour is sun ?")])
    assert found["questions"] == 3 and found["answered"] == found["found"] == found["let_in"] == pytest.approx(2 / 3)
    assert found["kept_out"] == 1.0
    (wrong,) = found["wrong"]
    assert (wrong["prompt"], wrong["said"], wrong["found"], wrong["alpha"]) == ("graz is", "red", 7, 0.8)


@pytest.mark.parametrize(
    ("text", "answer", "wanted"),
    [
        (" Tars.\nand", " Tars.\n", True),
        (" Tarsis.", " Tars", False),
        ("Tars, of course", " Tars", True),
        ("1204", "120", False),
        ("Tar", "Tars", False),
        ("", "Tars", False),
    ],
)
def test_an_answer_is_no_part_of_a_word(text: str, answer: str, wanted: bool) -> None:
    assert begins(text, answer) is wanted


# ---- settings


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"retreival_steps": 1}, "there is no `retreival_steps`; fix: did you mean `retrieval_steps`?"),
        ({"wholly": 1}, "there is no `wholly`; fix: docs/memory.md lists the settings"),
        ({"fusion_steps": "many"}, "`fusion_steps` is 'many'; fix: give a whole number"),
        ({"fusion_steps": 1.5}, "`fusion_steps` is 1.5; fix: give a whole number"),
        ({"fusion_steps": True}, "`fusion_steps` is True; fix: give a whole number"),
        ({"fusion_rate": None}, "`fusion_rate` is None; fix: give a number"),
        ({"fusion_rate": "-1"}, "`fusion_rate` is '-1'; fix: give 0 or more"),
        ({"fusion_rate": "nan"}, "`fusion_rate` is 'nan'"),
        ({"fusion_rate": "inf"}, "`fusion_rate` is 'inf'"),
        ({"fusion_batch": 0}, "`fusion_batch` is 0; fix: give 1 or more"),
        ({"threshold_share": 0.9}, "`threshold_share` is 0.9; fix: give a share of the rows"),
    ],
)
def test_a_setting_that_is_none_is_refused(given: dict[str, Any], what: str) -> None:
    with pytest.raises(BankError) as refused:
        options_of(given)
    assert what in str(refused.value)


def test_settings_of_a_file_come_after_the_command_lines(tmp_path: Path) -> None:
    file = tmp_path / "how.yaml"
    file.write_text("retrieval_steps: 5\nfusion_rate: 1e-4\nmodel: of a run\n", encoding="utf-8")
    found = options_of(settings_in(file), pairs(["retrieval_steps=7"]))
    assert (found.retrieval_steps, found.fusion_rate, found.seed) == (7, 1e-4, 42)
    file.write_text("", encoding="utf-8")
    assert options_of(settings_in(file)) == TrainOptions()
    with pytest.raises(BankError, match="'seed' is not KEY=VALUE"):
        pairs(["seed"])


# ---- the command


@pytest.fixture
def trained_on(tiny: MemoryGateLlamaForCausalLM, words: Tokenizer, tmp_path: Path) -> list[str]:
    """The words of a command line but for --output."""
    tiny.save_pretrained(tmp_path / "model")
    words.save_pretrained(tmp_path / "model")
    records = [{"prompt": each.prompt, "answer": each.answer, "fact": FACTS[each.row]} for each in QUESTIONS]
    records += [{"prompt": each.prompt, "row": None} for each in NOTHINGS]
    data, held = write_records(tmp_path / "data.jsonl", records), write_records(tmp_path / "held.jsonl", records[:4])
    return [*SETTINGS, "--model", str(tmp_path / "model"), "--data", str(data), "--held-out", str(held)]


def test_a_run_holds_gates_numbers_and_how_it_was_made(
    trained_on: list[str], tiny: MemoryGateLlamaForCausalLM, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import yaml

    run = tmp_path / "run"
    assert main([*trained_on, "--output", str(run), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["questions"] == 13 and document["losses"].keys() == set(ORDER)
    assert document["held_out"]["questions"] == 4
    assert sorted(each.name for each in run.iterdir()) == sorted(
        [GATES, CONFIG, METRICS, RESULT, STAGES, "begun.json"]
    )
    config = yaml.safe_load((run / CONFIG).read_text(encoding="utf-8"))
    assert config["retrieval_steps"] == 3 and config["questions"] == 13
    lines = [json.loads(line) for line in (run / METRICS).read_text(encoding="utf-8").splitlines()]
    assert [each["step"] for each in lines if "loss" in each] == [1, 2, 3, 1, 2]
    gates = load_file(run / GATES)
    assert all("memory_" in name for name in gates) and "model.memory.memory_bank" not in gates
    assert (run / GATES).stat().st_size < (tmp_path / "model" / "model.safetensors").stat().st_size
    before = weights(tiny)
    tiny.load_memory_gates(run)
    assert changed(before, tiny) <= gates.keys() and changed(before, tiny)
    assert all(torch.equal(gates[name], each) for name, each in tiny.state_dict().items() if name in gates)
    assert main([*trained_on, "--output", str(run)]) == 2
    assert "holds a run that is complete" in capsys.readouterr().err


def test_a_run_goes_on_behind_its_last_stage(
    trained_on: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert main([*trained_on, "--output", str(whole), "-q"]) == 0
    monkeypatch.setattr("memory.training._train_fusion", _interrupted)
    assert main([*trained_on, "--output", str(run)]) == 130
    monkeypatch.undo()
    assert main([*trained_on, "--output", str(run)]) == 2
    assert "go on with --resume" in capsys.readouterr().err
    assert main([*trained_on, "fusion_rate=1", "--output", str(run), "--resume"]) == 2
    assert "was begun with another `fusion_rate`" in capsys.readouterr().err
    ran: list[str] = []
    monkeypatch.setattr("memory.training._train_retrieval", lambda *given: ran.append("retrieval"))
    assert main([*trained_on, "--output", str(run), "--resume"]) == 0 and ran == []
    one, other = load_file(whole / GATES), load_file(run / GATES)
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _interrupted(*given: Any) -> float:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("record", "what"),
    [
        (b"{", ":2: is not JSON; fix: write {"),
        (b'{"prompt": "\xff"}', ":2: is not JSON; fix: write {"),
        (b'{"prompt": "a"}', ":2: has neither `row` nor `fact`"),
        (b'{"prompt": "a", "answer": "b", "row": 99}', ":2: `row` is 99, but the bank has the rows 0 to 15"),
    ],
)
def test_a_line_that_is_no_question_is_named(
    record: bytes, what: str, trained_on: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_records(tmp_path / "bad.jsonl", [{"prompt": "a", "answer": "b", "row": 1}, record])
    assert main([*trained_on, "--data", str(data), "--output", str(tmp_path / "run")]) == 2
    assert f"{data}{what}" in capsys.readouterr().err and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (["--data", "nowhere.jsonl"], "nowhere.jsonl: does not exist"),
        (["--config", "nowhere.yaml"], "nowhere.yaml: does not exist"),
        (["--max-length", "1"], "--max-length: is 1"),
        (["--data", "TEXTS"], "holds no question that a row answers"),
        (["--held-out", "TEXTS"], "holds a text that asks nothing"),
        (["--model", "BASE"], "a model without a memory"),
    ],
)
def test_a_command_line_that_cannot_be_done_is_one_line(
    more: list[str],
    what: str,
    trained_on: list[str],
    words: Tokenizer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    texts = write_records(tmp_path / "texts.jsonl", [{"text": "the sun"}])
    if "BASE" in more:
        save_without_memory(tmp_path / "base", words)
    put = {"TEXTS": str(texts), "BASE": str(tmp_path / "base")}
    assert main([*trained_on, *(put.get(each, each) for each in more), "--output", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert what in said and not (tmp_path / "run").exists()


def save_without_memory(folder: Path, words: Tokenizer) -> None:
    from generated.quality_gate_llama import QualityGateLlamaConfig, QualityGateLlamaForCausalLM

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    QualityGateLlamaForCausalLM(QualityGateLlamaConfig(vocab_size=len(WORDS), **sizes)).save_pretrained(folder)
    words.save_pretrained(folder)


def test_rows_are_known_by_their_sentences(tiny: MemoryGateLlamaForCausalLM, words: Tokenizer) -> None:
    fill(tiny, words, [FACTS[0]], first=12)
    assert sentences_of(tiny, words) == {sentence: row for row, sentence in enumerate(FACTS)}
    assert gate_of(tiny) is tiny.model.layers[1].memory_gate
