"""Trials of many models: what earlier runs kept, else the process of `proof.worker`, seen from outside."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from building.cache import Cache, default_folder
from building.library import digest
from building.tools import version
from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from naming.declared import beside
from naming.kinds import GateNames, kind_of
from places import UTILS
from processes.served import EndedEarly, quiet_environment, served

from proof.requirements import install, unmet
from proof.values import PROCESS, Finding, FindingKind, Trial


LIMIT = 300.0  # seconds for one model, which takes half a second on an idle machine
_KEPT = "trial.json"
_PACKAGES = ("torch", "huggingface_hub", "tokenizers", "safetensors", "numpy", "accelerate")  # with a say in outcomes
_CODE = ("proof", "facts", "processes", "syntax")

Texts = Mapping[str, Mapping[str, str]]  # package -> file name -> text


@dataclass(frozen=True, slots=True)
class Release:
    """A transformers to try models in."""

    package: Path  # its folder
    digest: str  # of all of its Python files

    @classmethod
    def at(cls, package: Path) -> Release:
        """The release in a folder."""
        folders = os.walk(package, followlinks=True)
        files = sorted(Path(folder, name) for folder, _, names in folders for name in names if name.endswith(".py"))
        parts = [f"{path.relative_to(package)} {digest(path.read_bytes())}" for path in files]
        return cls(package, digest("\n".join(parts).encode()))


@dataclass(frozen=True, slots=True)
class ProofSetting:
    """How trials are made."""

    processes: int
    cache: Cache | None = None  # for what was found; None: everything is tried, and nothing kept
    limit: float = LIMIT  # seconds for one model
    # of a package's configuration (proof.trial)
    fields: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    spared: Mapping[str, Sequence[str]] = field(default_factory=dict)  # of a package's outputs (proof.trial)
    gates: Path | None = None  # the folder of the kinds of gate, which declare what their weights are called


def try_all(
    names: Sequence[str], texts: Texts, package_init: str, release: Release, setting: ProofSetting
) -> Iterator[tuple[str, Trial, bool]]:
    """The trial of each model as it is done, and whether an earlier run made it.

    Args:
        setting: how trials are made, and where what they found is kept; its `limit` is in seconds for one model.
        names: the packages to try.
        texts: the files of these, and of all packages that they may import.
        package_init: the text of the `__init__.py` above them.
        release: the transformers that they were converted for.

    Raises:
        ConversionError: `cannot-fetch` where what the release needs is not to be had, `no-proof` where it cannot be imported.
    """
    shared = _shared(release, package_init)
    own = {
        name: f"{sorted(setting.fields.get(name, {}).items())}{setting.spared.get(name, ())}{_marks(name, setting)}"
        for name in names
    }
    keys = {name: _key(f"{shared}{own[name]}", name, texts) for name in names}
    kept = {name: _recall(setting.cache, key) for name, key in keys.items()}
    for name, trial in kept.items():
        if trial:
            yield name, trial, True
    for name, trial in _run([name for name in names if not kept[name]], texts, package_init, release, setting):
        if setting.cache and not trial.broken:
            setting.cache.put(keys[name], {}, {_KEPT: json.dumps(trial.to_json())})
        yield name, trial, False


def _marks(name: str, setting: ProofSetting) -> tuple[str, ...]:
    kind = kind_of(name).kind
    return GateNames(kind, (setting.gates,) if setting.gates else ()).declared.marks


def _run(
    names: Sequence[str], texts: Texts, package_init: str, release: Release, setting: ProofSetting
) -> Iterator[tuple[str, Trial]]:
    if not names:
        return
    with TemporaryDirectory(prefix="proof-", ignore_cleanup_errors=True) as scratch:
        root = Path(scratch).resolve()
        needs = _needs(release)
        _lay_out(root, texts, package_init, release)
        if setting.gates:
            shutil.copytree(setting.gates, beside(root / "generated"), ignore=shutil.ignore_patterns("__pycache__"))
        environment = quiet_environment([root / "path", *needs, UTILS]) | _bytecode(release)
        asked = {"names": list(names), "processes": setting.processes, "limit": setting.limit}
        asked |= {"generated": str(root / "generated"), "trials": str(root / "trials")}
        asked["fields"] = {name: dict(setting.fields.get(name, {})) for name in names}
        asked["spared"] = {name: list(setting.spared.get(name, ())) for name in names}
        try:
            for line in served("proof.worker", asked, root, environment, root / "said.txt"):
                if line in names:  # what is imported may print as well
                    yield line, _read(root / "trials" / line, setting.limit)
        except EndedEarly as error:
            raise _refuse(release, Path(str(error)).read_text(encoding="utf-8", errors="replace")) from None


def _lay_out(root: Path, texts: Texts, package_init: str, release: Release) -> None:
    """A folder with the texts as the package `generated`, and one with the release alone, whatever lies beside it."""
    for folder in ("generated", "trials", "path"):
        (root / folder).mkdir()
    (root / "path" / "transformers").symlink_to(release.package)
    (root / "generated" / "__init__.py").write_text(package_init, encoding="utf-8")
    for package, files in texts.items():
        (root / "generated" / package).mkdir()
        for name, text in files.items():
            (root / "generated" / package / name).write_text(text, encoding="utf-8")


def _needs(release: Release) -> list[Path]:
    """Where packages lie that the release needs and this Python has not."""
    lacking, folder = unmet(release.package), default_folder()
    if lacking and folder is None:
        raise _refuse(release, f"it needs {', '.join(lacking)}, which there is no place to keep")
    return [install(lacking, folder / "releases")] if lacking and folder else []


def _bytecode(release: Release) -> dict[str, str]:
    """Python keeps compiled files beside a release that we fetched, and beside nobody else's."""
    folder = default_folder()
    ours = folder is not None and release.package.is_relative_to(folder)
    return {} if ours else {"PYTHONDONTWRITEBYTECODE": "1"}


