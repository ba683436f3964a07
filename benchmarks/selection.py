"""What scoring and selecting cost: `python benchmarks/selection.py [scoring|selecting]`."""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "utils"))


def main(argv: Sequence[str] | None = None) -> int:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("what", choices=("scoring", "selecting"))
    parser.add_argument("--model", help="a gated checkpoint, for scoring")
    parser.add_argument("--documents", type=int, default=48, help="that are scored")
    parser.add_argument("--rows", type=int, default=10_000_000, help="that are selected from")
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="for the rows, which take 2 GB")
    args = parser.parse_args(argv)
    return scoring(args) if args.what == "scoring" else selecting(args)


def scoring(args: argparse.Namespace) -> int:
    """The scorer and the bare base over the same batches; and unsorted batches of as many documents."""
    import torch
    from selection.batching import batches, padding_share
    from selection.forward import Scorer
    from selection.models import load

    from transformers import AutoModelForCausalLM

    loaded = load(args.model)
    base = plain_base(args.model, AutoModelForCausalLM)
    generator = random.Random(0)
    lengths = [min(max(int(generator.lognormvariate(3.6, 1)), 4), 400) for _ in range(args.documents)]
    documents = [[generator.randrange(100, 40_000) for _ in range(length)] for length in lengths]
    groups = batches(lengths, 1024)
    naive = [list(range(start, min(start + 16, len(lengths)))) for start in range(0, len(lengths), 16)]
    scorer = Scorer(loaded)

    @torch.inference_mode()
    def bare(group: list[int]) -> None:
        tokens, mask = scorer._pad([documents[each] for each in group])
        base(input_ids=tokens, attention_mask=mask, use_cache=False)

    def ours(group: list[int]) -> None:
        scorer.score([documents[each] for each in group])

    seconds = {}
    for _ in range(args.repeats):
        for name, work, parts in (("base", bare, groups), ("scorer", ours, groups), ("base, unsorted", bare, naive)):
            began = time.process_time()
            for group in parts:
                work(group)
            seconds[name] = min(seconds.get(name, float("inf")), time.process_time() - began)
    tokens = sum(lengths)
    for name, each in seconds.items():
        print(f"{name}: {tokens / each:.0f} tokens in a second of the processor")
    print(f"scorer against base: {seconds['base'] / seconds['scorer']:.3f}")
    print(f"batches of like length against unsorted: {seconds['base, unsorted'] / seconds['base']:.2f}")
    print(f"padding: {padding_share(lengths, groups):.1%}, unsorted {padding_share(lengths, naive):.1%}")
    return 0


def plain_base(model: str, auto: type) -> object:
    """The base of a gated checkpoint, as transformers has it."""
    from checkpoints import ungate_checkpoint

    with tempfile.TemporaryDirectory() as folder:
        ungate_checkpoint(model, Path(folder) / "base")
        return auto.from_pretrained(Path(folder) / "base", trust_remote_code=False).eval()


def selecting(args: argparse.Namespace) -> int:
    """Ten million rows, selected by quality, without texts."""
    from selection.select_cli import main as select
    from selection.shards import ScoreFolder, ShardFacts
    from selection.table import schema

    with tempfile.TemporaryDirectory(dir=args.folder) as place:
        folder = Path(place) / "scores"
        out = ScoreFolder(folder)
        out.open({"data": [], "layers": list(range(args.layers)), "options": {"alpha": 1.0}})
        size, random_numbers = 500_000, np.random.default_rng(0)
        shards = -(-args.rows // size)
        for shard in range(shards):
            count = min(size, args.rows - shard * size)
            facts = ShardFacts(count, count, count * 100, count * 100, 1.0, {})
            out.write(shard, [], schema(args.layers), [], facts)
            pq.write_table(
                made(shard * size, count, args.layers, random_numbers), folder / f"scores-{shard:05}.parquet"
            )
        out.finish(shards)
        began, used = time.perf_counter(), time.process_time()
        status = select(["--scores", str(folder), "--output", f"{place}/out", "--keep", "0.3", "--no-texts"])
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"{args.rows} rows: {time.perf_counter() - began:.1f} s, {time.process_time() - used:.1f} s of the processor, "
            f"at most {memory:.2f} GiB"
        )
    return status


def made(first: int, count: int, layers: int, random_numbers: np.random.Generator) -> pa.Table:
    from selection.table import schema

    values = random_numbers.random((count, layers), np.float32)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), layers)
    numbers = np.arange(first, first + count)
    columns = [
        pa.array(numbers),
        pa.array([f"document-{number}" for number in numbers]),
        pa.array([f"source-{number % 20}" for number in numbers]),
        pa.array(random_numbers.integers(1, 2000, count, np.int32)),
        pa.array(random_numbers.integers(1, 9000, count)),
        pa.array(["Latin"] * count),
        pa.array(random_numbers.lognormal(3, 1, count).astype(np.float32)),
        pa.array(values.mean(1)),
        lists,
        lists,
    ]
    return pa.Table.from_arrays(columns, schema=schema(layers))


if __name__ == "__main__":
    raise SystemExit(main())
