"""What gate_checkpoint.py says it has done."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from checkpoints.cli import _summary


@pytest.mark.parametrize(
    ("links", "written", "hashed", "said"),
    [
        ("hard", True, True, " (hard-linked), 2.50 s, 1.25 s of them for hashing"),
        (
            "symlink",
            True,
            False,
            " (symlinked), 2.50 s; not hashed yet: the same command with --hash now adds the digests",
        ),
        ("copy", True, True, " (copied), 2.50 s, 1.25 s of them for hashing"),
        ("", True, True, " (written anew), 2.50 s, 1.25 s of them for hashing"),
        ("", False, True, ": it was there already"),
        ("hard", False, False, ": it was there already, not hashed yet"),
    ],
)
def test_a_run_is_summed_up_in_a_line(links: str, written: bool, hashed: bool, said: str) -> None:
    shards = [SimpleNamespace(size=1_500_000_000), SimpleNamespace(size=750_000_000)]
    plan = SimpleNamespace(output="out", config={"model_type": "quality_gate_x"}, gates=[1, 2, 3], shards=shards)
    done = SimpleNamespace(
        plan=plan, links=links, written=written, hashed=hashed, seconds=2.5, seconds_of_hashing=1.25
    )
    assert _summary(done) == f"out: quality_gate_x, 3 gates on 2.25 GB{said}"
