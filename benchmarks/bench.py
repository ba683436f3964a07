"""How long conversions take, as whole processes: `make bench`.

Each job runs several times and its medians are printed: wall seconds, CPU seconds of all its processes, and the peak of
their memory together. The yardstick does not depend on the machine: parsing once, with libcst, every modular file of
the release and every base file that they import, in one process.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


ROOT = Path(__file__).resolve().parent.parent
CONVERTER = [sys.executable, str(ROOT / "utils" / "modular_converter.py")]
FOUR = ("--model", "llama", "--model", "qwen3", "--model", "gemma3", "--model", "gpt_oss")
SAMPLE_SECONDS = 0.02
YARDSTICK = """
import re, sys
from pathlib import Path
import libcst
package = Path(sys.argv[1])
texts = {path: path.read_text(encoding="utf-8") for path in sorted(package.glob("models/*/modular_*.py"))}
imports = re.compile(r"^from (?:\\.\\.|transformers\\.models\\.)(\\w+)\\.(\\w+) import", re.M)
named = {package / "models" / model / f"{name}.py" for text in texts.values() for model, name in imports.findall(text)}
texts |= {path: path.read_text(encoding="utf-8") for path in sorted(named) if path.exists()}
for text in texts.values():
    libcst.parse_module(text)
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run cost."""

    wall: float  # seconds
    cpu: float  # seconds, user and system, of all processes
    memory: float  # MiB, proportional set size of all processes together at its peak; 0 where /proc does not tell


def run(command: Sequence[str], environment: dict[str, str]) -> Figures:
    """Run a command to its end; raises CalledProcessError where it fails."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = [0.0]
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peak, done))
    watcher.start()
    status = process.wait()
    wall = time.perf_counter() - started
    done.set()
    watcher.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if status:
        raise subprocess.CalledProcessError(status, command)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Figures(wall, cpu, peak[0])


def _watch(pid: int, peak: list[float], done: threading.Event) -> None:
    while not done.wait(SAMPLE_SECONDS):
        peak[0] = max(peak[0], sum(map(_memory, _family(pid))))


def _family(pid: int) -> list[int]:
    """A process and all its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(member for child in children for member in _family(int(child)))]


def _memory(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def jobs(package: Path, cache: Path) -> dict[str, tuple[list[str], Callable[[], None]]]:
    """Name -> the command, and what to do before each run of it."""

    def forget() -> None:
        shutil.rmtree(cache, ignore_errors=True)

    def keep() -> None:
        pass

    tree = [*CONVERTER, "--tree", str(package), "--check", "--quiet"]
    return {
        "one model, cold": ([*CONVERTER, "--model", "llama", "--stdout"], forget),
        "the four, nothing changed": ([*CONVERTER, *FOUR, "--check"], keep),
        "release, cold": (tree, forget),
        "release, nothing changed": (tree, keep),
        "import libcst": ([sys.executable, "-c", "import libcst"], keep),
    }


def measure(command: Sequence[str], prepare: Callable[[], None], runs: int, environment: dict[str, str]) -> Figures:
    """The medians of several runs."""
    figures = []
    for _ in range(runs):
        prepare()
        figures.append(run(command, environment))
    return Figures(*(statistics.median(getattr(each, name) for each in figures) for name in Figures.__slots__))


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="runs of each job (default: %(default)s)")
    parser.add_argument("--smoke", action="store_true", help="one run of the quick jobs: shows that this script works")
    args = parser.parse_args()
    package = Path(importlib.util.find_spec("transformers").submodule_search_locations[0])
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"QUALITY_GATE_CACHE_DIR": folder}
        print(f"{'':<28}{'wall s':>9}{'CPU s':>9}{'MiB':>8}")
        found = {}
        for name, (command, prepare) in jobs(package, Path(folder)).items():
            if args.smoke and name.startswith("release"):
                continue
            if prepare.__name__ == "keep" and "nothing changed" in name:
                run(command, environment)  # fills the cache
            found[name] = measure(command, prepare, 1 if args.smoke else args.runs, environment)
            print(f"{name:<28}{found[name].wall:>9.2f}{found[name].cpu:>9.2f}{found[name].memory:>8.0f}", flush=True)
        if not args.smoke:
            parsing = run([sys.executable, "-c", YARDSTICK, str(package)], environment)
            print(f"{'parse all with libcst':<28}{parsing.wall:>9.2f}{parsing.cpu:>9.2f}{parsing.memory:>8.0f}")
            print(f"release, cold / parse all with libcst, CPU: {found['release, cold'].cpu / parsing.cpu:.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
