"""The body of a pull request, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from diagnostics.values import Diagnostic
from facts.values import ModelFacts
from rendering.render import render

from pull_request.compose import Export
from pull_request.difference import Change, changes, lines_saved
from pull_request.gates import template_of
from pull_request.parity import Parity
from pull_request.validation import CommandRun
from pull_request.values import Tree, kind_in


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was run, and what came of it."""

    parity: Mapping[str, tuple[CommandRun, Parity | None]] = field(default_factory=dict)
    checkers: Sequence[CommandRun] = ()
    tests: Sequence[CommandRun] = ()
    findings: Sequence[Diagnostic] | None = None  # of --verify; None where it was not run


@dataclass(frozen=True, slots=True)
class ModelStory:
    """What a body says of one model."""

    facts: ModelFacts
    changes: Sequence[Change]
    written: int  # lines of the modular file
    generated: int
    parents: Sequence[str]  # the gated models it inherits from
    norm: str  # whose output the gates read
    warnings: Sequence[Diagnostic]


def title_of(exports: Sequence[Export]) -> str:
    """The title of a pull request: "Add", and the prefixes of its models."""
    names = [export.facts.prefix for export in exports]
    return "Add " + (" and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0])


def commit_message(exports: Sequence[Export]) -> str:
    """The message of the commit."""
    said = "".join(
        f"\n* {each.facts.prefix}: {each.facts.base_prefix} with a {kind_in(each.model.name)} gate" for each in exports
    )
    return (
        f"{title_of(exports)}\n{said} in every decoder layer\n"
        if len(exports) == 1
        else f"{title_of(exports)}\n{said}\n"
    )


def render_body(exports: Sequence[Export], tree: Tree, evidence: Evidence, already: Sequence[str]) -> str:
    """The body for these models.

    Args:
        exports: the models, in the order in which the body tells of them.
        tree: holds their files.
        evidence: what was run, and what came of it.
        already: the names of parents that the tree had before.
    """
    return render(
        template_of(exports[0].model.name, "body.md.j2"),
        title=title_of(exports),
        models=[_story(each, tree) for each in exports],
        already=already,
        evidence=evidence,
        release=tree.release,
    )


def _story(export: Export, tree: Tree) -> ModelStory:
    facts = export.facts
    written, generated = lines_saved(facts, tree)
    norms = [layer.gated_norm for layer in facts.layers if layer.has_gate and layer.gated_norm]
    return ModelStory(
        facts=facts,
        changes=changes(facts, tree),
        written=written,
        generated=generated,
        parents=[f"`{name}`" for name in export.model.parents],
        norm=norms[0] if norms else "",
        warnings=export.warnings,
    )