def _read(path: Path, limit: float) -> Trial:
    try:
        return Trial.from_json(json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        log = path.with_suffix(".txt")
        said = log.read_text(encoding="utf-8", errors="replace").split() if log.is_file() else []
        what = f"ended without a word, or took longer than {limit:.0f} s: {' '.join(said)[-200:]}".removesuffix(": ")
        return Trial(
            {PROCESS: FindingKind.RAISES.value}, (Finding(PROCESS, FindingKind.RAISES, "", what),), broken=True
        )


def _shared(release: Release, package_init: str) -> str:
    """The digest of all that decides every trial."""
    code = [path for package in _CODE for path in sorted((UTILS / package).glob("*.py"))]
    parts = [release.digest, digest(package_init.encode()), *(f"{name} {version(name)}" for name in _PACKAGES)]
    parts += [f"{path.relative_to(UTILS)} {digest(path.read_bytes())}" for path in code]
    return digest("\n".join(parts).encode())


def _key(shared: str, name: str, texts: Texts) -> str:
    """The digest of a model's trial: of its files, of those of every package that they name, and of all else."""
    waiting, seen = [name], {name}
    while waiting:
        words = set(re.findall(r"\w+", "\n".join(texts[waiting.pop()].values())))
        found = (words & set(texts)) - seen
        seen |= found
        waiting += found
    parts = [
        f"{each}/{file} {digest(text.encode())}" for each in sorted(seen) for file, text in sorted(texts[each].items())
    ]
    return digest("\n".join(["proof", shared, name, *parts]).encode())


def _recall(cache: Cache | None, key: str) -> Trial | None:
    entry = cache.get(key) if cache else None
    try:
        return Trial.from_json(json.loads((entry.texts() or {})[_KEPT])) if entry else None
    except (ValueError, KeyError, TypeError):
        return None


def _refuse(release: Release, said: str) -> ConversionError:
    lines = [line for line in said.strip().splitlines() if line.strip()]
    reason = f"nothing can be tried in this transformers: {lines[-1].strip() if lines else 'its process ended'}"[:500]
    fix = "install what it lacks, or prove the models with a Python that it supports"
    return ConversionError(Diagnostic("no-proof", str(release.package), 1, 1, reason, fix))
