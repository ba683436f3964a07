"""Loading checkpoints in a clean process, which has transformers and not this project."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
import venv
from pathlib import Path


LOAD = """
import importlib.util, json, sys
assert importlib.util.find_spec("generated") is None and importlib.util.find_spec("checkpoints") is None
import torch, transformers
transformers.logging.set_verbosity_error()
tokens = torch.arange(3, 15).reshape(2, 6)
for folder, auto in json.loads(sys.argv[1]):
    try:
        load = getattr(transformers, auto).from_pretrained
        model, info = load(folder, trust_remote_code=True, output_loading_info=True)
    except ValueError as error:
        print(json.dumps({"refused": str(error)}))
        continue
    outputs = model(tokens, output_router_logits=True)
    print(json.dumps({
        "class": type(model).__name__,
        "module": type(model).__module__.split(".")[0],
        "unloaded": sorted(info["missing_keys"]) + sorted(info["unexpected_keys"]),
        "scores": [list(each.shape) for each in outputs.quality_logits],
        "sum": outputs.logits.double().sum().item(),
        "tokens": model.generate(tokens, max_new_tokens=5, do_sample=False).tolist() if model.can_generate() else None,
    }))
"""


def clean_python(folder: Path) -> Path:
    """A virtual environment of its own, with the packages that are installed here and without this project.

    The project is installed by a .pth file, and files of that kind are read in the environment's own folder alone.
    """
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    ask = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    own = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
    (own / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def load_elsewhere(checkpoints: list[tuple[Path, str]], place: Path) -> list[dict]:
    """Load and run checkpoints, each with the Auto class of that name, in a clean process away from this project."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    clean |= {"HF_HOME": str(place / "home"), "HF_HUB_OFFLINE": "1"}
    listed = json.dumps([(str(folder), auto) for folder, auto in checkpoints])
    command = [clean_python(place / "venv"), "-c", LOAD, listed]
    done = subprocess.run(command, cwd=place, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
