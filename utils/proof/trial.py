"""One converted model against its base: every check, in this process."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast

import torch
from facts.values import ModelClass, ModelFacts, base_name

from proof.building import Modules, build_base, build_converted, import_base, import_converted
from proof.calls import Call, Check, Given, Lacking, as_tuple, cache_name, checks_of, one_pass
from proof.images import generated_from_pictures, pass_with_pictures
from proof.locate import equal, first_difference
from proof.methods import lacks
from proof.pair import SEED, Pair
from proof.values import BASE, IMPORT, Finding, FindingKind, Trial
from proof.watch import Call as Watched
from proof.watch import Said, watched


T = TypeVar("T")
RIGHT = "right"
_LACKING = f"{Lacking.__name__}: "
_FAILS = "left out, the base fails: "


@dataclass(slots=True)
class _Run:
    """The checks of one model as they are done."""

    facts: ModelFacts
    converted: Path  # the folder of the converted files
    fields: Mapping[str, object]  # of its configuration, with which it does what its base does
    spared: Sequence[str] = ()  # outputs that are not compared
    checks: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    _warned: set[str] = field(default_factory=set)

    def watch(self, work: Callable[[], Any]) -> Watched:
        torch.manual_seed(SEED)
        return watched(work, self.converted)

    def note(self, check: str, kind: FindingKind, where: str, what: str) -> None:
        self.checks[check] = kind.value
        self.findings.append(Finding(check, kind, where, what))

    def build(self, check: str, work: Callable[[], T], where: str = "") -> T | None:
        """What `work` gives, None where it fails, which is a finding."""
        done = self.watch(work)
        if done.error:
            self.note(check, FindingKind.RAISES, where or done.where, done.error)
        return cast("T | None", done.given)

    def compare(self, check: Check, pair: Pair) -> bool:
        """Make a call of both models; whether the base can answer it."""
        theirs, ours = (self.watch(partial(check.call, model)) for model in (pair.base, pair.converted))
        if theirs.error:
            self.checks[check.name] = f"{_FAILS}{theirs.error}".replace(f"{_FAILS}{_LACKING}", "left out, ")
            return False
        if not _has_numbers(theirs.given):
            self.checks[check.name] = f"{_FAILS}it gives no numbers"
            return False
        self.checks[check.name] = RIGHT
        self._tell_warnings(check.name, theirs.said, ours.said)
        if ours.error:
            kind = FindingKind.DIFFERS if ours.error.startswith(_LACKING) else FindingKind.RAISES
            self.note(check.name, kind, ours.where, ours.error.removeprefix(_LACKING))
        elif told := "; ".join(list(_differences(self._compared(theirs.given), ours.given))[:2]):
            self.note(check.name, FindingKind.DIFFERS, self._parted(pair, check.call), told)
        return True

    def _compared(self, given: Given) -> Given:
        return {name: each for name, each in given.items() if name.rpartition(".")[2] not in self.spared}

    def _tell_warnings(self, check: str, theirs: list[Said], ours: list[Said]) -> None:
        known = {each.what for each in theirs}
        for each in ours:
            what = self.as_base(each.what)
            if what in known:
                continue
            self.checks[check] = FindingKind.WARNS.value
            if what not in self._warned:
                self.note(check, FindingKind.WARNS, each.where, each.what)
            self._warned.add(what)

    def as_base(self, text: str) -> str:
        """A message with the names that the base has."""
        text = re.sub(rf"\b{self.facts.names.prefix}\w+", lambda found: base_name(found[0]), text)
        text = text.replace(self.facts.package, self.facts.name)
        return re.sub(r"generated\.(?=\w+\.\w+_)", "transformers.models.", text)

    def _parted(self, pair: Pair, call: Call) -> str:
        return self.watch(lambda: first_difference(pair, call)).given or type(pair.converted).__name__


def try_model(
    facts: ModelFacts,
    converted: Path,
    fields: Mapping[str, object] = MappingProxyType({}),
    spared: Sequence[str] = (),
) -> Trial:
    """Try everything of a model.

    Args:
        facts: of its package.
        converted: the folder of its files, as package `generated.<facts.package>` on the path.
        fields: those of its configuration with which its kind of gate does what the base does.
        spared: outputs that are called as one of the base's and are something else.
    """
    started = time.perf_counter()
    run = _Run(facts, converted, fields, spared)
    modules = _imported(run)
    if modules:
        head = facts.causal_lm or facts.text_model
        if pair := _built(run, IMPORT, modules, head):
            _try_language_model(run, pair)
        for other in facts.text_models:
            if other is not head:
                _try_other(run, modules, other)
        for other in facts.image_models if facts.image_config else ():
            _try_images(run, modules, other)
    found = lacks(modules.modeling, modules.base_modeling) if modules and run.findings else ()
    return Trial(run.checks, tuple(run.findings), found, round(time.perf_counter() - started, 2))


def _imported(run: _Run) -> Modules | None:
    base = run.build(IMPORT, lambda: import_base(run.facts), BASE)
    ours = base and run.build(IMPORT, lambda: import_converted(run.facts))
    return Modules(*ours, *base) if base and ours else None


def _built(run: _Run, check: str, modules: Modules, model: ModelClass) -> Pair | None:
    base = run.build(check, lambda: build_base(run.facts, modules, model), BASE)
    pair = base and run.build(check, lambda: build_converted(run.facts, modules, model, base, run.fields))
    if pair:
        run.checks[check] = RIGHT
    return pair


def _try_language_model(run: _Run, pair: Pair) -> None:
    found = run.watch(lambda: cache_name(pair))
    for check in checks_of(pair, found.given or "", run.facts.gate):
        if not run.compare(check, pair) and check.call is one_pass:
            run.note(check.name, FindingKind.RAISES, BASE, run.checks[check.name].removeprefix(_FAILS))
    if not found.given:
        run.checks["cached step"] = found.error and f"{_FAILS}{found.error}" or "left out, the base returns no cache"


def _try_other(run: _Run, modules: Modules, model: ModelClass) -> None:
    name = f"one pass of {model.role}"
    if pair := _built(run, name, modules, model):
        run.compare(Check(name, one_pass), pair)
        run.compare(Check(f"{name} as a tuple", as_tuple), pair)


def _try_images(run: _Run, modules: Modules, model: ModelClass) -> None:
    name = f"one pass of {model.base_name}"
    if pair := _built(run, name, modules, model):
        run.compare(Check(name, one_pass), pair)
        run.compare(Check(f"{name} with pictures", pass_with_pictures), pair)
        if pair.base.can_generate():
            run.compare(Check(f"padded generate of {model.base_name}", generated_from_pictures), pair)


def _differences(theirs: Given, ours: Given) -> Iterator[str]:
    for name, expected in theirs.items():
        if name not in ours:
            yield f"there is no {name}"
            continue
        actual = ours[name]
        if isinstance(expected, torch.Tensor) and not equal(actual, expected):
            yield f"{name} {_distance(actual, expected)}"


def _has_numbers(given: Given) -> bool:
    """Whether there is anything to compare: of what is computed, not all is infinite or no number."""
    floats = [each for each in given.values() if each is not None and each.is_floating_point()]
    return any(bool(each.isfinite().any()) for each in floats) or not floats


def _distance(ours: torch.Tensor, theirs: torch.Tensor) -> str:
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return f"is {ours.dtype} {list(ours.shape)}, not {theirs.dtype} {list(theirs.shape)}"
    apart = (ours != theirs) & ~(ours.isnan() & theirs.isnan())
    furthest = (ours.double() - theirs.double()).abs()[apart].max()
    return f"differs in {int(apart.sum())} of {apart.numel()} values, by up to {furthest:.2g}"
