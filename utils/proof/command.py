"""What `modular_converter.py --drift --prove` calls, and what tests of a few models call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from building.batch import BuildSetting
from building.jobs import Outcome
from building.package_files import template_outcomes
from building.project import convert_models
from building.workspace import Folders, find_transformers, read_release
from naming.kinds import kind_of
from places import PROJECT
from weave.gate import Gate
from weave.kinds import read_kind
from weave.stage import weaving

from converter.values import Loader
from proof.judge import judge, judge_unconverted
from proof.report import Proven
from proof.running import ProofSetting, Release, try_all
from proof.values import Proof


# Few models that differ much: plain, with pictures, with experts and sinks, recurrent, a decoder of two, an encoder.
SAMPLE = ("llama", "gemma3", "gpt_oss", "bamba", "bart", "bert")


def prove(
    outcomes: Sequence[Outcome],
    ready: Sequence[Outcome],
    package: Path,
    setting: BuildSetting,
    advance: Callable[[Outcome], None],
) -> Proven:
    """Run every converted model against its base.

    Args:
        outcomes: conversions against a transformers, with their texts.
        ready: what makes them one package, where there is anything.
        package: the folder of that transformers.
        setting: how they were converted: as many processes, and the same cache, are used.
        advance: called with the outcome of each model as it is proven, `cached` where an earlier run has proven it.

    Raises:
        ConversionError: `cannot-fetch` where what the release needs is not to be had, `no-proof` where it cannot be imported.
    """
    by_name = {one.job.name: one for one in outcomes}
    proofs: list[Proof] = [judge_unconverted(one) for one in outcomes if one.failed]
    for one in outcomes:
        if one.failed:
            advance(one)
    texts = {name: one.texts for name, one in by_name.items() if not one.failed}
    above = next((text for one in ready for text in one.texts.values()), "")
    gates = {name: _gate(name, setting.library.load) for name in texts}
    fields = {name: dict(gate.tiny + gate.equals_base + gate.proven) for name, gate in gates.items() if gate}
    spared = {name: gate.own_outputs for name, gate in gates.items() if gate}
    own = ProofSetting(
        setting.processes, setting.cache, fields=fields, spared=spared, gates=setting.library.roots.get("gates")
    )
    trials = try_all(list(texts), texts, above, Release.at(package), own)
    for name, trial, kept in trials:
        proofs.append(judge(name, trial, kept))
        advance(replace(by_name[name], cached=kept))
    return Proven(sorted(proofs, key=lambda one: one.model), read_release(package))


def _gate(package: str, load: Loader) -> Gate | None:
    """The kind of gate of a model: what it says of being equal to its base; None where its modular file names no kind."""
    try:
        return read_kind(kind_of(package).kind, load).gate
    except LookupError:
        return None


def prove_models(
    models: Iterable[str], against: Path | None = None, processes: int = 2, project: Path = PROJECT
) -> Proven:
    """Convert a few models of a project in memory and run them against their bases.

    Args:
        models: their names, as for `--model`; what they are built on is converted, and proven, along with them.
        against: the folder of a transformers (`building.releases.find_release` gives that of a version); the installed one
            where it is None.
        processes: at most so many at a time.
        project: what holds modular/.

    Raises:
        ConversionError: a name means nothing, or nothing can be proven.
    """
    package = against or find_transformers()
    outcomes, setting = convert_models(list(models), package, project, weaving(project), processes)
    return prove(outcomes, template_outcomes(Folders.of(project)), package, setting, lambda outcome: None)
