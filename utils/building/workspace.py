"""Where things are: the project, transformers and its models, and the jobs that a command line asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from converter.values import Layout, Target
from diagnostics.errors import ConversionError
from diagnostics.names import is_name, nearest
from diagnostics.values import Diagnostic
from naming.kinds import MEANT
from places import HOME, PROJECT

from building.jobs import Job
from building.library import installed, shown


GATE = MEANT.kind
FAMILY = MEANT.family  # `--model llama` means this project's gated Llama
_CLUTTER = re.compile(r"^(?:.*[/\\])?(?:modular_)?|\.py$|[^\w]")  # around the name in "modular/modular_llama.py"
_VERSION = re.compile(r"^__version__ = [\"']([^\"']+)[\"']", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Folders:
    """A project's: what is read, and what is written."""

    home: Path  # holds templates/
    modular: Path
    generated: Path

    @classmethod
    def of(cls, project: Path, modular: Path | None = None, generated: Path | None = None) -> Folders:
        """Those of a project, or others in their place; a user's project has the templates that come with the tools."""
        home = HOME if project == PROJECT else project
        return cls(home, modular or project / "modular", generated or project / "generated")


def check_folders(folders: Folders) -> None:
    """Raise ConversionError (`cannot-write`) where a file is where a folder goes, before anything is written."""
    for folder in (folders.modular, folders.generated):
        if folder.exists() and not folder.is_dir():
            fix = "move it away, or name another folder with --modular or --generated"
            raise _refuse("cannot-write", shown(folder), "a file is where a folder goes", fix)


def find_transformers() -> Path:
    """The folder of the installed transformers. Raises ConversionError (`no-transformers`)."""
    folder = installed("transformers")
    if folder is None:
        raise _refuse("no-transformers", "transformers", "transformers is not installed", "pip install transformers")
    return Path(folder)


