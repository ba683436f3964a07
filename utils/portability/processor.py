"""What processor this is, and with how many threads and which kernels torch runs on it."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from processes.cores import cores


CPUINFO = Path("/proc/cpuinfo")
NOTED = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")  # flags worth a word


def read_processor(text: str) -> tuple[str, frozenset[str]]:
    """Name and flags of the first processor in the text of /proc/cpuinfo, as far as it tells."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip().lower(), value.strip())
    flags = frozenset((fields.get("flags") or fields.get("features") or "").split())
    return fields.get("model name") or platform.processor() or platform.machine(), flags


def this_processor() -> tuple[str, frozenset[str]]:
    """Name and flags of this processor."""
    return read_processor(CPUINFO.read_text(encoding="utf-8", errors="replace") if CPUINFO.exists() else "")


def described(environment: Mapping[str, str] = os.environ) -> str:
    """One line that says what a run of tests ran on: processor, cores, threads, torch and its kernels."""
    import torch  # late: two seconds, which reading a processor's flags does without

    name, flags = this_processor()
    known = ", ".join(flag for flag in NOTED if flag in flags) or "flags unknown"
    asked = environment.get("OMP_NUM_THREADS")
    threads = f"{torch.get_num_threads()} thread{'s' * (torch.get_num_threads() != 1)} a process"
    return (
        f"{name} ({known}), {cores()} cores, {threads}{f' (OMP_NUM_THREADS={asked})' if asked else ''}; "
        f"torch {torch.__version__} with {torch.backends.cpu.get_cpu_capability()} kernels"
        f"{', MKL' if torch.backends.mkl.is_available() else ''}"
        f"{', oneDNN' if torch.backends.mkldnn.is_available() else ''}; Python {platform.python_version()}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print the line; exit status 0."""
    argparse.ArgumentParser(description="Say what processor this is, and what torch runs on it.").parse_args(argv)
    print(described(), flush=True)
    return 0
