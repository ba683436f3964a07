"""Records, or the original project's cache -> a bank's folder, which comes into being whole or not at all."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from checkpoints.hashing import sha256_of
from checkpoints.headers import Tensor
from checkpoints.paths import is_there
from checkpoints.staging import Staging
from checkpoints.writing import copy_file, write_tensors
from files.writing import write_file
from selection.reading import CorpusPart, find_parts, read
from selection.values import Reject

from memory.bank_files import (
    FORM,
    LOCK,
    MANIFEST,
    OURS,
    REJECTS,
    TOKENIZER,
    WEIGHTS,
    bring_back,
    check_shape,
    foreign_in,
    read_manifest,
    remove_ours,
    set_aside,
    shape_as_record,
    write_manifest,
)
from memory.encoding import check_ids
from memory.errors import BankError
from memory.locking import locked
from memory.log import LOG, ChangeLog
from memory.rows_file import ROWS
from memory.sources import Source, cached, rows_of
from memory.values import CACHES, TENSOR, Shape


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Built:
    """What became of a run."""

    output: Path
    shape: Shape
    written: bool  # not where it was there already
    counts: Mapping[str, Any]


@dataclass(slots=True)
class _Counts:
    """What was read so far."""

    records: int = 0
    filled: int = 0
    truncated: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    more: bool = False  # whether there are more records than rows

    def as_record(self, shape: Shape) -> dict[str, Any]:
        """As the manifest has it."""
        ratio = round(self.truncated / self.filled, 4) if self.filled else 0.0
        return {
            "records": self.records,
            "filled_rows": self.filled,
            "empty_rows": shape.knowledge_num - self.filled,
            "truncated": self.truncated,
            "truncated_ratio": ratio,
            "rejects": dict(sorted(self.rejects.items())),
            "more_records_than_rows": self.more,
        }


def build_bank(
    data: Sequence[str | Path],
    output: str | Path,
    tokenizer: PreTrainedTokenizerBase,
    shape: Shape,
    *,
    strict: bool = False,
    recompute: bool = False,
) -> Built:
    """Build a bank of records: row i is record i, cut and padded; a record that is none leaves its row empty.

    Args:
        data: .jsonl, .json or .parquet files, folders of them; or one `knowledge_cache.pt`.
        output: the bank's folder. One that is there and of the same data, tokenizer and shape is left as it is.
        tokenizer: with which sentences become tokens.
        shape: of the bank, with the name and digest of the tokenizer.
        strict: whether a record that cannot be used ends the run; else it is a line of `memory_rejects.jsonl`.
        recompute: build it again in any case; changes that were made since are gone.

    Raises:
        BankError: data, shape or output were refused. A bank that was there is as it was.
    """
    output = Path(output)
    check_shape(shape, output)
    source, described = _source(data, tokenizer, shape)
    asked = {"source": described, **shape_as_record(shape)}
    fingerprint = sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    bring_back(output)
    with ExitStack() as stack:
        if is_there(output / MANIFEST):
            stack.enter_context(locked(output / LOCK))
        if (there := _there(output, fingerprint, recompute)) is not None:
            return Built(output, shape, False, there)
        names = [name for name in OURS if name != LOCK]
        with tempfile.TemporaryDirectory(prefix="memory-") as folder:
            tokenizer.save_pretrained(folder)
            files = sorted(path.relative_to(folder) for path in Path(folder).rglob("*") if path.is_file())
            made = [f"{TOKENIZER}/{name.as_posix()}" for name in files]
            with Staging(output, fingerprint, [*names, *made]) as staging:
                for name in files:
                    (staging.folder / TOKENIZER / name).parent.mkdir(parents=True, exist_ok=True)
                    copy_file(Path(folder) / name, staging.folder / TOKENIZER / name)
                counts = _write(staging.folder, source, shape, strict)
                _finish(
                    staging.folder,
                    output,
                    {**asked, "fingerprint": fingerprint, "tokenizer_files": made},
                    counts,
                    shape,
                )
                _publish(staging, output)
    return Built(output, shape, True, counts.as_record(shape))


def _source(
    data: Sequence[str | Path], tokenizer: PreTrainedTokenizerBase, shape: Shape
) -> tuple[Iterator[Source], list[dict[str, str]]]:
    """What is read, and its names and digests."""
    paths = [Path(each).expanduser() for each in data]
    if len(paths) == 1 and paths[0].suffix in CACHES:
        return cached(paths[0], tokenizer, shape), [{"name": paths[0].name, "sha256": sha256_of(paths[0])}]
    parts = [part for each in data for part in find_parts(str(each))]
    described = [{"name": part.name, "sha256": sha256_of(part.path) if part.path else ""} for part in parts]
    return rows_of(_raw(parts), tokenizer, shape), described


def _raw(parts: Sequence[CorpusPart]) -> Iterator[Any]:
    for part in parts:
        yield from read(part)


def _there(output: Path, fingerprint: str, recompute: bool) -> Mapping[str, Any] | None:
    """What the manifest of an up-to-date bank says of it. Raises BankError where the output cannot be replaced."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return None
    if not output.is_dir() or not is_there(output / MANIFEST) or is_there(output / "config.json"):
        raise BankError(
            output, "is there already, and is not a bank's folder", "choose another --output, or remove it"
        )
    manifest = read_manifest(output)
    if not recompute and manifest.get("fingerprint") == fingerprint:
        counts: Mapping[str, Any] = manifest.get("counts", {})
        return counts
    if foreign := foreign_in(output, manifest):
        message = f"contains {foreign[0]}, which is not part of the bank that would be replaced"
        raise BankError(output, message, "move it away, or choose another --output")
    if not recompute and any(True for _ in ChangeLog(output / LOG).read()):
        message = "is of other data or options, and its rows were changed since it was built"
        raise BankError(output, message, "give --recompute to lose the changes, or choose another --output")
    return None


