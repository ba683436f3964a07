"""After the set-up the generated models are importable, wherever Python was started."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


ROOT = Path(__file__).parents[2]


def test_generated_models_import_from_any_folder(tmp_path: Path) -> None:
    probe = (
        "from generated import register_quality_gate\n"
        "from generated.quality_gate_llama import QualityGateLlamaForCausalLM\n"
        "print(*register_quality_gate())"
    )
    run = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    written = [
        ROOT / "generated" / path.stem.removeprefix("modular_")
        for path in sorted((ROOT / "modular").glob("modular_*.py"))
    ]
    texts = [(folder / f"configuration_{folder.name}.py").read_text() for folder in written]
    named = [re.findall(r'^    model_type = "(\w+_gate_[^"]+)"', text, re.MULTILINE) for text in texts]
    registered = set(run.stdout.split())
    assert named and all(registered & set(names) for names in named)
    assert registered <= {name for names in named for name in names}  # parts of models are registered by these alone
