"""Whether a model has a delta, asked at every conversion; what writes one is imported only then."""

from __future__ import annotations

from pathlib import Path

from building.workspace import GATE, find_transformers
from diagnostics.errors import ConversionError
from diagnostics.names import nearest
from diagnostics.values import Diagnostic
from naming.kinds import GateNames

from scaffold.delta_paths import delta_path


def write_missing(model: str, modular: Path, gate: str = GATE, shipped: Path | None = None) -> str | None:
    """What `modular_converter.py --model mistral` does where modular/ has no delta: write it, and tell of it.

    None where nothing is to be written: there is a delta, or transformers has no such model. Raises ConversionError
    where the base cannot be gated from its text, where the disk refuses (`cannot-write`), and (`unknown-model`) for what is
    most likely the name of a base misspelt.

    Args:
        model: as it was given, with the prefix of its kind of gate or without.
        modular: the folder of the deltas.
        gate: the kind of gate.
        shipped: the deltas that come with the tools, which go before scaffolding anew; None where they do not count.
    """
    name = model.removeprefix(GateNames(gate).family)
    models = find_transformers() / "models"
    known = (models / name / "__init__.py").is_file() or any(models.glob(f"*/modeling_{name}.py"))
    path = delta_path(name, modular, gate)
    if path.exists():
        return None
    if shipped and (ours := delta_path(name, shipped, gate)).is_file():
        from scaffold.write import take_delta

        return take_delta(ours, path)
    if not known:
        _refuse_slip(name, modular, models)
        return None
    from scaffold.write import report_line, write_delta

    found = write_delta(name, modular, gate)
    return report_line(found, modular) if found else None


def _refuse_slip(name: str, modular: Path, models: Path) -> None:
    """Name the base that is meant, unless a modular file has a name like it: whoever reads those tells of that one."""
    deltas = {path.stem.removeprefix("modular_") for path in modular.glob("modular_*.py")}
    close = nearest(name, {path.parent.name for path in models.glob("*/modeling_*.py")})
    if close is None or nearest(name, deltas | {each.partition("_gate_")[2] for each in deltas}):
        return
    message = f"there is no modular file for {name!r}, and transformers has no model of that name"
    raise ConversionError(Diagnostic("unknown-model", "--model", 1, 1, message, f"did you mean `{close}`?"))
