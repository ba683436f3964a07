"""`quality-gate COMMAND ...`: every tool by one name. Each command is the `main(argv)` of the script that it names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NoReturn


HERE = Path(__file__).resolve().parent
REFUSED = 2
STATUS = (
    "exit status: 0 done, 1 something differs or failed, 2 refused: one line says what is wrong and what to do, "
    "130 interrupted"
)


@dataclass(frozen=True, slots=True)
class Command:
    """A tool: where its function is, what it does in a few words, and arguments that the command stands for."""

    module: str
    says: str
    function: str = "main"
    given: tuple[str, ...] = ()


COMMANDS = {
    "list": Command("showcase.listing", "every gated architecture: kind of gate, base, where the gate is"),
    "convert": Command("gating.cli", "a small delta, or the name of a base -> a gated model"),
    "test": Command("testgen.cli", "a test suite for a gated model"),
    "smoke": Command("showcase.cli", "run gated models once at a tiny size", "smoke"),
    "gate": Command("memory.gate_cli", "a base checkpoint -> a gated one"),
    "compare": Command("checkpoints.cli", "a gated checkpoint against its base: weights, logits, text", "compare"),
    "ungate": Command("checkpoints.cli", "a gated checkpoint -> its base", "ungate"),
    "train": Command("selection.train_cli", "train the gates of a model on any corpus"),
    "score": Command("selection.score_cli", "score every document of a corpus"),
    "select": Command("selection.select_cli", "keep the best documents, with an audit"),
    "memory": Command("memory.cli", "a table of knowledge: build, show, edit, search, export, log, undo"),
    "train-memory": Command("memory.train_cli", "train memory gates: to find rows, and to say what they hold"),
    "chat": Command("memory.chat_cli", "talk with a model that remembers facts in rows one can read"),
    "view": Command("viewing.cli", "what gates say of a text, or of a scored corpus, as a page"),
    "drift": Command("gating.cli", "what another release of transformers changes", given=("--drift",)),
    "pr": Command("pull_request.cli", "everything a pull request to transformers consists of"),
    "run": Command("generated.run", "register gated models, then run any tool: lm_eval, trl, transformers serve"),
}
COMPLETION = """\
_quality_gate() {
  local word="${COMP_WORDS[COMP_CWORD]}" command="${COMP_WORDS[1]}"
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "COMMANDS completion" -- "$word"))
  elif [ "${word#-}" != "$word" ]; then
    COMPREPLY=($(compgen -W "$(quality-gate "$command" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*')" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -o filenames -F _quality_gate quality-gate"""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Start the tool that the first word names; the process ends with its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    name = words.pop(0) if words else ""
    if name == "run":  # a stranger's tool: packages of ours, such as `weave`, are not to be on its path
        sys.argv = [f"quality-gate {name}", *words]
        raise SystemExit(import_module(COMMANDS[name].module).main())
    tools = HERE.parent / "utils" if (HERE.parent / "utils" / "command.py").is_file() else HERE / "utils"
    sys.path.insert(0, str(tools))
    command = COMMANDS.get(name)
    sys.argv = [f"quality-gate {name}", *(command.given if command else [name]), *words]
    from command import run

    if command is None:
        run("quality_gate.cli", "own")
    run(command.module, command.function)


def own() -> int:
    """What is no tool's: the help, the version, completion, and names that mean nothing; the exit status."""
    _, name, *words = sys.argv
    if name in ("", "-h", "--help", "help"):
        print(usage())
        return 0 if name else REFUSED
    if name == "--version":
        print(f"quality-gate {own_version()}")
        return 0
    if name == "completion":
        return complete(words)
    if name.startswith("-"):
        print(f"quality-gate: options come behind the command: `quality-gate COMMAND {name}`", file=sys.stderr)
        return REFUSED
    close = import_module("diagnostics.names").nearest(name, COMMANDS)
    fix = f"did you mean `{close}`?" if close else "`quality-gate --help` lists them"
    print(f"quality-gate: there is no command {name!r}; {fix}", file=sys.stderr)
    return REFUSED


def usage() -> str:
    """What `--help` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.says}" for name, command in COMMANDS.items()]
    lines.append(f"  {'completion':<{width}}  for the shell: source <(quality-gate completion bash)")
    return "\n".join(
        [
            "usage: quality-gate COMMAND ...    (quality-gate COMMAND --help; quality-gate --version)",
            "",
            "Put a gate into a language model of transformers, and use what it says.",
            "",
            *lines,
            "",
            STATUS,
        ]
    )


def own_version() -> str:
    """Of the installed package; "unknown" in a folder that was never installed."""
    try:
        return version("quality-gate")
    except PackageNotFoundError:
        return "unknown"


def complete(words: Sequence[str]) -> int:
    """Print what a shell needs to complete commands and options; the exit status."""
    if list(words) in (["-h"], ["--help"]):
        print(
            "usage: quality-gate completion bash|zsh\n\nin ~/.bashrc or ~/.zshrc: source <(quality-gate completion bash)"
        )
        return 0
    if list(words) not in (["bash"], ["zsh"]):
        print("quality-gate completion: give the shell, bash or zsh", file=sys.stderr)
        return REFUSED
    head = "autoload -U +X bashcompinit && bashcompinit\n" if words[0] == "zsh" else ""
    print(head + COMPLETION.replace("COMMANDS", " ".join(COMMANDS)))
    return 0
