"""What a kind of gate declares for the tools, read from its folder as text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from diagnostics.errors import ConversionError
from naming.declared import Declared, KindFolder, beside, read_folder
from naming.kinds import GateNames, kind_of
from places import GATES


def folder(tmp_path: Path, said: str, *modules: tuple[str, str]) -> tuple[Path, ...]:
    """Kinds of gate, of which `toy` declares this."""
    own = tmp_path / "modular" / "gates" / "toy"
    own.mkdir(parents=True)
    (own / "__init__.py").write_text(f"raise SystemExit  # nothing is run\n\nGATE = Gate({said})\n")
    for name, text in modules:
        (own / f"{name}.py").write_text(text)
    return (own.parent,)


def test_a_kind_that_declares_nothing_has_no_more_than_its_name(tmp_path: Path) -> None:
    gates = folder(tmp_path, 'attribute="toy_gate"')
    assert read_folder("toy", gates) == KindFolder(Declared(), ())
    names = GateNames("toy", gates)
    assert names.is_declared and names.is_drawn and names.owns("layers.0.toy_gate.number")
    assert not names.is_float32 and names.start == names.tiny == {} and names.bank == "" and names.zeros == ()


def test_what_is_declared_is_read(tmp_path: Path) -> None:
    said = """modules=("fields",), float32=True, marks=[".toy_norm.", ".toy.rows"], zeros=(".toy_gate.", ".toy_norm."),
    bank="toy.rows", starts=("toy_mean",), base_fields=("hidden_act",), scores=("output_toy", "toys"),
    tiny=(("toy_size", 4), ("toy_shape", [2, 3])), equals_base=(("toy_start", "shut"),)"""
    text = "class ToyGateConfig:\n    toy_size: int = 9\n    hidden_act: str = 'silu'\n    other = 3\n"
    gates = folder(tmp_path, said, ("fields", text))
    names = GateNames("toy", gates)
    assert names.is_float32 and names.fields == ("toy_size",) and names.bank == "toy.rows"
    assert names.tiny == {"toy_size": 4, "toy_shape": (2, 3)} and names.start == {"toy_start": "shut"}
    assert names.declared.scores == ("output_toy", "toys") and names.declared.starts == ("toy_mean",)
    assert not names.is_drawn  # a bank is no weight
    assert [names.owns(each) for each in ("toy_norm.weight", "toy.rows", "toy.columns")] == [True, True, False]
    assert names.above(["a.0.toy_gate.x", "a.0.toy_gate.y", "a.1.toy_gate.x", "toy.rows"]) == {"a.0", "a.1"}


def test_a_kind_is_looked_for_beside_the_models(tmp_path: Path) -> None:
    [gates] = folder(tmp_path, "float32=True")
    home = tmp_path / "generated"
    assert beside(home) == gates
    assert kind_of("toy_gate_llama", [home]).is_float32
    assert not kind_of("toy_gate_llama").is_declared and not kind_of("toy_gate_llama").is_float32
    assert kind_of("toy_gate_llama", [home]) == kind_of("toy_gate_llama")  # the same kind, wherever it is
    assert kind_of("memory_gate_llama", [home]).bank == "memory.memory_bank"  # one that comes with the tools


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("float32=1", "`float32` is 1"),
        ('marks=(".toy_norm.")', "`marks` is '.toy_norm.'"),
        ('marks=("toy_norm.",)', "`marks` is ('toy_norm.',)"),
        ("zeros=(3,)", "`zeros` is (3,)"),
        ('zeros=(".mlp.",)', "`zeros` names weights that are not of this kind: 'mlp.'"),
        ("bank=None", "`bank` is None"),
        ('bank=".toy.rows"', "`bank` is '.toy.rows'"),
        ('bank="toy.rows"', "`bank` names weights that are not of this kind: 'toy.rows'"),
        ('starts="toy_mean"', "`starts` is 'toy_mean'"),
        ('base_fields=("a b",)', "`base_fields` is ('a b',)"),
        ('scores=("output_toy",)', "`scores` is ('output_toy',)"),
        ("tiny={'toy_size': 4}", "`tiny` is {'toy_size': 4}"),
        ('tiny=("toy_size", 4)', "`tiny` is ('toy_size', 4)"),
        ("equals_base=((1, 2),)", "`equals_base` is ((1, 2),)"),
        ("tiny=SIZES", "`SIZES` cannot be part of a gate's declaration"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_line(said: str, message: str, tmp_path: Path) -> None:
    gates = folder(tmp_path, f"\n    {said},\n")
    with pytest.raises(ConversionError) as refused:
        read_folder("toy", gates)
    [problem] = refused.value.diagnostics
    assert (problem.code, problem.line) == ("bad-gate", 4) and problem.fix
    assert problem.message == message and problem.path.endswith("toy/__init__.py")


@pytest.mark.parametrize(("text", "message"), [("GATE = 3\n", "declares no `GATE`"), ("GATE = (\n", "is not Python")])
def test_what_declares_nothing_is_refused(text: str, message: str, tmp_path: Path) -> None:
    [gates] = folder(tmp_path, "")
    (gates / "toy" / "__init__.py").write_text(text)
    with pytest.raises(ConversionError, match=message):
        read_folder("toy", (gates,))


@pytest.mark.parametrize("kind", sorted(path.parent.name for path in GATES.glob("*/__init__.py")))
def test_what_comes_with_the_tools_is_declared(kind: str) -> None:
    names = GateNames(kind)
    assert names.is_declared and names.fields and len(names.declared.scores) == 2


def test_a_folder_that_comes_or_changes_later_is_read(tmp_path: Path) -> None:
    names = GateNames("toy", (tmp_path / "modular" / "gates",))
    assert not names.is_declared and not names.is_float32
    [gates] = folder(tmp_path, "float32=True")
    assert names.is_declared and names.is_float32
    declaration = gates / "toy" / "__init__.py"
    declaration.write_text("GATE = Gate(float32=False)\n")
    os.utime(declaration, ns=(1, 1))
    assert not names.is_float32
