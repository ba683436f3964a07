"""Runs that are killed, and disks that fill up: what is left is complete, or is completed by running again.

CHECKPOINT_FAULT_RUNS sets how many runs are killed; `make checkpoint-faults` kills a thousand.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bases import contents, make_bulky_base, make_sharded_base, quick_folder
from checkpoints import CheckpointError, Options, gate_checkpoint, ungate_checkpoint


RUNS = int(os.environ.get("CHECKPOINT_FAULT_RUNS", "100"))
UTILS, HERE = Path(__file__).parents[2] / "utils", Path(__file__).parent
# What a run does to files; where it is killed is the number of one of these.
EVENTS = {"open", "os.mkdir", "os.link", "os.symlink", "os.rename", "os.remove", "os.listdir"}
WAYS = {
    "linked": Options(),
    "copied": Options(link="copy"),
    "symlinked": Options(link="symlink"),
    "written anew": Options(dtype="float16"),
}


def gate(base: Path, folder: Path, way: str) -> None:
    gate_checkpoint(base, folder / "gated", options=WAYS[way])


def in_child(work: Callable[[], None], before: Callable[[], None] = lambda: None) -> int:
    """Start `work` in a process of its own, which ends with 0 where it returns; its number."""
    child = os.fork()
    if child:
        return child
    try:
        before()
        work()
        os._exit(0)
    except CheckpointError as error:
        os.write(2, f"{error}\n".encode())
        os._exit(3 if error.resumable else 4)
    finally:
        os._exit(1)


def kill_at(number: int) -> None:
    """Have this process killed when it is about to do something to files for the `number`th time."""
    left = number

    def hook(event: str, _: object) -> None:
        nonlocal left
        if event in EVENTS:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def count_events(work: Callable[[], None], note: Path) -> int:
    def count() -> None:
        seen = [0]
        sys.addaudithook(lambda event, _: seen.__setitem__(0, seen[0] + (event in EVENTS)))
        work()
        number = seen[0]
        note.write_text(str(number))

    os.waitpid(in_child(count), 0)
    return int(note.read_text())


def like(folder: Path) -> dict[str, str]:
    """The contents of a checkpoint, but for a mark of progress, which a run that was killed last of all leaves."""
    return {name: digest for name, digest in contents(folder).items() if name != "quality_gate_progress.json"}


def check_what_is_left(folder: Path, output: Path, whole: dict[str, str]) -> str:
    """Nothing, a complete folder, or one that is clearly partial and that nothing loads; which of them it is."""
    if output.exists():
        assert like(output) == whole
        return "complete"
    partial = folder / f"{output.name}.partial"
    if not partial.exists():
        return "absent"
    if (partial / "config.json").exists():  # written last: without it nothing takes the folder for a model
        assert like(partial) == whole
    assert (partial / "quality_gate_progress.json").exists() or all(
        name.name.endswith(".part") for name in partial.iterdir()
    )
    return "partial"


def survive(
    folder: Path, output: Path, work: Callable[[], None], whole: dict[str, str], kill: Callable[[int], None] | int
) -> str:
    """Kill a run, look at what it left, and run again."""
    if isinstance(kill, int):
        child = in_child(work, lambda: kill_at(kill))
    else:
        child = in_child(work)
        kill(child)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    left = check_what_is_left(folder, output, whole)
    work()
    assert contents(output) == whole and not (folder / f"{output.name}.partial").exists()
    shutil.rmtree(output)
    return left


@pytest.fixture(name="folder")
def folder_in_memory() -> Iterator[Path]:
    with quick_folder() as folder:
        yield Path(folder)


@pytest.fixture(name="base")
def base_of_some_size(folder: Path) -> Path:
    return make_bulky_base(folder / "base")


def test_killed_anywhere(base: Path, folder: Path) -> None:
    """Half of the runs are killed before a random one of all they do to files, half at a random moment."""
    numbers, before = random.Random(0), contents(base)
    left: dict[str, int] = {}
    top = folder
    for way, options in WAYS.items():
        folder = top / way
        folder.mkdir()
        began = time.perf_counter()
        gate(base, folder, way)
        seconds, whole = time.perf_counter() - began, contents(folder / "gated")
        shutil.rmtree(folder / "gated")
        events = count_events(lambda: gate(base, folder, way), folder / "events")  # noqa: B023 - called at once
        shutil.rmtree(folder / "gated")
        assert options.link == "hard" or events > 50
        for run in range(RUNS // len(WAYS)):
            moment = numbers.uniform(0, 1.2 * seconds)

            def kill(child: int, moment: float = moment) -> None:
                time.sleep(moment)
                os.kill(child, signal.SIGKILL)

            how = kill if run % 2 else numbers.randint(1, events)
            state = survive(folder, folder / "gated", lambda: gate(base, folder, way), whole, how)  # noqa: B023
            left[state] = left.get(state, 0) + 1
    assert contents(base) == before
    print(f"{sum(left.values())} runs were killed, and left: {left}")
    assert left["partial"] >= RUNS // 10


def test_ungating_killed_before_every_step(folder: Path) -> None:
    base = make_sharded_base(folder / "base")
    gate_checkpoint(base, folder / "gated")
    whole = contents(base)

    def work() -> None:
        try:
            ungate_checkpoint(folder / "gated", folder / "out")
        except CheckpointError as error:
            assert "is not empty" in str(error) or "holds a checkpoint" in str(error)  # it was complete, mark and all

    events = count_events(work, folder / "events")
    shutil.rmtree(folder / "out")
    for number in range(1, events + 1):
        survive(folder, folder / "out", work, whole, number)
    assert contents(base) == whole


@pytest.mark.parametrize("way", ["copied", "written anew"])
def test_a_disk_that_takes_no_more(way: str, base: Path, folder: Path) -> None:
    """A limit on the size of files stops a run as a full disk does; without it, the run is completed."""
    gate(base, folder / "reference", way)
    whole = contents(folder / "reference" / "gated")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    _, status = os.waitpid(in_child(lambda: gate(base, folder, way), limit), 0)
    assert os.waitstatus_to_exitcode(status) == 3  # refused, to be resumed
    assert check_what_is_left(folder, folder / "gated", whole) == "partial"
    gate(base, folder, way)
    assert contents(folder / "gated") == whole


ON_A_SMALL_DISK = """
import json, subprocess, sys
from pathlib import Path
import checkpoints.gating
from bases import contents
from checkpoints import CheckpointError, Options, gate_checkpoint

