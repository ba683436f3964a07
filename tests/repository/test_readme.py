"""The refusal that the README shows is the one that the converter gives."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


ROOT = Path(__file__).resolve().parents[2]
DELTA = """\
from transformers.models.llama.modeling_llama import LlamaMPL


class MineMLP(LlamaMPL):
    pass


__all__ = ["MineMLP"]
"""


def test_the_refusal_shown_is_real(tmp_path: Path) -> None:
    shown = re.search(r"^ {4}(modular_mine\.py:.*)\n {4}( +fix: .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert shown
    (tmp_path / "modular_mine.py").write_text(DELTA)
    command = [sys.executable, str(ROOT / "utils" / "modular_converter.py"), "modular_mine.py", "--output", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"{shown[1]}\n{shown[2]}\n"
