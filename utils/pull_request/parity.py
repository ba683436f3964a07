"""Whether a gated model's logits are its base's, and what its gates cost: measured in a process of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from facts.tiny import tiny_fields
from facts.values import ModelFacts
from rendering.render import render

from pull_request.gates import start_of, template_of
from pull_request.validation import CommandRun, run


MARK = "PARITY "


@dataclass(frozen=True, slots=True)
class Parity:
    """One model against its base, on this machine's CPU."""

    gated: str
    base: str
    equal: bool  # bit for bit, at a tiny size, in the observing mode
    largest: float  # difference of two logits
    parameters: int  # of the base, in its default configuration
    gates: int
    multiplications: int  # of the gates for one token, in the default configuration


def measure(facts: ModelFacts, tree: Path) -> tuple[CommandRun, Parity | None]:
    """Run the comparison on a tree. None where it cannot be run there: the run says why."""
    model = facts.causal_lm or facts.text_model
    script = render(
        template_of(facts.package, "parity.py.j2"),
        gated=model.name,
        base=model.base_name,
        config=model.config,
        base_config=facts.configs[model.config].base_name,
        fields=tiny_fields(facts.text_config.fields, facts.name),
        mark=MARK,
        gate=facts.names.mark,
        start=start_of(facts.package),
        sizes=dict(facts.names.tiny),
    )
    done = run(tree, ["-"], script, name=f"parity of {model.name} with {model.base_name}")
    found = next((line for line in done.said.splitlines() if line.startswith(MARK)), None)
    return done, Parity(**json.loads(found.removeprefix(MARK))) if found else None
