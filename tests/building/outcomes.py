"""A job called toy, and what may become of it, without converting anything."""

from __future__ import annotations

from pathlib import Path

from building.jobs import Job, Outcome, State
from building.library import Library
from building.lock import LockEntry
from diagnostics.values import Diagnostic

from converter.banner import render_banner, seal
from converter.values import Layout, Provenance, Target


PROBLEM = Diagnostic("two-parents", "modular_toy.py", 3, 5, "there are two", "take one")
MODELING, CONFIGURATION = "modeling_toy.py", "configuration_toy.py"
BASE = "models.llama.modeling_llama"
SOURCE = "class LlamaMLP:\n    def forward(self):\n        return 1\n\n\nclass LlamaModel:\n    pass\n"


def library(tmp_path: Path, text: str | None = SOURCE) -> Library:
    folder = tmp_path / "transformers" / "models" / "llama"
    folder.mkdir(parents=True)
    if text is not None:
        (folder / "modeling_llama.py").write_text(text, encoding="utf-8")
    return Library({"transformers": tmp_path / "transformers"})


def job_in(tmp_path: Path) -> Job:
    """A model called toy, in a folder."""
    target = Target("toy", Layout.PACKAGE, "modular/modular_toy.py", "5.0.0", True)
    delta = tmp_path / "modular" / "modular_toy.py"
    delta.parent.mkdir()
    delta.write_text("from .a import A\n")
    return Job("toy", delta, "modular.modular_toy", "generated.toy", tmp_path / "generated" / "toy", target)


def outcome(job: Job, **states: State) -> Outcome:
    return Outcome(job, {f"{name}_toy.py": state for name, state in states.items()}, {MODELING: "new = 1\n"})


def generated(job: Job, body: str = "old = 1\n") -> str:
    """The text of a file of this job, banner and seal included."""
    return seal(render_banner(job.target) + body)


def put(job: Job, **bodies: str) -> None:
    job.folder.mkdir(parents=True, exist_ok=True)
    for name, text in bodies.items():
        (job.folder / f"{name}_toy.py").write_text(text)


def entry(**changed: object) -> LockEntry:
    made = {
        "definitions": {"models.llama.modeling_llama.LlamaMLP": "1", "models.llama.modeling_llama.LlamaModel": "2"}
    }
    given = {"restated": {"models.llama.modeling_llama.LlamaMLP.forward": "3"}, "models": {"quality_gate_base": "5"}}
    imports = {"imports": {"models.llama.modeling_llama": "4"}}
    return LockEntry("5.0.0", "m", Provenance(**{**made, **given, **imports, **changed}))  # type: ignore[arg-type]
