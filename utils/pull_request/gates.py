"""The kind of gate that a model has, as its folder in modular/gates/ describes it for a pull request."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from building.library import Library
from places import PROJECT, TEMPLATES
from weave.form import Form
from weave.kinds import GateKind, read_kind
from weave.stage import gates_of, roots_of

from pull_request.values import kind_in, refuse


@cache
def kind_of(model: str, project: Path = PROJECT) -> GateKind:
    """The kind of gate of "quality_gate_llama". Raises ConversionError (`unknown-gate`) where there is none."""
    name, gates = kind_in(model), gates_of(project)
    try:
        return read_kind(name, Library(roots_of(project)).load, form=Form.UPSTREAM)
    except LookupError:
        message = f"there is no kind of gate called {name!r}"
        raise refuse("unknown-gate", str(gates), message, "write its folder, or correct the name") from None


def template_of(model: str, name: str) -> str:
    """The template of a page or script, "body.md.j2": of the kind of gate of a model, where it has one of its own."""
    own = f"pull_request/{kind_in(model)}/{name}"
    return own if (TEMPLATES / own).is_file() else f"pull_request/{name}"


def start_of(model: str) -> dict[str, object]:
    """The fields with which a model starts as its base is: {"attention_gate_init": "identity"}."""
    return dict(kind_of(model).gate.equals_base)


def decorated(kind: GateKind) -> str:
    """What the forward of a model that takes the gate's inputs is decorated with: "returns_quality_scores"; "" for none."""
    found = kind.decorators("ForCausalLM", "")
    return found[0].partition("(")[0] if found else ""