def read_release(package: Path) -> str:
    """The version a transformers package gives itself; "unknown" where it does not say."""
    try:
        found = _VERSION.search((package / "__init__.py").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return "unknown"
    return found[1] if found else "unknown"


def find_tree(folder: Path) -> Path:
    """The transformers package in or under `folder`: what holds `models/`. Raises ConversionError (`not-a-tree`)."""
    folder = folder.resolve()
    for candidate in (folder, folder / "src" / "transformers"):
        if (candidate / "models").is_dir():
            return candidate
    fix = "name the folder that holds models/, such as src/transformers of a checkout"
    raise _refuse("not-a-tree", shown(folder), "there is no models/ in this folder", fix)


def project_jobs(release: str, strict: bool, project: Path | Folders = PROJECT) -> list[Job]:
    """A job for each file of modular/, sorted by name."""
    folders = project if isinstance(project, Folders) else Folders.of(project)
    return [_project_job(path, release, strict, folders) for path in sorted(folders.modular.glob("modular_*.py"))]


def jobs_along(known: Sequence[Job], release: str, strict: bool, project: Path | Folders = PROJECT) -> tuple[Job, ...]:
    """Jobs for the deltas that come with the tools, which those of a user's project may stand on; none in the tools' own.

    Args:
        known: the jobs of the project, which go before one of the same name.
        release: of the transformers that they are converted against.
        strict: as for `project_jobs`.
        project: whose outputs they make.
    """
    folders = project if isinstance(project, Folders) else Folders.of(project)
    if folders.home != HOME or folders.modular == HOME / "modular":
        return ()
    own = {job.name for job in known}
    ours = project_jobs(release, strict, Folders.of(HOME, generated=folders.generated))
    return tuple(job for job in ours if job.name not in own)


def _project_job(delta: Path, release: str, strict: bool, folders: Folders) -> Job:
    model = _model_of(delta)
    target = Target(model, Layout.PACKAGE, f"modular/{delta.name}", release, strict)
    # Outputs are read as generated.<model>; the delta's relative imports start where upstream would keep it.
    module = f"transformers.models.{model}.{delta.stem}"
    return Job(model, delta, module, f"generated.{model}", folders.generated / model, target)


def path_jobs(paths: Sequence[Path], output: Path, release: str, strict: bool) -> list[Job]:
    """A job for each modular file named on the command line, as if it lay in transformers/models/<model>/.

    Args:
        paths: the modular files.
        output: the folder for the outputs of a single file; those of several each go to a folder of their own in it.
        release: of the transformers that they are converted against, "5.24.0".
        strict: whether to refuse what the reference gets silently wrong, instead of doing the same with a warning.

    Raises:
        ConversionError: `not-modular` for a file of another name, `no-such-file` where there is none,
            `duplicate-model` for two of one name.
    """
    jobs = [_path_job(path, output if len(paths) == 1 else None, output, release, strict) for path in paths]
    names = [job.name for job in jobs]
    for job in jobs:
        if names.count(job.name) > 1:
            message = f"two files are called {job.delta.name}"
            raise _refuse("duplicate-model", shown(job.delta), message, "convert them one at a time")
    return jobs


def _path_job(path: Path, folder: Path | None, output: Path, release: str, strict: bool) -> Job:
    if not path.name.startswith("modular_") or path.suffix != ".py" or not is_name(_model_of(path)):
        fix = "rename it to modular_<model>.py, the model in lower case: a-z, 0-9 and _"
        raise _refuse("not-modular", shown(path), "a modular file's name says which model it makes", fix)
    if not path.is_file():
        close = nearest(path.name, (near.name for near in path.parent.glob("modular_*.py")))
        fix = f"did you mean `{close}`?" if close else "check the path"
        raise _refuse("no-such-file", shown(path), "there is no such file", fix)
    model = _model_of(path)
    package = f"transformers.models.{model}"
    target = Target(model, Layout.PACKAGE, path.name, release, strict)
    return Job(model, path, f"{package}.{path.stem}", package, folder or output / model, target)


def tree_jobs(package: Path, release: str, strict: bool) -> list[Job]:
    """A job for each models/*/modular_*.py of a transformers package, sorted by folder and name."""
    return [_tree_job(path, release, strict) for path in sorted(package.glob("models/*/modular_*.py"))]


def _tree_job(delta: Path, release: str, strict: bool) -> Job:
    model, folder = _model_of(delta), delta.parent
    package = f"transformers.models.{folder.name}"
    origin = f"src/transformers/models/{folder.name}/{delta.name}"
    name = model if model == folder.name else f"{folder.name}/{model}"
    target = Target(model, Layout.TREE, origin, release, strict)
    return Job(name, delta, f"{package}.{delta.stem}", package, folder, target)


def select(jobs: Sequence[Job], models: Iterable[str], where: Path, family: str = FAMILY) -> list[Job]:
    """The jobs that `--model` names: by model, without the prefix `family`, or by folder; all where it names none.

    Raises ConversionError: `bad-model` or `unknown-model` for the first name that means nothing, `nothing-to-convert`
    where there are no jobs.

    Args:
        jobs: what there is to choose from.
        models: the names, as they were given.
        where: the folder of the modular files, for the text of a refusal.
        family: the prefix that a name may lack: "quality_gate_".
    """
    models = tuple(models)
    for model in models:
        _check_name(jobs, model, where, family)
    if not jobs:
        fix = "write a modular_<model>.py there, or name another folder"
        raise _refuse("nothing-to-convert", shown(where), "there is no modular file in this folder", fix)
    wanted = {job.name for model in models for job in _named(jobs, model, where, family)}
    return [job for job in jobs if job.name in wanted or not wanted]


def _check_name(jobs: Sequence[Job], model: str, where: Path, family: str) -> None:
    if not is_name(model):
        bare = _CLUTTER.sub("", model).lower()
        fix = f"write the name alone, in lower case{_suggest(jobs, bare, family)}"
        raise _refuse("bad-model", shown(where), f"{model!r} is not a model name", fix)


def _named(jobs: Sequence[Job], model: str, where: Path, family: str) -> list[Job]:
    for name in (model, f"{family}{model}"):
        found = [job for job in jobs if name in (job.target.model, job.folder.name)]
        if found:
            return found
    if (where / model).is_dir():
        fix = "name a model that has a modular file, or write one"
        raise _refuse("unknown-model", shown(where / model), "this model has no modular_*.py", fix)
    message = f"there is no modular file for {model!r} among {len(jobs)}"
    raise _refuse("unknown-model", shown(where), message, f"check the name{_suggest(jobs, model, family)}")


def _suggest(jobs: Sequence[Job], model: str, family: str) -> str:
    models = {job.target.model for job in jobs}
    close = nearest(model, models | {name.removeprefix(family) for name in models})
    return f"; did you mean `{close}`?" if close else ""


def _model_of(delta: Path) -> str:
    return delta.stem.removeprefix("modular_")


def _refuse(code: str, path: str, message: str, fix: str) -> ConversionError:
    return ConversionError(Diagnostic(code, path, 1, 1, message, fix))
