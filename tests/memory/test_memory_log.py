"""The log of changes: torn lines, processes that die at any point, processes and threads that change one bank at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import memory.disk as disk
import pytest
from memory.bank_files import WEIGHTS
from memory.errors import BankError
from memory.locking import locked
from memory.log import LOG, ChangeLog, MemoryLog, taken_back
from memory.opening import open_bank
from memory.values import Change
from memory_models import FACTS


ROOT = Path(__file__).parents[2]
CHANGE = Change(4, (1, 2), "old", (3,), "new", "edit", "Ada")


def sentences(bank: Path, *rows: int) -> list[str]:
    return [row.sentence for row in open_bank(bank).rows(rows)]


@pytest.fixture(params=["bank", "checkpoint"])
def place(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def test_a_torn_last_line_is_skipped_and_stays(tmp_path: Path) -> None:
    log = ChangeLog(tmp_path / "log.jsonl")
    log.append([CHANGE, CHANGE])
    whole = log.path.read_bytes()
    for cut in (1, 20, len(whole) // 2 - 3):
        log.path.write_bytes(whole + whole[:cut])
        assert [change.number for _, change in log.read()] == [1, 2]
    (added,) = log.append([CHANGE])
    assert added.number == 3 and [change.number for _, change in log.read()] == [1, 2, 3]
    assert log.path.read_bytes().startswith(whole + whole[:cut] + b"\n")
    assert added.time and next(log.read())[1] == Change(
        **{**_fields(CHANGE), "number": 1, "time": json.loads(whole.split(b"\n")[0])["time"]}
    )


def _fields(change: Change) -> dict:
    return {name: getattr(change, name) for name in Change.__slots__}


NONSENSE = [
    "",
    "{}",
    "[]",
    '{"row": -1}',
    "null",
    '{"number": 1, "row": "x", "old_ids": [], "new_ids": []}',
    "[" * 2000,
]


@pytest.mark.parametrize("line", NONSENSE)
def test_lines_of_others_are_no_changes(line: str, tmp_path: Path) -> None:
    log = ChangeLog(tmp_path / "log.jsonl")
    log.path.write_text(f"{line}\n{line}")
    assert list(log.read()) == [] and log.append([CHANGE])[0].number == 1
    assert [change.row for _, change in log.read()] == [4]


def test_numbers_go_on_behind_any_length_of_line(tmp_path: Path) -> None:
    log = ChangeLog(tmp_path / "log.jsonl")
    long = Change(4, (), "", (1,), "x" * 300_000, "edit")
    assert [log.append([long])[0].number for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("kind", [ChangeLog, MemoryLog])
def test_what_was_taken_back_is_not_taken_back_again(kind: type, tmp_path: Path) -> None:
    log = ChangeLog(tmp_path / "log.jsonl") if kind is ChangeLog else MemoryLog()
    first, second, third = log.append([CHANGE] * 3)
    assert log.undoable(2) == [third, second]
    log.append([taken_back(third, "Ada")])
    assert log.undoable(5) == [second, first]
    fourth = log.append([CHANGE])[0]
    assert log.undoable(2) == [fourth, second] and fourth.number == 5


# ---- processes that die


POINTS = ["append", "write_patched", "changed_rows", "write_manifest", "sync_folder"]


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_process_leaves_the_bank_as_it_was_or_as_it_is_to_be(place: Path, point: str) -> None:
    if point == "changed_rows" and place.name == "checkpoint":
        pytest.skip("a checkpoint has no lines")
    bank = open_bank(place)
    _ = bank.tokenizer
    child = os.fork()
    if not child:
        owner = ChangeLog if point == "append" else disk
        setattr(owner, point, lambda *_: os._exit(9))
        try:
            bank.edit({5: "Bergen is dry.", 9: "New."})
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    wanted = [FACTS[5], ""] if point == "append" else ["Bergen is dry.", "New."]
    assert sentences(place, 5, 9) == wanted
    assert sentences(place, 0, 1, 2, 3, 4) == FACTS[:5]
    assert len(open_bank(place).undo(2)) == (0 if point == "append" else 2)
    assert sentences(place, 5, 9) == [FACTS[5], ""]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_change_that_cannot_be_written_leaves_no_trace(
    place: Path, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_bank(place).edit({9: "Before."})
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("checkpoints.writing.os.fsync", fails) if isinstance(error, OSError) else None
    monkeypatch.setattr(disk, "write_patched", fails)
    with pytest.raises(type(error)):
        open_bank(place).edit({9: "After."})
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
    assert sentences(place, 9) == ["Before."]


def test_half_written_weights_are_taken_away(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bank = open_bank(place)
    whole = os.fsync

    def full(handle: int) -> None:
        if os.readlink(f"/proc/self/fd/{handle}").endswith(".safetensors.part"):
            raise OSError(28, "No space left on device")
        whole(handle)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("nothing says which file a handle is of")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        bank.edit({9: "After."})
    assert not list(place.glob("*.part")) and sentences(place, 9) == [""]
    assert list(bank.log.read()) == []


def test_a_log_of_another_bank_is_refused(bank: Path) -> None:
    for change, what in (
        (Change(99, (), "", (3,), "x", "edit"), "has no row 99"),
        (Change(9, (), "", (999,), "x", "edit"), "has the token 999"),
        (Change(9, (), "", (3,) * 33, "x", "edit"), "has 33 tokens, and a row has 32"),
    ):
        before = (bank / WEIGHTS).read_bytes()
        ChangeLog(bank / LOG).append([change])
        with pytest.raises(BankError, match=what):
            open_bank(bank)
        assert (bank / WEIGHTS).read_bytes() == before
        (bank / LOG).unlink()


def test_a_row_that_is_not_what_the_log_says_is_not_taken_back(checkpoint: Path) -> None:
    from safetensors.torch import load_file, save_file

    open_bank(checkpoint).edit({9: "New."})
    weights = load_file(checkpoint / "model.safetensors")
    weights["model.memory.memory_bank"][9] = 7  # as a model does that is saved again
    save_file(weights, checkpoint / "model.safetensors", {"format": "pt"})
    with pytest.raises(BankError, match="row 9 is not what change 1 of the log made of it"):
        open_bank(checkpoint).undo()


# ---- several at once


def edit_in_a_process(bank: disk.DiskBank, who: int, count: int) -> int:
    """Start a process that changes a row of its own and one that all change; its number."""
    child = os.fork()
    if not child:
        try:
            for number in range(count):
                bank.edit({3: f"{who} {number}", 4 + who: f"{who} {number}"}, by=str(who))
            os._exit(0)
        finally:
            os._exit(1)
    return child


def test_processes_change_one_bank_at_once(place: Path) -> None:
    bank = open_bank(place)
    _ = bank.tokenizer
    running = [edit_in_a_process(bank, who, 6) for who in range(3)]
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in running] == [0] * 3
    changes = [change for _, change in open_bank(place).log.read()]
    assert [change.number for change in changes] == list(range(1, 37))
    for who in range(3):
        mine = [change.new_sentence for change in changes if change.by == str(who) and change.row == 4 + who]
        assert mine == [f"{who} {number}" for number in range(6)]
    now: dict[int, str] = {}
    for change in changes:
        assert change.old_sentence == now.get(change.row, FACTS[change.row] if change.row < 6 else "")
        now[change.row] = change.new_sentence
    assert sentences(place, *sorted(now)) == [now[row] for row in sorted(now)]
    open_bank(place).undo(36)
    assert sentences(place, 3, 4, 5, 6) == [*FACTS[3:6], ""]


def test_threads_change_one_bank_at_once(bank: Path) -> None:
    place = open_bank(bank)
    _ = place.tokenizer
    failed: list[BaseException] = []

    def edit(who: int) -> None:
        try:
            for number in range(5):
                place.edit({3: f"{who} {number}", 8 + who: f"{who} {number}"})
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=edit, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [] and len(list(place.log.read())) == 40
    assert sentences(bank, 8, 9, 10, 11) == [f"{who} 4" for who in range(4)]


def test_a_lock_is_waited_for_and_then_refused(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = "import sys, time; from pathlib import Path; from memory.locking import locked\nwith locked(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "utils")}
    other = subprocess.Popen([sys.executable, "-c", code, str(path)], env=environment, stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(BankError, match="is held by another process or thread"), locked(path, 0.1):
            raise AssertionError("two had it")
    finally:
        other.kill()
        other.communicate()
    with locked(path, 5), locked(path, 5):  # who is killed holds nothing, and who has it may take it again
        pass
