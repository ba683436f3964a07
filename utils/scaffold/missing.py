"""Whether a model has a delta, asked at every conversion; what writes one is imported only then."""

from __future__ import annotations

from pathlib import Path

from building.workspace import GATE, find_transformers
from naming.kinds import GateNames

from scaffold.delta_paths import delta_path


def write_missing(model: str, modular: Path, gate: str = GATE) -> str | None:
    """What `modular_converter.py --model mistral` does where modular/ has no delta: write it, and tell of it.

    None where nothing is to be scaffolded: there is a delta, or transformers has no such model. Raises ConversionError
    where the base cannot be gated from its text.
    """
    name = model.removeprefix(GateNames(gate).family)
    models = find_transformers() / "models"
    known = (models / name / "__init__.py").is_file() or any(models.glob(f"*/modeling_{name}.py"))
    if delta_path(name, modular, gate).exists() or not known:
        return None
    from scaffold.write import report_line, write_delta

    found = write_delta(name, modular, gate)
    return report_line(found, modular) if found else None
