"""SHA-256 of files, several at a time; and what is known of a file's digest without reading it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

from files.writing import Tell
from processes.cores import cores

from checkpoints.errors import CheckpointError
from checkpoints.paths import read_small


_BUFFER = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST_NOTE = 10_000  # bytes
_AGAIN = "delete the file and fetch it again"


def sha256_of(path: Path, tell: Tell = lambda _: None, stop: Event | None = None) -> str:
    """The digest of a file in hexadecimal; of its beginning where `stop` is set meanwhile."""
    digest, buffer = hashlib.sha256(), bytearray(_BUFFER)
    view = memoryview(buffer)
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(view[:count])
            tell(count)
            if stop is not None and stop.is_set():
                break
    return digest.hexdigest()


def sha256_of_all(paths: Mapping[str, Path], tell: Tell = lambda _: None) -> dict[str, str]:
    """The digests of several files by name. Hashing leaves Python's lock, so threads share the cores."""
    # The largest first: a long file that comes last would leave the other cores idle.
    names = sorted(paths, key=lambda name: paths[name].stat().st_size, reverse=True)
    stop = Event()
    with ThreadPoolExecutor(max_workers=max(1, min(len(names), cores()))) as pool:
        try:
            found = dict(zip(names, pool.map(lambda name: sha256_of(paths[name], tell, stop), names), strict=True))
        except BaseException:
            stop.set()  # nobody waits minutes for the end of a file after Ctrl-C
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {name: found[name] for name in paths}


def promised_sha256(path: Path) -> str | None:
    """The digest that the Hub's client recorded for a file it fetched: in its cache or beside a local folder."""
    real = path.resolve()
    if real.parent.name == "blobs" and _SHA256.fullmatch(real.name):
        return real.name
    note = path.parent / ".cache" / "huggingface" / "download" / f"{path.name}.metadata"
    try:
        _, etag, fetched = read_small(path.parent, note, _LONGEST_NOTE).decode().split()
        if _SHA256.fullmatch(etag) and path.stat().st_mtime <= float(fetched) + 1:
            return etag
    except (OSError, ValueError, CheckpointError):  # no such file, or of a form that says nothing
        return None
    return None


def check_promise(path: Path, digest: str) -> None:
    """Raise CheckpointError where a file is not the one that the Hub's client fetched."""
    promised = promised_sha256(path)
    if promised is not None and promised != digest:
        raise CheckpointError(path, f"has the SHA-256 {digest}, but was fetched as {promised}", _AGAIN)
