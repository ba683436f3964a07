"""pytest on one machine, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from places import UTILS

from portability.values import Machine, MachineResult


# What computes nothing, and what would compile anew for every layout.
LEFT_OUT = "not TestConfig and not TestPlans and not TestCompile"
_SUMMARY = re.compile(r"(\d+) passed")
_FAILED = re.compile(r"^(?:FAILED|ERROR) \S*?(\w+_gate_\w+)/\S+?\.py::(.*?)(?: - .*)?$", re.MULTILINE)


def run(machine: Machine, suites: Sequence[Path], project: Path, jobs: int, tests: str = "") -> MachineResult:
    """Run suites on a machine.

    Args:
        machine: the machine that is acted.
        suites: folders of rendered suites.
        project: where pytest starts: what it finds its settings in.
        jobs: processes.
        tests: which of them, as pytest's `-k` takes them; all that compute without.
    """
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "portability.plugin"]
    command += ["--tb=line", "--no-header", "-W", "ignore", "-k", f"({tests}) and {LEFT_OUT}" if tests else LEFT_OUT]
    command += ["--numprocesses", str(jobs)] if jobs > 1 else []
    started = time.monotonic()
    done = subprocess.run(
        [*command, *map(str, suites)],
        cwd=project,
        env=os.environ | environment(machine),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    passed = _SUMMARY.search(done.stdout)
    failed = tuple(f"{suite}::{test}" for suite, test in _FAILED.findall(done.stdout))
    number = int(passed[1]) if passed else 0
    # Python ends with 1, too, where pytest is missing
    broken = done.returncode not in (0, 1) or not (number or failed)
    said = " ".join((done.stdout + done.stderr).split())[-600:] if broken else ""
    return MachineResult(machine, done.returncode, number, failed, time.monotonic() - started, said)


def environment(machine: Machine) -> Mapping[str, str]:
    """What makes a process that machine."""
    return {
        **machine.kernels.environment,
        "PORTABILITY_LAYOUTS": ",".join(map(str, machine.layouts)),
        "PORTABILITY_CAPABILITY": machine.kernels.capability,
        "PORTABILITY_BY_ADDRESS": "1" if machine.kernels.by_address else "",
        "OMP_NUM_THREADS": "1",  # to begin with: each test sets its own number
        "OMP_WAIT_POLICY": "passive",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONPATH": str(UTILS),
    }
