"""A process that serves one request, seen from outside: `python -m`, JSON in, lines out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


_GRACE = 10  # seconds


def quiet_environment(path: Iterable[Path]) -> dict[str, str]:
    """Environment variables with which Python looks in `path` first, uses no network, and one thread."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return kept | {
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


class EndedEarly(Exception):
    """The process ended with an error; the message is the file that holds what it said."""


def served(
    module: str, asked: Mapping[str, Any], folder: Path, environment: Mapping[str, str], said: Path
) -> Iterator[str]:
    """The lines that a module prints in answer to a request, as they come. It ends with whoever asks.

    Args:
        module: its name, as for `python -m`; it reads the request from standard input.
        asked: the request.
        folder: where it runs.
        environment: all of its environment variables.
        said: the file for what it says besides.

    Raises:
        EndedEarly: it ended with an error.
    """
    with (
        open(said, "w", encoding="utf-8") as log,
        subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            encoding="utf-8",
        ) as server,
    ):
        assert server.stdin is not None and server.stdout is not None  # both are pipes
        try:
            server.stdin.write(json.dumps(asked))
            server.stdin.close()
            for line in server.stdout:
                yield line.strip()
        except BaseException:  # also that nobody asks for more
            server.terminate()
            with suppress(subprocess.TimeoutExpired):  # it has processes of its own to end
                server.wait(_GRACE)
            server.kill()
            raise
    if server.returncode:
        raise EndedEarly(said)
