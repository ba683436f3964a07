"""A toy converter and toy projects, so that what surrounds the converter can be tested without it.

A toy delta says `VALUE = n`; what is made of it says n plus the VALUE of every module it imports from.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

from syntax.source import Source

from converter.banner import render_banner
from converter.values import Conversion, Layout, Loader, Provenance, Target


_IMPORT = re.compile(r"^from (\S+) import", re.MULTILINE)
_VALUE = re.compile(r"^VALUE = (\d+)", re.MULTILINE)


def toy_convert(delta: Source, target: Target, load: Loader, casing: Mapping[str, str]) -> Conversion:
    """Add up values; misbehave where the delta says so."""
    total, reads, taken = value_of(delta.text), [], {}
    for found in _IMPORT.finditer(delta.text):
        name = absolute(found[1], delta.module)
        parent = load(name)
        reads.append(name)
        if parent is None:
            line = delta.text.count("\n", 0, found.start()) + 1
            raise delta.refuse(line, 1, "unknown-base", f"there is no {name}", "check the name")
        total += value_of(parent.text)
        taken[f"{name}.VALUE"] = hashlib.sha256(str(value_of(parent.text)).encode()).hexdigest()
    _misbehave(delta)
    warnings = (delta.problem(1, 1, "doubtful", "this is doubtful", "say it clearly"),) if "WARN" in delta.text else ()
    # `os` and the quotes are for ruff
    body = f"import os\nVALUE = {total}\nNAME = '{casing.get(target.model, '?')}'\n"
    body += "".join(re.findall(r"^EMIT (.*\n)", delta.text, re.MULTILINE))
    files = {f"modeling_{target.model}.py": render_banner(target) + body}
    if "CONFIG" in delta.text:
        files[f"configuration_{target.model}.py"] = render_banner(target) + "SIZE = 1\n"
    if target.layout is Layout.PACKAGE:
        files["__init__.py"] = f"{render_banner(target)}from .modeling_{target.model} import *\n"
    return Conversion(files, warnings, tuple(sorted(reads)), Provenance(definitions=taken))


def value_of(text: str) -> int:
    """The number after `VALUE =`, 0 where there is none."""
    found = _VALUE.search(text)
    return int(found[1]) if found else 0


def absolute(name: str, module: str) -> str:
    """A relative module name as an absolute one."""
    bare = name.lstrip(".")
    dots = len(name) - len(bare)
    return ".".join([*module.split(".")[:-dots], bare]) if dots else name


def _misbehave(delta: Source) -> None:
    if "BOOM" in delta.text:
        raise RuntimeError("boom")
    if "DIE" in delta.text:
        os._exit(9)
    if "SLOW" in delta.text:
        time.sleep(30)


def make_project(folder: Path, **deltas: str) -> Path:
    """A project whose modular/ holds modular_quality_gate_<name>.py for each delta."""
    for name, text in deltas.items():
        put(folder / f"modular/modular_quality_gate_{name}.py", text)
    (folder / "generated").mkdir(parents=True, exist_ok=True)
    return folder


def make_tree(folder: Path, **deltas: str) -> Path:
    """A transformers package whose models/<name>/ holds modular_<name>.py for each delta."""
    put(folder / "__init__.py", '__version__ = "9.9.9"\n')
    put(folder / "models/auto/auto_mappings.py", 'CONFIG_MAPPING_NAMES = OrderedDict(\n    [("a", "AyConfig")]\n)\n')
    for name, text in deltas.items():
        put(folder / f"models/{name}/modular_{name}.py", text)
    return folder


def put(path: Path, text: str) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, hidden ones too: name -> bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
