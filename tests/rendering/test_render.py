"""Templates are rendered strictly and with the blanks that they show."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import DictLoader, TemplateNotFound, UndefinedError
from rendering import render as room
from rendering.render import render


@pytest.fixture
def templates(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Templates in memory, in place of those on disk."""
    texts: dict[str, str] = {}
    monkeypatch.setattr(room.environment(), "loader", DictLoader(texts))
    return texts


def test_blocks_leave_no_blank_lines(templates: dict[str, str]) -> None:
    templates["list"] = (
        "heads:\n{% for head in heads %}\n    {% if head %}\n- {{ head }}\n    {% endif %}\n{% endfor %}\n"
    )
    assert render("list", heads=["a", "", "b<c>"]) == "heads:\n- a\n- b<c>\n"


def test_a_missing_value_is_refused(templates: dict[str, str]) -> None:
    templates["greeting"] = "{{ model.nmae }}"
    with pytest.raises(UndefinedError, match="nmae"):
        render("greeting", model={"name": "llama"})


def test_an_unknown_template_is_refused() -> None:
    with pytest.raises(TemplateNotFound, match="no_such"):
        render("no_such.j2")


def test_templates_are_those_of_the_project() -> None:
    assert (room.TEMPLATES / "generated_init.py").is_file()
    assert render("generated_init.py") == Path(room.TEMPLATES, "generated_init.py").read_text(encoding="utf-8")
