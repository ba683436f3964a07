"""The command that gates models hands the converter what scaffolds, what weaves and what proves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from diagnostics.errors import ConversionError
from gating import cli
from places import HOME
from scaffold.missing import write_missing


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the converter's command line is called with."""
    found: dict[str, Any] = {}
    monkeypatch.setattr(cli, "run", lambda argv, **given: found.update(given, argv=argv) or 7)
    return found


def test_a_delta_that_is_missing_is_written_and_woven(handed: dict[str, Any], tmp_path: Path) -> None:
    assert cli.main(["--model", "mistral"], tmp_path) == 7
    assert handed["argv"] == ["--model", "mistral"] and handed["project"] == tmp_path
    assert handed["stage"].write_missing is write_missing and handed["prove"] is cli.prove


def test_proving_is_left_out_where_it_is_told_so(handed: dict[str, Any]) -> None:
    cli.main([], prove=None)
    assert handed["prove"] is None and handed["project"] == cli.PROJECT


def test_what_proves_is_imported_when_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proof.command.prove", lambda *given: given)
    assert cli.prove(1, 2) == (1, 2)


@pytest.mark.parametrize("name", ["lama", "quality_gate_lama"])
def test_a_slip_in_the_name_of_a_base_is_told_where_nothing_is_gated_yet(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConversionError) as told:
        write_missing(name, tmp_path)
    (problem,) = told.value.diagnostics
    assert (problem.code, problem.fix) == ("unknown-model", "did you mean `llama`?") and not any(tmp_path.iterdir())


def test_names_like_those_of_modular_files_are_left_to_who_reads_them(tmp_path: Path) -> None:
    (tmp_path / "modular_quality_gate_llama.py").touch()
    (tmp_path / "modular_lamma.py").touch()
    for name in ("lama", "lamma", "nothing_like_any"):
        assert write_missing(name, tmp_path) is None


def test_what_comes_with_the_tools_is_taken_as_it_is(tmp_path: Path) -> None:
    ours = HOME / "modular" / "modular_attention_gate_qwen3.py"
    for name in ("qwen3", "attention_gate_qwen3"):
        told = write_missing(name, tmp_path / name / "modular", "attention", shipped=ours.parent)
        assert told and told.endswith(f"{ours.name}: the delta that comes with the tools")
        assert (tmp_path / name / "modular" / ours.name).read_bytes() == ours.read_bytes()
        assert write_missing(name, tmp_path / name / "modular", "attention", shipped=ours.parent) is None


def test_deltas_of_the_tools_count_where_their_kinds_of_gate_do(
    handed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.main([])
    assert handed["stage"].write_missing.keywords == {"shipped": HOME / "modular"}
    monkeypatch.setattr(cli, "PROJECT", tmp_path)
    cli.main([], tmp_path)
    assert handed["stage"].write_missing.keywords == {"shipped": HOME / "modular"}
    (tmp_path / "modular" / "gates" / "mine").mkdir(parents=True)
    cli.main([], tmp_path)
    assert handed["stage"].write_missing is write_missing


@pytest.mark.parametrize("shipped", [HOME / "modular", None])
def test_a_place_that_cannot_be_written_to_is_refused(shipped: Path | None, tmp_path: Path) -> None:
    (tmp_path / "modular").touch()
    for modular in (tmp_path / "modular", tmp_path / "modular" / "below", Path("/proc/modular")):
        with pytest.raises(ConversionError) as told:
            write_missing("mistral", modular, shipped=shipped)
        assert told.value.code == "cannot-write"
    assert (tmp_path / "modular").read_text() == "" and len(list(tmp_path.iterdir())) == 1
