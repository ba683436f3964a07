"""What a file of weights holds besides them goes into the gated checkpoint, and into its manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bases import make_base
from checkpoints.gating import gate_checkpoint
from checkpoints.manifest import MANIFEST
from checkpoints.tensors import SafetensorsTensors


def test_what_a_file_holds_besides_weights_comes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tokenizer of a GGUF file, say, in files that it names itself."""

    def write_extras(self: SafetensorsTensors, folder: Path) -> list[str]:
        (folder / "templates").mkdir()
        for name in ("vocabulary.json", "templates/a.jinja"):
            (folder / name).write_text(name)
        return ["vocabulary.json", "templates/a.jinja"]

    monkeypatch.setattr(SafetensorsTensors, "write_extras", write_extras)
    gate_checkpoint(make_base(tmp_path / "base"), tmp_path / "gated")
    files = json.loads((tmp_path / "gated" / MANIFEST).read_text())["files"]
    for name in ("vocabulary.json", "templates/a.jinja"):
        assert (tmp_path / "gated" / name).read_text() == name
        assert files[name]["size"] == len(name) and len(files[name]["sha256"]) == 64
