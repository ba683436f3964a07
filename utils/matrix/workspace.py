"""A project of its own, outside git, in which every architecture is scaffolded, converted and given its tests."""

from __future__ import annotations

import io
import shutil
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from building.library import digest, shown
from building.outputs import write_all
from building.tools import version
from building.workspace import FAMILY, find_transformers
from diagnostics.errors import ConversionError, LocatedError, words_of
from diagnostics.values import Diagnostic
from facts.read import package_files, read_facts
from facts.values import ModelFacts
from files.locking import lock_folder
from gating.cli import main as convert
from scaffold.find import base_names
from scaffold.short import short_delta
from testgen.suites import suite

from matrix.values import Made, State


FOUNDATION = "llama"  # what all deltas inherit from
_NO_MODELS = {"auto"}  # folders of transformers whose causal language model is no architecture
_SHARED = ("support.py", "conftest.py")  # beside the tests of all models
_RUNNER = Path(__file__).with_name("isolated.py")
DECISIVE_PACKAGES = ("transformers", "torch", "tokenizers", "huggingface_hub")  # with a say in test results


class BusyError(LocatedError):
    """Two runs would write each other's files."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        message, fix = f"another run is at work in {folder}", "wait for it, or name a folder with --work"
        self.diagnostics = (Diagnostic("", str(folder), 0, 0, message, fix),)

    def __str__(self) -> str:
        return f"{self.message}; fix: {self.fix}"


def architectures() -> list[str]:
    """The model folders of the installed transformers that have a causal language model, sorted."""
    return [name for name in base_names(find_transformers()) if name not in _NO_MODELS]


@dataclass(frozen=True, slots=True)
class MatrixWorkspace:
    """`project` is where deltas of people's own lie; `folder` is the workspace's."""

    project: Path
    folder: Path

    def open(self) -> None:
        """Bring what all architectures share up to date. Raises BusyError where another run is at work here."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            lock_folder(self.folder)  # until this process ends
        except BlockingIOError:
            raise BusyError(self.folder) from None
        for name in ("templates", "tests/models"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.project / "templates", self.folder / "templates", dirs_exist_ok=True)
        for name in _SHARED:
            shutil.copy(self.project / "tests" / "models" / name, self.folder / "tests" / "models")
        shutil.copy(self.project / "pyproject.toml", self.folder)
        shutil.copy(self.project / "tests" / "conftest.py", self.folder / "tests")
        shutil.copytree(self.project / "modular" / "gates", self.folder / "modular" / "gates", dirs_exist_ok=True)
        for path in (self.project / "modular").glob(f"modular_{FAMILY}*.py"):
            shutil.copy(path, self.folder / "modular")
        self._convert(FOUNDATION)

    def make(self, name: str) -> Made:
        """From a name to a model with tests, as far as it goes. Never raises."""
        try:
            return self._make(name)
        except Exception as error:  # a fault of a tool concerns one architecture, and has to show in its row
            return Made(name, State.STUCK, words_of(error, whole=True, kind=True)[:300])

    def facts(self, name: str) -> ModelFacts:
        """Facts of a model that was made."""
        generated = self.folder / "generated"
        return read_facts(name, package_files(generated / f"{FAMILY}{name}"), [generated])

    def tests(self, name: str) -> Path:
        """The folder of a model's tests."""
        return self.folder / "tests" / "models" / f"{FAMILY}{name}"

    def delta(self, name: str) -> Path:
        """A model's modular file, in the workspace."""
        return self.folder / "modular" / f"modular_{FAMILY}{name}.py"

    def view(self, name: str) -> Path:
        """A folder whose `generated` holds one model alone: what is wrong with another cannot fail its tests."""
        folder = self.folder / "views" / name / "generated"
        folder.mkdir(parents=True, exist_ok=True)
        for entry in ("__init__.py", f"{FAMILY}{name}"):
            if not (folder / entry).is_symlink():
                (folder / entry).symlink_to(self.folder / "generated" / entry)
        return folder.parent

    def _make(self, name: str) -> Made:
        own = (self.project / "modular" / self.delta(name).name).is_file()
        places: tuple[str, ...] = ()
        try:
            found = short_delta(name, project=self.project)
            places = tuple(_place(place) for place in found.places)
            if not own:
                self.delta(name).write_text(found.text, encoding="utf-8")
        except ConversionError as error:
            if not own:
                self._drop(name)
                return Made(name, State.REFUSED, _told(error))
        if said := self._convert(name):
            return Made(name, State.STUCK, said, places, own)
        outcomes = [suite(name, self.folder / "generated", self.folder / "tests" / "models")]
        outcomes = write_all(outcomes, {}, force=True)
        problems = [problem for outcome in outcomes for problem in outcome.problems]
        if problems:
            return Made(name, State.STUCK, f"{problems[0].code}: {problems[0].message}", places, own)
        return Made(name, State.GATED, "", places, own, self._key(name))

    def _convert(self, name: str) -> str:
        """Write the gated model; what the converter says where it refuses."""
        said = io.StringIO()
        with redirect_stderr(said), redirect_stdout(io.StringIO()):
            status = convert(["--model", name, "--force", "--quiet", "--jobs", "1"], project=self.folder)
        lines = [line for line in said.getvalue().splitlines() if line and not line.startswith(("warning", " "))]
        return "" if status == 0 else (lines[0].partition(": ")[2] if lines else f"the converter ended with {status}")

    def _drop(self, name: str) -> None:
        self.delta(name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / "generated" / f"{FAMILY}{name}", ignore_errors=True)
        shutil.rmtree(self.tests(name), ignore_errors=True)

    def _key(self, name: str) -> str:
        folders = (self.folder / "generated" / f"{FAMILY}{name}", self.tests(name))
        files = [path for folder in folders for path in sorted(folder.glob("*.py"))]
        files += [self.folder / "generated" / "__init__.py"]
        files += [self.folder / "tests" / "models" / shared for shared in _SHARED]
        parts = [f"{path.relative_to(self.folder)} {digest(path.read_bytes())}" for path in files]
        parts += [f"{package} {version(package)}" for package in DECISIVE_PACKAGES]
        parts.append(digest(_RUNNER.read_bytes()))
        return digest("\n".join(parts).encode())


def _place(place: str) -> str:
    """`modeling_llama.py:310`: the file without its folders, which the architecture's name says."""
    return place.rpartition("/")[2]


def _told(error: ConversionError) -> str:
    first = error.diagnostics[0]
    return f"{first.code}: {first.message} ({_place(shown(first.path))}:{first.line})"
