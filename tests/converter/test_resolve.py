"""Imports of the output that would fail are refused, told from text alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from building.cli import main


HEAD = "from transformers.models.llama.configuration_llama import LlamaConfig\nfrom transformers.models.llama.modeling_llama import LlamaMLP\n"
CONFIG = "\n\nclass MineConfig(LlamaConfig):\n    pass\n"
CLASS = "\n\nclass MineMLP(LlamaMLP):\n    def look(self):\n        {body}\n\n\n__all__ = ['MineMLP']\n"
Convert = Callable[[str], tuple[int, str, Path]]


@pytest.fixture
def convert(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Convert:
    """Convert a delta of a model called mine: status, stderr, folder."""
    monkeypatch.setenv("QUALITY_GATE_CACHE_DIR", str(tmp_path / "cache"))

    def run(text: str, *argv: str) -> tuple[int, str, Path]:
        (tmp_path / "modular_mine.py").write_text(text)
        status = main([str(tmp_path / "modular_mine.py"), "--output", str(tmp_path / "out"), *argv])
        return status, capsys.readouterr().err, tmp_path / "out"

    return run


@pytest.mark.parametrize(
    ("imported", "body", "says"),
    [
        (
            "from transformers.utils import is_nothing_available",
            "return is_nothing_available",
            "`is_nothing_available`",
        ),
        (
            "from transformers.nowhere import thing",
            "return thing",
            "transformers.nowhere, and there is no such module",
        ),
        ("from .modeling_other import Thing", "return Thing", "modeling_other.py, which is not made"),
        ("from .configuration_mine import MineOtherConfig", "return MineOtherConfig", "`MineOtherConfig`"),
        ("", "from transformers.utils import nothing_here", "`nothing_here`"),
    ],
)
def test_an_import_that_would_fail_is_refused(convert: Convert, imported: str, body: str, says: str) -> None:
    status, said, folder = convert(f"{HEAD}{imported}\n{CONFIG}{CLASS.format(body=body)}")
    assert status == 2 and "unresolved-import: modeling_mine.py imports" in said and says in said, said
    assert not folder.exists()


@pytest.mark.parametrize(
    ("imported", "body"),
    [
        ("from transformers import initialization as init", "return init.normal_"),
        ("from transformers.utils import auto_docstring", "return auto_docstring"),
        ("from transformers.models.auto import AutoModel", "return AutoModel"),
        (
            "",
            "try:\n            from transformers.utils import gone\n        except ImportError:\n            gone = None",
        ),
        ("", '"""\n        from transformers.utils import only_a_word_in_a_text\n        """'),
        ("import numpy_of_nobody", "return numpy_of_nobody"),
    ],
)
def test_an_import_that_works_or_may_fail_is_kept(convert: Convert, imported: str, body: str) -> None:
    status, said, _ = convert(f"{HEAD}{imported}\n{CONFIG}{CLASS.format(body=body)}")
    assert status == 0, said


def test_a_model_without_a_configuration_of_its_own_is_refused(convert: Convert) -> None:
    text = "from transformers.models.glm.modeling_glm import GlmAttention\n\n\nclass MineAttention(GlmAttention):\n    pass\n"
    status, said, _ = convert(text)
    assert status == 2 and "configuration_mine.py, which is not made" in said
    assert convert(text, "--no-strict")[0] == 0
