"""The fields that gates add to a configuration: which a new checkpoint has, and which a user may give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diagnostics.names import nearest
from naming.kinds import MEANT

from checkpoints.architectures import Architecture
from checkpoints.errors import CheckpointError
from checkpoints.layout import CONFIG
from checkpoints.modules import configured


SET = "--set"
SCALES = "scale_ffn"  # the mode of quality gates that changes what the base computes


def fields_of(
    mode: str, given: Mapping[str, Any], init_mean: float, init_std: float, architecture: Architecture
) -> dict[str, Any]:
    """The fields of the gates that are not at their defaults: a gated checkpoint starts as its base is.

    Args:
        mode: of the gates; "" for the default.
        given: fields that a user gives by name.
        init_mean, init_std: how gates are drawn, of the kind that is.
        architecture: the gated one.

    Raises CheckpointError for a mode or a field that these gates do not have, and for those that say how they start.
    """
    names, known = architecture.facts.names, architecture.facts.text_config.fields
    if names == MEANT:
        found: dict[str, Any] = {
            MEANT.field("init_mean"): init_mean,
            MEANT.field("init_std"): init_std,
        }
    else:
        found = {name: value for name, value in names.start.items() if name in known}
    if mode:
        if names == MEANT or names.field("mode") not in known:
            message = f"{names.kind} gates are made in one mode, in which they change nothing"
            raise CheckpointError("--mode", message, "leave it out")
        found[names.field("mode")] = mode
    return found | _given(given, architecture)


def _given(fields: Mapping[str, Any], architecture: Architecture) -> dict[str, Any]:
    """Fields that a user gives, each one of the gates'. Those that say how gates start are not to be given."""
    names, known = architecture.facts.names, architecture.gate_defaults
    starts = {*names.start, *names.declared.starts}
    for name in fields:
        if name not in known:
            close = nearest(name, list(known))
            told = f"did you mean {close}?" if close else f"give one of {', '.join(sorted(known))}"
            raise CheckpointError(SET, f"{architecture.config.name} has no field of gates `{name}`", told)
        if names == MEANT and (name, fields[name]) == (names.field("mode"), SCALES):
            message = f"gates of {SCALES} begin at about a half, and a gated checkpoint starts as its base is"
            fix = f'leave it out, and load the checkpoint with from_pretrained(..., {name}="{SCALES}") to train and save it'
            raise CheckpointError(SET, message, fix)
        if name in starts:
            message = f"`{name}` says how gates start, and a gated checkpoint starts as its base is"
            raise CheckpointError(SET, message, "leave it out, and train the gates")
    return dict(fields)


def completed_fields(config: dict[str, Any], is_given: bool, architecture: Architecture) -> dict[str, Any]:
    """Have the gated configuration itself check fields that were given, and say of a bank what depends on the base's.

    Such fields are put into `config`, where they are None. Returns those of the gates as the configuration has them.
    """
    names = architecture.facts.names
    if not is_given and not names.bank:
        return {}
    made = configured(SET if is_given else CONFIG, config, architecture).get_text_config()
    text: dict[str, Any] = config["text_config"] if architecture.config.is_composite else config
    found = {name: getattr(made, name) for name in architecture.gate_defaults if hasattr(made, name)}
    text |= {name: value for name, value in found.items() if names.bank and text.get(name) is None}
    return found