def _write(folder: Path, source: Iterator[Source], shape: Shape, strict: bool) -> _Counts:
    """The rows as tokens, and as lines that people read; in one pass."""
    counts = _Counts()
    with ExitStack() as stack:
        rows, rejects = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        tensor = Tensor(TENSOR, "I64", (shape.knowledge_num, shape.knowledge_length))
        write_tensors(folder / WEIGHTS, [tensor], lambda _: _chunks(source, shape, strict, counts, rows, rejects))
        for name, file in ((ROWS, rows), (REJECTS, rejects)):
            if name == ROWS or file.tell():
                file.seek(0)
                write_file(folder / name, iter(partial(file.read, 1 << 20), b""))
    return counts


def _chunks(
    source: Iterator[Source], shape: Shape, strict: bool, counts: _Counts, rows: IO[bytes], rejects: IO[bytes]
) -> Iterator[bytes]:
    done = 0
    for each in source:
        if each.more:
            counts.more = True
            break
        check_ids(each.ids, shape, "the bank", done)
        counts.records += each.records
        for line in each.lines:
            rows.write(line)
        for reject in each.rejects:
            _reject(reject, strict, counts, rejects)
        counts.filled += len(each.lines)
        counts.truncated += each.truncated
        done += len(each.ids)
        yield each.ids.astype("<i8").tobytes()
    empty = np.full((4096, shape.knowledge_length), shape.pad_token_id, "<i8")
    for start in range(done, shape.knowledge_num, len(empty)):
        yield empty[: shape.knowledge_num - start].tobytes()


def _reject(reject: Reject, strict: bool, counts: _Counts, rejects: IO[bytes]) -> None:
    if strict:
        fix = "correct the record, or leave out --strict: its row stays empty"
        raise BankError(reject.place, f"{reject.reason}: {reject.detail}", fix)
    counts.rejects[reject.reason] = counts.rejects.get(reject.reason, 0) + 1
    record = {"place": reject.place, "reason": reject.reason, "detail": reject.detail}
    rejects.write(json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")


def _finish(folder: Path, output: Path, asked: Mapping[str, Any], counts: _Counts, shape: Shape) -> None:
    """The manifest, last; and the log of the bank that is replaced, of which nothing is done again."""
    log = output / LOG
    if is_there(log):
        copy_file(log, folder / LOG)
    files = {
        name: {"size": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)} for name in (WEIGHTS, ROWS)
    }
    document = {
        "format": FORM,
        **asked,
        "counts": counts.as_record(shape),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "log_bytes": (folder / LOG).stat().st_size if is_there(folder / LOG) else 0,
        "files": files,
    }
    write_manifest(folder, document)


def _publish(staging: Staging, output: Path) -> None:
    """In the place of a bank that is there already; whoever is killed in between leaves it beside, from where it comes
    back when it is opened."""
    aside = set_aside(output)
    if is_there(output / MANIFEST):
        output.rename(aside)
    try:
        staging.publish()
    except BaseException:
        bring_back(output)
        raise
    if aside.is_dir():
        remove_ours(aside)
