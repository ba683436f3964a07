"""The process that has the other release of transformers: it loads torch and that once, and tries each model in a fork.

It runs as `python -m proof.worker` (`proof.running`). In: a JSON object on standard input. Out: the name of each model that
is done, a line each; trials lie in files.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import signal
import sys
from pathlib import Path

from diagnostics.errors import words_of
from facts.read import package_files, read_facts
from files.writing import write_text
from processes.spread import spread

from proof.trial import try_model
from proof.values import IMPORT, Finding, FindingKind, Trial


# What models import one by one otherwise, each anew.
_SHARED = (
    "transformers.modeling_utils",
    "transformers.generation.utils",
    "transformers.masking_utils",
    "transformers.modeling_layers",
    "transformers.models.auto.modeling_auto",
    "torch._dynamo",
)

# Bytes for one model, which at a tiny size needs one GB: a base that is big by default must not take the machine down.
_MEMORY = 6 * 2**30


def main() -> int:
    """Serve one request; the exit status."""
    asked = json.load(sys.stdin)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all of us; whoever asked decides what it means
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for module in _SHARED:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # a collection in a fork would otherwise copy every shared page
    generated, trials = Path(asked["generated"]), Path(asked["trials"])
    fields, spared = asked["fields"], asked["spared"]

    def tried(name: str) -> None:
        _try(generated, trials, name, fields[name], spared[name])

    for done in spread(tried, asked["names"], asked["processes"], asked["limit"]):
        print(done.name, flush=True)
    return 0


def _try(generated: Path, trials: Path, name: str, fields: dict[str, object], spared: list[str]) -> None:
    """Try one model, and leave what was found in a file."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    log = os.open(trials / f"{name}.txt", os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    folder = generated / name
    try:
        trial = try_model(read_facts(name, package_files(folder), [generated]), folder, fields, spared)
    except (LookupError, SyntaxError) as error:  # no text of a model that anything could be found in
        what = words_of(error, whole=True, kind=True)
        trial = Trial({IMPORT: FindingKind.RAISES.value}, (Finding(IMPORT, FindingKind.RAISES, name, what),))
    write_text(trials / f"{name}.json", json.dumps(trial.to_json()))


if __name__ == "__main__":
    raise SystemExit(main())
