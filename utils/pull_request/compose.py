"""A model and a repository -> the texts of all files of a pull request. Reads the repository, writes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from diagnostics.values import Diagnostic
from facts.read import read_facts
from facts.values import ModelFacts
from rendering.render import render
from syntax.queries import classes, method
from syntax.trees import tree_of
from testgen.pull_request import upstream_test

from pull_request.conversion import formatted
from pull_request.layout import (
    configuration_path,
    init_path,
    modular_path,
    page_path,
    tests_folder,
    tests_path,
)
from pull_request.page import checkpoints, render_page
from pull_request.reduction import Reducer
from pull_request.shared import page_of, page_of_base, shared_files
from pull_request.values import HOLDERS, PACKAGE, ExportSetting, Model, Tree, refuse
from pull_request.weaving import changed_parents, woven


MODELING_UTILS = f"{PACKAGE}/modeling_utils.py"
RENAMED = ("gradient_checkpointing_enable", "activation_checkpointing_enable")  # with 5.23


@dataclass(frozen=True, slots=True)
class Export:
    """What one model brings to a repository."""

    model: Model
    facts: ModelFacts
    files: dict[str, str]  # new files by path
    shared: dict[str, str]  # edited files by path
    warnings: tuple[Diagnostic, ...]

    @property
    def texts(self) -> dict[str, str]:
        """All files by path, sorted."""
        return dict(sorted({**self.files, **self.shared}.items()))


def compose(model: Model, tree: Tree, setting: ExportSetting) -> Export:
    """Everything that one model brings. Raises ConversionError where it cannot be converted there."""
    path = modular_path(model.name)
    made = Reducer(model, tree, setting).reduced(woven(model, tree, setting.today.year))
    generated = made.generated
    try:
        facts = read_facts(model.name, _by_name(generated))
    except LookupError as error:
        fix = "compare its bases in this tree with those it was written against"
        raise refuse("not-a-gated-model", path, str(error), fix) from None
    _check_checkpoints(facts, generated[configuration_path(model.name)])
    files = {
        init_path(model.name): render(
            "pull_request/init.py.j2", facts=facts, year=setting.today.year, holders=HOLDERS
        ),
        path: made.modular,
        **generated,
        page_path(page_of(facts)): render_page(
            facts, generated[configuration_path(model.name)], setting.today, page_of_base(facts, tree)
        ),
        f"{tests_folder(model.name)}/__init__.py": "",
        tests_path(model.name): formatted(tests_path(model.name), _tests(facts, generated, tree), setting),
    }
    shared = shared_files(facts, tree.with_changes(files))
    changed = changed_parents(model, tree, setting.home)
    return Export(model, facts, files, shared, (*made.warnings, *changed))


def _check_checkpoints(facts: ModelFacts, configuration: str) -> None:
    """Page and tests use the checkpoints of the base, which upstream's checker of docstrings asks for as well."""
    named = checkpoints(configuration)
    for model in (facts.causal_lm, *facts.image_models):
        if model is not None and model.config not in named:
            fix = 'give it `@auto_docstring(checkpoint="org/name")` in the modular file'
            raise refuse(
                "no-checkpoint", configuration_path(facts.package), f"`{model.config}` names no checkpoint", fix
            )


def _tests(facts: ModelFacts, generated: dict[str, str], tree: Tree) -> str:
    try:
        return upstream_test(facts, _by_name(generated), HOLDERS, _checkpointing(tree))
    except LookupError as error:
        fix = "compare the `config` of the base's classes in this tree with those it was written against"
        raise refuse("not-a-gated-model", modular_path(facts.package), str(error), fix) from None


def _checkpointing(tree: Tree) -> str:
    """How models of a tree are told to compute activations again."""
    old, new = RENAMED
    file = tree.read(MODELING_UTILS)
    return new if file is None or any(method(node, new) for node in classes(tree_of(file))) else old


def _by_name(files: dict[str, str]) -> dict[str, str]:
    return {path.rpartition("/")[2]: text for path, text in files.items()}
