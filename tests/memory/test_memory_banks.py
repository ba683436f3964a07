"""Banks on disk: built of every source, shown, edited, searched, exported; what is wrong is one line."""

from __future__ import annotations

import csv
import json
import os
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from memory.bank_files import MANIFEST, REJECTS, WEIGHTS
from memory.building import build_bank
from memory.cli import main
from memory.encoding import digest_of, encode
from memory.errors import BankError
from memory.log import LOG
from memory.opening import open_bank
from memory.rows_file import ROWS
from memory.values import Shape
from memory_models import FACTS, K, N, Tokenizer, write_records
from safetensors.torch import load_file, save_file


SIZES = ["--knowledge-num", "16", "--knowledge-length", "32"]


def snapshot(folder: Path) -> dict[str, bytes]:
    """Everything in a folder but its lock."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """What was refused: one line."""
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "; fix: " in error and "internal-error" not in error, error
    return error


def shown(bank: Path, rows: str, capsys: pytest.CaptureFixture[str]) -> list[dict]:
    capsys.readouterr()
    assert main(["show", str(bank), rows, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def build(tmp_path: Path, data: Path, tokenizer: Path, *words: str) -> int:
    given = ["build", "--data", str(data), "--output", str(tmp_path / "made"), "--tokenizer", str(tokenizer)]
    return main([*given, *SIZES, *words])


# ---- building


def test_a_bank_is_a_tensor_lines_and_a_manifest(bank: Path, tokenizer: Tokenizer) -> None:
    tensor = load_file(bank / WEIGHTS)["memory_bank"]
    assert tensor.shape == (N, K) and tensor.dtype == torch.int64
    for row, sentence in enumerate(FACTS):
        ids = tokenizer(sentence, add_special_tokens=False)["input_ids"]
        assert tensor[row].tolist() == ids[:K] + [0] * (K - len(ids))
    assert not tensor[len(FACTS) :].any()
    lines = [json.loads(line) for line in (bank / ROWS).read_text(encoding="utf-8").splitlines()]
    assert [line["sentence"] for line in lines] == FACTS and [line["row"] for line in lines] == [0, 1, 2, 3, 4, 5]
    assert [line["token_count"] for line in lines] == [len(each.encode()) for each in FACTS]
    manifest = json.loads((bank / MANIFEST).read_text())
    wanted = {"knowledge_num": N, "knowledge_length": K, "pad_token_id": 0, "vocab_size": 258, "frozen_rows": 3}
    assert wanted.items() <= manifest.items()
    assert manifest["tokenizer"] == {"name": "reader-of-bytes", "digest": digest_of(tokenizer)}
    assert manifest["counts"]["filled_rows"] == 6 and manifest["counts"]["empty_rows"] == 10


FORMS = {
    "sentence": {"sentence": "A fact."},
    "text": {"text": "A fact.", "uuid": "u1"},
    "null sentence": {"sentence": None, "text": "A fact."},
    "target": {"target": [{"sentence": "A fact.", "subject": "fact", "uuid": 7}, {"sentence": "Another."}]},
    "empty target": {"target": [], "text": "A fact."},
    "a text": "A fact.",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet"])
def test_every_form_of_a_record_is_its_sentence(
    form: str, kind: str, tmp_path: Path, tokenizer_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"data.{kind}"
    if kind == "parquet":
        if not isinstance(FORMS[form], dict) or form == "empty target":
            pytest.skip("rows of a table are no texts, and have no lists of nothing")
        record = json.loads(json.dumps(FORMS[form]).replace("7", '"7"'))
        pq.write_table(pa.Table.from_pylist([record]), path)
    else:
        path.write_text(
            json.dumps([FORMS[form]] if kind == "json" else FORMS[form], indent=1 if kind == "json" else None)
        )
    assert build(tmp_path, path, tokenizer_folder) == 0
    (row,) = shown(tmp_path / "made", "0", capsys)
    assert row["sentence"] == "A fact."
    assert (row.get("subject"), row.get("uuid")) == (
        ("fact", "7") if form == "target" else (None, "u1" if form == "text" else None)
    )


def test_a_record_that_is_none_leaves_its_row_empty_and_is_told(
    tmp_path: Path, tokenizer_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = [
        b'{"sentence": ',
        {"sentence": "  "},
        {"other": 1},
        [1],
        {"sentence": 3},
        b'{"sentence": "\\ud800"}',
        b"\xff",
    ]
    data = write_records(tmp_path / "d.jsonl", [{"sentence": "One."}, *broken, {"sentence": "Two."}])
    assert build(tmp_path, data, tokenizer_folder) == 0
    rejects = [json.loads(line) for line in (tmp_path / "made" / REJECTS).read_text().splitlines()]
    assert [each["place"] for each in rejects] == [f"d.jsonl:{line}" for line in range(2, 9)]
    reasons = ["no-json", "empty", "wrong-type", "wrong-type", "wrong-type", "non-utf-8", "non-utf-8"]
    assert [each["reason"] for each in rejects] == reasons
    assert [row["sentence"] for row in shown(tmp_path / "made", "0,1,8", capsys)] == ["One.", "", "Two."]
    assert json.loads((tmp_path / "made" / MANIFEST).read_text())["counts"]["rejects"] == {
        "empty": 1,
        "no-json": 1,
        "non-utf-8": 2,
        "wrong-type": 3,
    }


def test_strict_refuses_at_the_line_and_leaves_nothing(
    tmp_path: Path, tokenizer_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_records(tmp_path / "d.jsonl", [{"sentence": "One."}, b"{"])
    assert build(tmp_path, data, tokenizer_folder, "--strict") == 2
    assert "d.jsonl:2: no-json" in said(capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.jsonl"]


def test_long_sentences_are_cut_and_more_records_than_rows_are_told(
    tmp_path: Path, tokenizer_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_records(tmp_path / "d.jsonl", [{"sentence": f"{number} " + "x" * 40} for number in range(20)])
    assert build(tmp_path, data, tokenizer_folder, "--freeze-ratio", "0.5") == 0
    assert "more records than the bank has rows" in said(capsys)
    (row,) = shown(tmp_path / "made", "15", capsys)
    assert (row["token_count"], row["truncated"], len(row["token_ids"])) == (43, True, K)
    assert open_bank(tmp_path / "made").shape.frozen_rows == 8


def test_an_up_to_date_bank_is_not_built_again(
    bank: Path, facts_file: Path, tokenizer_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = ["build", "--data", str(facts_file), "--output", str(bank), "--tokenizer", str(tokenizer_folder), *SIZES]
    before, written = snapshot(bank), (bank / WEIGHTS).stat().st_ino
    assert main(again) == 0 and "was there already" in capsys.readouterr().out
    assert snapshot(bank) == before and (bank / WEIGHTS).stat().st_ino == written
    assert main([*again, "--recompute"]) == 0
    assert (bank / WEIGHTS).stat().st_ino != written and snapshot(bank)[WEIGHTS] == before[WEIGHTS]
    write_records(facts_file, [{"sentence": "Something else."}])
    assert main(again) == 0
    assert shown(bank, "0", capsys)[0]["sentence"] == "Something else."
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bank", "facts.jsonl"]


def test_changes_are_not_lost_by_building(
    bank: Path, facts_file: Path, tokenizer_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = ["build", "--data", str(facts_file), "--output", str(bank), "--tokenizer", str(tokenizer_folder), *SIZES]
    assert main(["edit", str(bank), "5", "Bergen is dry."]) == 0
    assert main(again) == 0 and shown(bank, "5", capsys)[0]["sentence"] == "Bergen is dry."
    write_records(facts_file, [{"sentence": "Something else."}])
    before = snapshot(bank)
    capsys.readouterr()
    assert main(again) == 2 and "--recompute" in said(capsys) and snapshot(bank) == before
    assert main([*again, "--recompute"]) == 0
    assert shown(bank, "0,5", capsys)[1]["sentence"] == "" and LOG in snapshot(bank)


def test_a_folder_of_somebody_elses_is_not_replaced(
    bank: Path, facts_file: Path, tokenizer_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = [
        "build",
        "--data",
        str(facts_file),
        "--tokenizer",
        str(tokenizer_folder),
        *SIZES,
        "--recompute",
        "--output",
    ]
    (bank / "tokenizer" / "notes.txt").write_text("mine")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "letter.txt").write_text("mine")
    for folder, what in ((bank, "tokenizer/notes.txt"), (tmp_path / "theirs", "is not a bank's folder")):
        before = snapshot(folder)
        assert main([*again, str(folder)]) == 2 and what in said(capsys) and snapshot(folder) == before


def test_a_manifest_names_no_file_elsewhere(
    bank: Path, facts_file: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    manifest = json.loads((bank / MANIFEST).read_text())
    (bank / MANIFEST).write_text(
        json.dumps({**manifest, "tokenizer_files": ["../letter.txt", "tokenizer/../../letter.txt"]})
    )
    again = ["build", "--data", str(facts_file), "--output", str(bank), "--tokenizer", str(tokenizer_folder), *SIZES]
    assert main([*again, "--recompute"]) == 2
    assert (tmp_path / "letter.txt").read_text() == "mine"


def test_a_tokenizer_with_folders_is_replaced_as_well(
    facts_file: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(tokenizer_folder, tmp_path / "tok")
    (tmp_path / "tok" / "chat_template.jinja").write_text("{{ messages }}")
    (tmp_path / "tok" / "additional_chat_templates").mkdir()
    (tmp_path / "tok" / "additional_chat_templates" / "tools.jinja").write_text("{{ tools }}")
    for _ in range(2):
        assert build(tmp_path, facts_file, tmp_path / "tok", "--recompute") == 0
    assert (tmp_path / "made" / "tokenizer" / "additional_chat_templates" / "tools.jinja").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["facts.jsonl", "made", "tok"]


def test_whoever_is_killed_while_replacing_leaves_the_old_bank(bank: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank.rename(bank.with_name("bank.replaced"))  # as `building` does just before the new one takes the name
    assert shown(bank, "0", capsys)[0]["sentence"] == FACTS[0]


def test_reading_is_bounded_in_memory(tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more records are held than those of a batch."""
    import memory.sources as sources

    held, most = [0], [0]
    kept = sources.sentence_of

    def counted(raw: object) -> object:
        most[0] = max(most[0], held[0])
        held[0] += 1
        return kept(raw)

    def batch(*given: object) -> object:
        held[0] = 0
        return made(*given)

    made = sources._rows
    monkeypatch.setattr(sources, "_AT_A_TIME", 8)
    monkeypatch.setattr(sources, "sentence_of", counted)
    monkeypatch.setattr(sources, "_rows", batch)
    data = write_records(tmp_path / "d.jsonl", ({"text": f"fact {number}"} for number in range(400)))
    shape = Shape(400 and 441, 16, 0, 258, 0, digest=digest_of(tokenizer))
    build_bank([data], tmp_path / "made", tokenizer, shape)
    assert most[0] < 8
    assert [row.sentence for row in open_bank(tmp_path / "made").rows([0, 399])] == ["fact 0", "fact 399"]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--knowledge-num", "15"], "`knowledge_num` is 15, which is not a perfect square; fix: give 9 or 16"),
        (["--knowledge-length", "-1"], "`knowledge_length` is -1"),
        (["--freeze-ratio", "1.5"], "`freeze_ratio` is 1.5"),
        (["--freeze-ratio", "nan"], "`freeze_ratio` is nan"),
        (["--pad-id", "999"], "`pad_token_id` is 999"),
        (["--tokenizer", "nowhere/at/all"], "has no tokenizer that can be read"),
        (["--data", "nowhere.jsonl"], "does not exist"),
    ],
)
def test_wrong_options_are_one_line(
    words: list[str],
    what: str,
    tmp_path: Path,
    facts_file: Path,
    tokenizer_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert build(tmp_path, facts_file, tokenizer_folder, *words) == 2
    assert what in said(capsys) and not (tmp_path / "made").exists()


# ---- the original project's cache


def test_the_originals_cache_goes_there_and_back(
    bank: Path, tmp_path: Path, tokenizer_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "knowledge_cache.pt"
    assert main(["export", str(bank), "--format", "original", "--output", str(cache)]) == 0
    assert torch.equal(torch.load(cache, weights_only=True), load_file(bank / WEIGHTS)["memory_bank"])
    mapping = json.loads((tmp_path / "knowledge_cache_mapping.json").read_text(encoding="utf-8"))
    assert [each["sentence"] for each in mapping["mappings"]] == FACTS
    assert mapping["metadata"]["total_entries"] == 6 and mapping["metadata"]["knowledge_num"] == N
    again = ["build", "--data", str(cache), "--output", str(tmp_path / "made"), "--tokenizer", str(tokenizer_folder)]
    assert main(again) == 0
    assert load_file(tmp_path / "made" / WEIGHTS)["memory_bank"].equal(load_file(bank / WEIGHTS)["memory_bank"])
    assert [row["sentence"] for row in shown(tmp_path / "made", "0-5", capsys)] == FACTS
    (tmp_path / "knowledge_cache_mapping.json").unlink()
    shutil.rmtree(tmp_path / "made")
    assert main(again) == 0 and shown(tmp_path / "made", "4", capsys)[0]["sentence"] == FACTS[4]


class Evil:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("evil",)


@pytest.mark.parametrize(
    ("made", "words", "what"),
    [
        (torch.zeros(9, 4, dtype=torch.int64), SIZES, "has the shape [9, 4], and [16, 32] was asked for"),
        (torch.zeros(16, 32), [], "is of the type torch.float32"),
        (torch.zeros(16, dtype=torch.int64), [], "has the shape [16]"),
        (torch.full((16, 32), 999), [], "row 0 has the token 999, and the vocabulary has 258"),
        (torch.full((16, 32), -1), [], "row 0 has the token -1"),
        ({"bank": torch.zeros(2, 2)}, [], "holds no tensor, but dict"),
        (Evil(), [], "is not a saved tensor"),
        (torch.zeros(15, 32, dtype=torch.int64), [], "not a perfect square"),
    ],
)
def test_a_cache_of_another_form_is_refused(
    made: object, words: list[str], what: str, tmp_path: Path, tokenizer_folder: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    torch.save(made, "cache.pt")
    again = ["build", "--data", "cache.pt", "--output", "made", "--tokenizer", str(tokenizer_folder)]
    assert main([*again, *words]) == 2
    assert what in said(capsys) and sorted(os.listdir()) == ["cache.pt"]


# ---- a bank of its own, and one among the weights of a model


@pytest.fixture(params=["bank", "checkpoint"])
def place(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def tensor_of(place: Path) -> torch.Tensor:
    found = {**load_file(next(place.glob("*.safetensors")))}
    return next(value for name, value in found.items() if name.endswith("memory_bank"))


def test_a_person_reads_a_row_and_changes_it(
    place: Path, tokenizer: Tokenizer, capsys: pytest.CaptureFixture[str]
) -> None:
    before, files = tensor_of(place).clone(), set(snapshot(place))
    assert main(["show", str(place), "3-4"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"      3  {FACTS[3]}", f"      4  {FACTS[4]}"]
    assert main(["edit", str(place), "4", "Water boils at 90 °C."]) == 0
    assert capsys.readouterr().out == f"row 4: {FACTS[4]} -> Water boils at 90 °C.\n"
    after = tensor_of(place)
    assert (before != after).any(1).nonzero()[:, 0].tolist() == [4]
    assert tokenizer.decode(after[4], skip_special_tokens=True) == "Water boils at 90 °C."
    assert shown(place, "4", capsys)[0]["sentence"] == "Water boils at 90 °C."
    assert set(snapshot(place)) - files == ({LOG, MANIFEST} if place.name == "checkpoint" else {LOG})
    assert main(["edit", str(place), "15", "The last row."]) == 0
    assert main(["edit", str(place), "3", "--empty"]) == 0
    assert [row["sentence"] for row in shown(place, "3,15", capsys)] == ["", "The last row."]


def test_everything_else_of_a_checkpoint_stays(checkpoint: Path) -> None:
    before = load_file(checkpoint / "model.safetensors")
    config = (checkpoint / "config.json").read_bytes()
    shutil.copytree(checkpoint, checkpoint.with_name("linked"), copy_function=os.link)
    twin = (checkpoint.with_name("linked") / "model.safetensors").read_bytes()
    assert main(["edit", str(checkpoint), "7", "New."]) == 0
    after = load_file(checkpoint / "model.safetensors")
    assert after.keys() == before.keys() and (checkpoint / "config.json").read_bytes() == config
    assert [name for name in after if not torch.equal(after[name], before[name])] == ["model.memory.memory_bank"]
    assert (checkpoint.with_name("linked") / "model.safetensors").read_bytes() == twin, "another link was written into"


def test_an_edit_is_undone(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tensor_of(place).clone()
    for row, sentence in ((4, "One."), (5, "Two."), (4, "Three.")):
        assert main(["edit", str(place), str(row), sentence, "--by", "Ada"]) == 0
    capsys.readouterr()
    assert main(["undo", str(place), "2"]) == 0
    assert capsys.readouterr().out == f"row 4: Three. -> One.\nrow 5: Two. -> {FACTS[5]}\n"
    assert [row["sentence"] for row in shown(place, "4,5", capsys)] == ["One.", FACTS[5]]
    assert main(["undo", str(place), "10"]) == 0
    assert torch.equal(tensor_of(place), before)
    capsys.readouterr()
    assert main(["undo", str(place)]) == 0 and capsys.readouterr().out == "nothing to take back\n"
    assert main(["log", str(place), "--json"]) == 0
    log = json.loads(capsys.readouterr().out)
    assert [each["number"] for each in log] == [1, 2, 3, 4, 5, 6] and log[0]["by"] == "Ada"
    assert [each.get("undoes") for each in log] == [None, None, None, 3, 2, 1]
    assert [each["strategy"] for each in log] == ["edit"] * 3 + ["undo"] * 3


def test_what_is_known_of_a_sentence_comes_back_with_it(
    tmp_path: Path, tokenizer_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_records(tmp_path / "d.jsonl", [{"sentence": "x" * 40, "uuid": "u1", "subject": "x"}])
    assert build(tmp_path, data, tokenizer_folder) == 0
    before = (tmp_path / "made" / ROWS).read_bytes()
    assert main(["edit", str(tmp_path / "made"), "0", "Short.", "--frozen"]) == 0
    (row,) = shown(tmp_path / "made", "0", capsys)
    assert "uuid" not in row and row["truncated"] is False
    assert main(["undo", str(tmp_path / "made")]) == 0
    assert (tmp_path / "made" / ROWS).read_bytes() == before
    manifest = json.loads((tmp_path / "made" / MANIFEST).read_text())
    for name in (WEIGHTS, ROWS):
        data = (tmp_path / "made" / name).read_bytes()
        assert manifest["files"][name] == {"size": len(data), "sha256": sha256(data).hexdigest()}


def test_many_rows_are_edited_at_once_or_none(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edits = write_records(tmp_path / "e.jsonl", [{"row": 9, "sentence": "Nine."}, {"row": 8, "sentence": "Eight."}])
    assert main(["edit", str(place), "--file", str(edits)]) == 0
    assert [row["sentence"] for row in shown(place, "8-9", capsys)] == ["Eight.", "Nine."]
    before = snapshot(place)
    write_records(edits, [{"row": 9, "sentence": "No."}, {"row": 16, "sentence": "No."}])
    assert main(["edit", str(place), "--file", str(edits)]) == 2 and "has no row 16" in said(capsys)
    write_records(edits, [{"row": 9, "sentence": "No."}, {"row": 9, "sentence": "No."}])
    assert main(["edit", str(place), "--file", str(edits)]) == 2 and "e.jsonl:2: names a row" in said(capsys)
    assert snapshot(place) == before


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["edit", "16", "x"], "has no row 16; fix: give a row from 0 to 15"),
        (["edit", "2", "x"], "row 2 is frozen: the first 3 rows are; fix: give --frozen"),
        (["edit", "7", "  "], "the sentence is empty"),
        (["edit", "7"], "needs a row and its sentence"),
        (["show", "1-99"], "has no row 99"),
        (["show", "x"], "is 'x'; fix: give a row, or several"),
        (["show", "5-3"], "give rising ranges"),
        (["undo", "0"], "cannot take back 0 changes"),
        (["search", "a", "--limit", "0"], "--limit: is 0"),
        (["export", "--output", "."], "is there already"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    place: Path, words: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(place)
    assert main([words[0], str(place), *words[1:]]) == 2
    assert what in said(capsys) and snapshot(place) == before


def test_frozen_rows_change_on_request(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["edit", str(place), "0", "Linz is it.", "--frozen"]) == 0
    assert shown(place, "0", capsys)[0]["sentence"] == "Linz is it."


def test_rows_are_found_by_their_words(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, rows in (["capital", "Zorvania"], [0]), (["RIVER"], [1]), (["沸点"], [4]), (["in", "cats"], [2, 3, 5]):
        assert main(["search", str(place), *words, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert sorted(each["row"] for each in found)[: len(rows)] == rows or found[0]["row"] == rows[0], found
    assert main(["search", str(place), "no-such-thing"]) == 0
    assert capsys.readouterr().out == "no row has any of that\n"


def test_rows_are_found_by_keys(
    place: Path,
    model: object,
    tokenizer: Tokenizer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("memory.lookup.load_model", lambda place: (model, tokenizer))
    assert main(["search", str(place), "Cats eat fisch.", "--model", "a model", "--json"]) == 0
    best = json.loads(capsys.readouterr().out)[0]
    assert best["row"] == 2 and best["score"] > 0.9


def test_exports_are_read_by_others(
    place: Path, tmp_path: Path, tokenizer_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(place), "--format", "csv", "--output", str(tmp_path / "rows.csv")]) == 0
    with open(tmp_path / "rows.csv", encoding="utf-8", newline="") as file:
        assert [row["sentence"] for row in csv.DictReader(file)] == FACTS
    assert main(["export", str(place), "--output", str(tmp_path / "rows.jsonl")]) == 0
    assert build(tmp_path, tmp_path / "rows.jsonl", tokenizer_folder) == 0
    assert torch.equal(tensor_of(tmp_path / "made"), tensor_of(place))


def test_a_bank_of_another_tokenizer_is_refused_by_name(
    bank: Path, model: object, other_tokenizer_folder: Path, tokenizer_folder: Path, facts_file: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from memory.loading import load_bank

    from transformers import AutoTokenizer

    before = model.memory_bank.clone()
    with pytest.raises(
        BankError, match="built with the tokenizer of reader-of-bytes, and this is that of another-reader"
    ):
        load_bank(model, AutoTokenizer.from_pretrained(other_tokenizer_folder), bank)
    assert torch.equal(model.memory_bank, before)
    words = ["--model", str(other_tokenizer_folder)]
    assert build(tmp_path, facts_file, tokenizer_folder, *words) == 2
    assert "another-reader" in (line := said(capsys)) and "reader-of-bytes" in line
    assert load_bank(model, AutoTokenizer.from_pretrained(tokenizer_folder), bank) == 6
    assert torch.equal(model.memory_bank, tensor_of(bank))


def test_a_bank_is_built_for_a_model(
    checkpoint: Path, facts_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["build", "--data", str(facts_file), "--output", str(tmp_path / "made"), "--model", str(checkpoint)]
    assert main([*given, "--knowledge-num", "25"]) == 2 and "the model has 16 of 32" in said(capsys)
    assert main(given) == 0
    assert torch.equal(tensor_of(tmp_path / "made"), tensor_of(checkpoint))


# ---- damaged files


def test_damaged_banks_are_one_line(bank: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(what: str, path: str = "") -> None:
        assert main(["show", str(bank), "0"]) == 2
        assert what in (line := said(capsys)) and path in line

    whole = (bank / WEIGHTS).read_bytes()
    (bank / WEIGHTS).write_bytes(whole[:-8])
    refused("is truncated", WEIGHTS)
    save_file({"memory_bank": torch.zeros(16, 31, dtype=torch.int64)}, bank / WEIGHTS)
    refused("has the shape [16, 31], and [16, 32] was said")
    save_file({"memory_bank": torch.zeros(16, 32)}, bank / WEIGHTS)
    refused("is of the type F32")
    (bank / WEIGHTS).write_bytes(whole)
    manifest = json.loads((bank / MANIFEST).read_text())
    for field, value in (("knowledge_num", 15), ("vocab_size", "x"), ("tokenizer", 3), ("pad_token_id", 1e9)):
        (bank / MANIFEST).write_text(json.dumps({**manifest, field: value}))
        refused(f"`{field}`", MANIFEST)
    (bank / MANIFEST).write_text("{")
    refused("is not JSON", MANIFEST)
    (bank / MANIFEST).unlink()
    refused("holds no bank")


def test_lines_that_do_not_fit_their_row_are_not_believed(bank: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (bank / ROWS).read_text(encoding="utf-8")
    (bank / ROWS).write_text("nonsense\n" + text.replace("Melk", "Linz", 1).replace("[", "[7, ", 1), encoding="utf-8")
    assert [row["sentence"] for row in shown(bank, "0-5", capsys)] == FACTS
    with open(bank / ROWS, "a", encoding="utf-8") as file:
        file.write(
            '{"row": 9, "sentence": "never',
        )
    assert main(["edit", str(bank), "1", "The Dun dried up.", "--frozen"]) == 0
    assert [row["sentence"] for row in shown(bank, "0,1,9", capsys)] == [FACTS[0], "The Dun dried up.", ""]


def test_encoding_cuts_and_pads(tokenizer: Tokenizer) -> None:
    encoded = encode(tokenizer, ["abcdef", "a", ""], Shape(4, 3, 0, 258, 0))
    assert encoded.counts == (6, 1, 0) and encoded.ids.shape == (3, 3)
    assert (encoded.ids != 0).sum(1).tolist() == [3, 1, 0] and encoded.ids.dtype == np.int64


@pytest.mark.parametrize(
    "line", [b"\xff", b'{"row": true, "sentence": "x"}', b'{"row": 4}', b'{"row": 4, "sentence": "\\ud800"}']
)
def test_edits_that_are_none_are_one_line(
    line: bytes, bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(bank)
    edits = write_records(tmp_path / "e.jsonl", [{"row": 9, "sentence": "Nine."}, line])
    assert main(["edit", str(bank), "--file", str(edits)]) == 2
    said(capsys)
    assert snapshot(bank) == before


def test_a_sentence_that_the_tokenizer_cannot_read_is_told(bank: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["edit", str(bank), "9", "half \udcff"]) == 2  # as an argument is that is no UTF-8
    assert "cannot be read by the tokenizer" in said(capsys)


def test_rights_of_weights_stay(place: Path) -> None:
    weights = next(place.glob("*.safetensors"))
    weights.chmod(0o640)
    assert main(["edit", str(place), "9", "Nine."]) == 0
    assert weights.stat().st_mode & 0o777 == 0o640


def test_an_interrupted_build_leaves_no_bank_and_is_run_again(
    tmp_path: Path, facts_file: Path, tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("memory.building._finish", interrupted)
        assert build(tmp_path, facts_file, tokenizer_folder) == 130
    assert not (tmp_path / "made").exists()
    assert build(tmp_path, facts_file, tokenizer_folder) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["facts.jsonl", "made"]


def test_the_manifest_of_a_gated_checkpoint_follows(tmp_path: Path, tokenizer: Tokenizer) -> None:
    """Its bank is in a file of its own, as `gate_checkpoint.py` puts what is not the base's."""
    from checkpoints import gate_checkpoint
    from checkpoints.hashing import sha256_of
    from checkpoints.layout import INDEX
    from checkpoints.manifest import read_manifest

    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=258, **sizes)).save_pretrained(tmp_path / "base")
    folder = gate_checkpoint(tmp_path / "base", tmp_path / "gated").plan.output
    tokenizer.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    memory = {"knowledge_num": 16, "knowledge_length": 32, "memory_pad_token_id": 0, "freeze_ratio": 0.2}
    (folder / "config.json").write_text(json.dumps(config | memory))
    gates = next(name for name in read_manifest(folder)["files"] if "gate" in name and name.endswith(".safetensors"))
    tensors = load_file(folder / gates) | {"model.memory_bank": torch.zeros(16, 32, dtype=torch.int64)}
    save_file(tensors, folder / gates, {"format": "pt"})
    index = json.loads((folder / INDEX).read_text())
    index["weight_map"]["model.memory_bank"] = gates
    (folder / INDEX).write_text(json.dumps(index))
    others = {name: data for name, data in snapshot(folder).items() if name.startswith("model") and name != gates}
    assert main(["edit", str(folder), "9", "Nine."]) == 0
    entry = read_manifest(folder)["files"][gates]
    assert entry["sha256"] == sha256_of(folder / gates) and entry["size"] == (folder / gates).stat().st_size
    assert others == {name: data for name, data in snapshot(folder).items() if name in others} != {}
    assert load_file(folder / gates)["model.memory_bank"][9].any()


def test_a_bank_is_put_into_a_model(
    bank: Path, model: object, tokenizer: Tokenizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from memory.loading import load_bank

    cache = tmp_path / "knowledge_cache.pt"
    assert main(["export", str(bank), "--format", "original", "--output", str(cache)]) == 0
    wanted = tensor_of(bank)
    for place in (bank, bank / WEIGHTS, cache):
        model.memory_bank.fill_(7)
        assert load_bank(model, tokenizer, place) == 6 and torch.equal(model.memory_bank, wanted)
    model.config.memory_pad_token_id = 3
    assert load_bank(model, tokenizer, bank) == 6
    assert torch.equal(model.memory_bank, torch.where(wanted == 0, 3, wanted)), "rows are filled up as the model does"


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("knowledge_num", 25, "`knowledge_num` is 16, and the model's is 25"),
        ("knowledge_length", 31, "`knowledge_length` is 32, and the model's is 31"),
        ("vocab_size", 60, "the vocabulary has 60"),
    ],
)
def test_a_bank_for_another_model_is_refused(
    field: str, value: int, what: str, bank: Path, model: object, tokenizer: Tokenizer
) -> None:
    from memory.loading import load_bank

    setattr(model.config, field, value)
    with pytest.raises(ValueError, match=what):
        load_bank(model, tokenizer, bank)
    assert model.written == []