base, disk, link = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1200k", "tmpfs", str(disk)], check=True)
options, told = Options(link="copy") if link == "copied" else Options(dtype="float16", link="copy"), []
try:
    gate_checkpoint(base, disk / "gated", options=options)
except CheckpointError as error:
    told.append(str(error))
before = sorted(path.name for path in disk.iterdir())
checkpoints.gating.free_space = lambda _: 1 << 40  # somebody else fills the disk after it was looked at
try:
    gate_checkpoint(base, disk / "gated", options=options)
except CheckpointError as error:
    told.append((str(error), error.resumable))
after = sorted(path.name for path in disk.iterdir())
subprocess.run(["mount", "-o", "remount,size=40m", str(disk)], check=True)
gate_checkpoint(base, disk / "gated", options=options)
print(json.dumps({"told": told, "before": before, "after": after, "contents": contents(disk / "gated")}))
"""


def may_mount() -> bool:
    """Whether this system lets a process mount what only it sees."""
    command = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return bool(shutil.which("unshare")) and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.parametrize("way", ["copied", "written anew"])
def test_a_full_disk(way: str, folder: Path) -> None:
    """A disk of 1.2 MB: refused beforehand; filled up meanwhile; and completed when there is room."""
    if not may_mount():
        pytest.skip("this system does not let a user mount a small disk: the limit on files above stands for it")
    base = make_bulky_base(folder / "base", 12)
    gate(base, folder, way)
    (folder / "disk").mkdir()
    command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", ON_A_SMALL_DISK]
    paths = os.environ | {"PYTHONPATH": f"{UTILS}:{HERE}"}
    done = subprocess.run([*command, base, folder / "disk", way], env=paths, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "free disk space" in found["told"][0] and found["before"] == []
    assert "no space left on device; fix: free disk space" in found["told"][1][0] and found["told"][1][1] is True
    assert found["after"] == ["gated.partial"]
    weights = {name: digest for name, digest in contents(folder / "gated").items() if name.endswith(".safetensors")}
    assert {name: found["contents"][name] for name in weights} == weights


ON_A_READ_ONLY_DISK = """
import subprocess, sys
from checkpoints.cli import gate
subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", sys.argv[2]], check=True)
sys.exit(gate(["--base", sys.argv[1], "--output", f"{sys.argv[2]}/gated"]))
"""


def test_a_read_only_disk(folder: Path) -> None:
    if not may_mount():
        pytest.skip("this system does not let a user mount a disk: a refusing system call stands for it elsewhere")
    base = make_sharded_base(folder / "base")
    (folder / "disk").mkdir()
    command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", ON_A_READ_ONLY_DISK]
    paths = os.environ | {"PYTHONPATH": str(UTILS)}
    done = subprocess.run([*command, base, folder / "disk"], env=paths, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "gated.partial: read-only file system; fix: choose an --output that can be written to" in done.stderr


def test_two_runs_at_once_do_not_mix(base: Path, folder: Path) -> None:
    children = [in_child(lambda: gate(base, folder, "copied")) for _ in range(2)]
    statuses = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    assert statuses in ([0, 0], [0, 4])  # one of them may come when the other is done
    whole = contents(folder / "gated")
    shutil.rmtree(folder / "gated")
    gate(base, folder, "copied")
    assert contents(folder / "gated") == whole
