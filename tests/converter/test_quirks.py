"""Each quirk has a reason, and a golden case in which its names occur."""

from __future__ import annotations

from pathlib import Path

import pytest

from converter.kinds import FILE_KINDS, MODELING, kind_of_module
from converter.quirks import FOREIGN, INCLUDED, foreign_names, included_in


CASES = Path(__file__).parent / "cases"


@pytest.mark.parametrize("quirk", [*INCLUDED, *FOREIGN], ids=lambda quirk: quirk.case)
def test_a_quirk_has_its_case(quirk) -> None:
    assert len(quirk.why.split()) > 5
    text = "".join(path.read_text() for path in (CASES / quirk.case).glob("*.py"))
    names = quirk.names[:1] if quirk in FOREIGN else (quirk.base, quirk.includes)
    assert all(name in text for name in names)


def test_what_a_base_is_besides() -> None:
    assert list(included_in(["Mixin", "GradientCheckpointingLayer"])) == ["nn.Module"]
    assert list(included_in(["nn.Module"])) == []


def test_names_of_others_stay_with_their_model_alone() -> None:
    assert "mamba_ssm" in foreign_names("falcon_mamba") and foreign_names("llama") == ()


@pytest.mark.parametrize("kind", [*FILE_KINDS, MODELING], ids=lambda kind: kind.name)
def test_every_kind_of_file_is_known_by_its_name(kind) -> None:
    assert kind_of_module(f"transformers.models.llama.{kind.name}_llama") == kind.name
    assert kind.copies in {"", *(each.name for each in FILE_KINDS)}
