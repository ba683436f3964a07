# Generated from templates/generated_run.py word for word.
# Do not edit generated/run.py: change the template and run `python utils/modular_converter.py --all`.
# Seal: sha256 0000000000000000000000000000000000000000000000000000000000000000
"""Run a tool that loads models itself, so that it knows the gated ones.

    python -m generated.run lm_eval --model hf --model_args pretrained=GATED --tasks TASK
    python -m generated.run transformers serve GATED
    python -m generated.run trl sft --model_name_or_path GATED --dataset_name DATA
    python -m generated.run my_script.py --option

TOOL is a command that a Python package installed, a module, or a Python file. The processes that it starts know the
gated models as well, as far as they are Python's of the same environment.
"""

import importlib.util
import os
import runpy
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path

from . import reach


_COMMAND = "quality-gate run"  # as which the command starts this
_STARTUP = Path(__file__).parent / "startup"  # holds the `sitecustomize.py` of processes that the tool starts


def main(argv: Sequence[str] | None = None) -> int:
    """Register the gated models for when transformers is imported, and run a tool with its arguments.

    Returns the exit status; what the tool raises goes through, its own SystemExit included.
    """
    tool, *arguments = (sys.argv[1:] if argv is None else argv) or [""]
    if tool in ("", "-h", "--help"):
        print(_usage(), file=sys.stdout if tool else sys.stderr)
        return 0 if tool else 2
    if importlib.util.find_spec("torch") is None:
        print(f"{_called()}: gated models run on torch, which is not installed: {reach.INSTALL}", file=sys.stderr)
        return 2
    register_when_needed()
    _prepare_children()
    return _run(tool, arguments)


def _called() -> str:
    return _COMMAND if sys.argv[0] == _COMMAND else "generated.run"


def _usage() -> str:
    text = __doc__.strip()
    return text.replace("python -m generated.run", _COMMAND) if _called() == _COMMAND else text


def register_when_needed() -> None:
    """Register the gated models, as soon as transformers has been imported."""
    from . import register_gates

    reach.when_imported("transformers", lambda module: register_gates())


def _prepare_children() -> None:
    """Have every Python process that inherits this environment register them, too."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(_STARTUP), *filter(None, paths)])


def _run(tool: str, arguments: list[str]) -> int:
    if tool.endswith(".py"):
        if not Path(tool).is_file():
            print(f"{_called()}: there is no file {tool}", file=sys.stderr)
            return 2
        sys.argv = [tool, *arguments]
        sys.path[0] = str(Path(tool).resolve().parent)  # as Python does for the file that it is given
        runpy.run_path(tool, run_name="__main__")
        return 0
    commands = list(entry_points(group="console_scripts", name=tool))
    if commands:
        sys.argv = [tool, *arguments]
        status = commands[0].load()()
        return status if isinstance(status, int) else int(status is not None)
    if not _is_module(tool):
        print(f"{_called()}: {tool} is not an installed command and not a module: is it installed?", file=sys.stderr)
        return 2
    sys.argv = [tool, *arguments]
    runpy.run_module(tool, run_name="__main__", alter_sys=True)
    return 0


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


if __name__ == "__main__":
    sys.exit(main())
