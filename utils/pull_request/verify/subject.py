"""One exported model as it lies in a tree: what every check looks at."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from building.casing import read_casing
from diagnostics.values import Diagnostic
from syntax import queries
from syntax.trees import tree_of
from weave.gate import Gate
from weave.kinds import GateKind

from pull_request.gates import kind_of
from pull_request.layout import (
    MODELS,
    configuration_path,
    init_path,
    modeling_path,
    modular_path,
    page_name,
    page_path,
    tests_folder,
    tests_path,
)
from pull_request.values import ExportSetting, Tree, base_in


@dataclass(frozen=True, slots=True)
class File:
    """A text and its syntax tree; of a text that is no Python the tree is empty, and ruff says so."""

    path: str
    text: str
    tree: ast.Module

    def line(self, pattern: str) -> int:
        """The first line that a pattern is found in, counted from 1; 1 where there is none."""
        found = re.search(pattern, self.text, re.MULTILINE)
        return self.text.count("\n", 0, found.start()) + 1 if found else 1

    def classes(self) -> list[ast.ClassDef]:
        return queries.classes(self.tree)

    @property
    def exported(self) -> list[str]:
        """The names in `__all__`."""
        return queries.exported(self.tree)


@dataclass(frozen=True, slots=True)
class Subject:
    """One model in a tree."""

    name: str
    tree: Tree
    setting: ExportSetting

    def file(self, path: str) -> File:
        """A file of the tree, empty where it is missing: that is a finding of its own."""
        text = self.tree.read(path) or ""
        try:
            return File(path, text, tree_of(text) if path.endswith(".py") else ast.Module([], []))
        except SyntaxError:
            return File(path, text, ast.Module([], []))

    @property
    def modular(self) -> File:
        return self.file(modular_path(self.name))

    @property
    def configuration(self) -> File:
        return self.file(configuration_path(self.name))

    @property
    def modeling(self) -> File:
        return self.file(modeling_path(self.name))

    @property
    def page(self) -> File:
        return self.file(page_path(self.page_name))

    @property
    def page_name(self) -> str:
        return page_name(self.name, list(self.model_types().values()))

    @property
    def tests(self) -> File:
        return self.file(tests_path(self.name))

    @property
    def kind(self) -> GateKind:
        """The model's kind of gate."""
        return kind_of(self.name)

    @property
    def gate(self) -> Gate:
        return self.kind.gate

    @property
    def base(self) -> str:
        return base_in(self.name)

    def of_base(self, kind: str) -> File:
        """The base's "configuration" or "modeling" file."""
        return self.file(f"{MODELS}/{self.base}/{kind}_{self.base}.py")

    @property
    def python_files(self) -> list[str]:
        """The Python files of the model that are there."""
        paths = (
            init_path(self.name),
            modular_path(self.name),
            configuration_path(self.name),
            modeling_path(self.name),
            tests_path(self.name),
        )
        return [path for path in paths if self.tree.read(path) is not None]

    @property
    def required_files(self) -> list[str]:
        return [
            init_path(self.name),
            modular_path(self.name),
            configuration_path(self.name),
            modeling_path(self.name),
            page_path(self.page_name),
            f"{tests_folder(self.name)}/__init__.py",
            tests_path(self.name),
        ]

    @property
    def prefix(self) -> str:
        """What the names of the model's classes begin with; "" where nothing says."""
        camel = read_casing(self.tree.package).get(self.base, "")
        abstract = (name.removesuffix("PreTrainedModel") for name in self.modeling.exported)
        return f"{self.gate.prefix}{camel}" if camel else min(abstract, key=len, default="")

    @property
    def models(self) -> list[str]:
        """The exported models without the abstract one."""
        return [name for name in self.modeling.exported if not name.endswith("PreTrainedModel") and name[:1].isupper()]

    @property
    def configs(self) -> dict[str, ast.ClassDef]:
        """The configuration classes of the generated file."""
        return {node.name: node for node in self.configuration.classes() if node.name.endswith("Config")}

    def model_types(self) -> dict[str, str]:
        """Configuration class -> its model type."""
        found = {
            name: queries.string(queries.value_of(node.body, "model_type")) for name, node in self.configs.items()
        }
        return {name: said for name, said in found.items() if said is not None}


Check = Callable[[Subject], Iterator[Diagnostic]]


def finding(file: File | str, line: int, code: str, message: str, fix: str) -> Diagnostic:
    """A finding at a line of a file.

    Args:
        file: the file, or its path where it is not there.
        line: from 1.
        code: as docs/errors.md lists them.
        message: what is wrong.
        fix: what to do about it.
    """
    path = file if isinstance(file, str) else file.path
    return Diagnostic(code, path, line, 1, message, fix)
