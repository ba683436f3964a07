"""Which machines there are: all offsets, both numbers of threads, and the instruction sets of the processor."""

from __future__ import annotations

from pathlib import Path

import pytest
from portability.cli import FAMILIES, card_suites
from portability.plan import AS_IT_IS, BY_ADDRESS, kernels, machines
from portability.processor import described, read_processor
from portability.values import Layout


AVX512 = {"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"}
SETS = [(set(), ["default"]), ({"avx2"}, ["default"]), ({"avx2", "fma"}, ["default", "avx2"])]


@pytest.mark.parametrize(("flags", "names"), [*SETS, (AVX512, ["default", "avx2", "avx512"])])
def test_a_processor_is_asked_for_what_it_has(flags: set[str], names: list[str]) -> None:
    found = kernels(flags)
    assert found[:2] == [AS_IT_IS, BY_ADDRESS]
    assert [each.environment["ATEN_CPU_CAPABILITY"] for each in found[2:]] == names
    assert all({"MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA"} <= set(each.environment) for each in found[2:])
    assert [each.capability for each in found] == ["", "", *(name.upper() for name in names)]


def test_every_machine_sees_every_offset() -> None:
    whole = machines(AVX512)
    assert [each.kernels for each in whole] == kernels(AVX512)
    for each in whole:
        assert {layout.offset for layout in each.layouts} == {layout.of_loaded for layout in each.layouts}
        assert sorted({layout.offset for layout in each.layouts}) == list(range(0, 64, 4))
        assert {layout.threads for layout in each.layouts} == {1, 2}
        assert all(layout.offset != layout.of_loaded for layout in each.layouts)
    assert len(set(whole[0].layouts)) == 32


def test_a_sample_is_a_part_with_every_kind_of_difference() -> None:
    sample = machines(AVX512, sample=True)
    assert [each.kernels.name for each in sample] == ["as it is", "by address", "default"]
    layouts = [layout for each in sample for layout in each.layouts]
    assert len(layouts) <= 6 and {each.threads for each in layouts} == {1, 2}
    assert sample[2].layouts and [each.kernels for each in machines((), sample=True)] == kernels(())


def test_layouts_are_written_and_read() -> None:
    for layout in machines(())[0].layouts:
        assert Layout.parse(str(layout)) == layout
    with pytest.raises(ValueError):
        Layout.parse("here")


X86 = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 fma\n\nprocessor\t: 1\nmodel name\t: other\n"


def test_processors_are_read() -> None:
    assert read_processor(X86) == ("AMD EPYC", frozenset({"fpu", "avx2", "fma"}))
    assert read_processor("processor : 0\nFeatures : asimd sve\n")[1] == {"asimd", "sve"}
    name, flags = read_processor("")
    assert name and not flags


def test_a_line_says_what_this_machine_is() -> None:
    line = described({"OMP_NUM_THREADS": "1"})
    assert "\n" not in line and "(OMP_NUM_THREADS=1)" in line
    for word in (" cores, ", " a process", "torch ", " kernels", "Python "):
        assert word in line


def test_every_kind_of_gate_takes_part(tmp_path: Path) -> None:
    every = [
        *(f"quality_gate_{name}" for name in FAMILIES),
        "attention_gate_llama",
        "attention_gate_qwen3",
        "toy_gate_a",
    ]
    for name in [*every, "quality_gate_mistral"]:
        (tmp_path / name).mkdir()
        (tmp_path / name / f"test_modeling_{name}.py").touch()
    assert [each.name for each in card_suites(tmp_path, sample=False)] == every
    sample = [*every[:5], "toy_gate_a"]
    assert [each.name for each in card_suites(tmp_path, sample=True)] == sample
