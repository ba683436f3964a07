"""Which machines there are to be: every offset, one and two threads, and what the processor has of instruction sets."""

from __future__ import annotations

from collections.abc import Collection

from portability.values import Kernels, Layout, Machine


OFFSETS = range(0, 64, 4)  # bytes: every place that a float32 can have on a line of the cache
THREADS = (1, 2)
AS_IT_IS = Kernels("as it is")
BY_ADDRESS = Kernels("by address", by_address=True)
# Flags of the processor -> what torch, MKL and oneDNN are told, lowest first. Of what they are not told they use the best.
LEVELS = (
    ((), "default", "SSE4_2", "SSE41"),
    (("avx2", "fma"), "avx2", "AVX2", "AVX2"),
    (("avx512f", "avx512bw", "avx512dq", "avx512vl"), "avx512", "AVX512", "AVX512_CORE"),
)


def kernels(flags: Collection[str]) -> list[Kernels]:
    """What a processor with these flags can run: as it is, each instruction set, and the order that follows addresses."""
    levels = [
        Kernels(
            aten,
            {"ATEN_CPU_CAPABILITY": aten, "MKL_ENABLE_INSTRUCTIONS": mkl, "ONEDNN_MAX_CPU_ISA": onednn},
            aten.upper(),
        )
        for needed, aten, mkl, onednn in LEVELS
        if set(needed) <= set(flags)
    ]
    return [AS_IT_IS, BY_ADDRESS, *levels]


def machines(flags: Collection[str], sample: bool = False) -> list[Machine]:
    """Every offset on every kind of kernels, with each number of threads on those that the processor chooses itself.

    Args:
        flags: of the processor.
        sample: whether to take a few offsets, the two kinds of kernels that show most, and the lowest instruction set.
    """
    every = [Layout(offset, threads) for offset in OFFSETS for threads in THREADS]
    # Elsewhere threads alternate, beginning with another at each kind: none has one offset with one number alone.
    turns = [
        [Layout(offset, THREADS[(place + turn) % 2]) for place, offset in enumerate(OFFSETS)] for turn in range(2)
    ]
    some = [Machine(each, tuple(turns[turn % 2])) for turn, each in enumerate(kernels(flags)[1:])]
    if not sample:
        return [Machine(AS_IT_IS, tuple(every)), *some]
    few = {AS_IT_IS.name: (Layout(20, 1), Layout(36, 2)), BY_ADDRESS.name: (Layout(0, 2), Layout(44, 1))}
    return [Machine(each, few.get(each.name, (Layout(4, 2),))) for each in kernels(flags)[:3]]
