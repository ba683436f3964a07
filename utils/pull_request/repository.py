"""An export into a git checkout of transformers: branches, commits, and what was run on them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from files.writing import write_texts

from pull_request import git
from pull_request.base_source import setting_for, tree_at
from pull_request.body import Evidence, commit_message, render_body, title_of
from pull_request.exports import Bundle, bundle
from pull_request.parity import measure
from pull_request.validation import run_checkers, run_fixers, run_tests
from pull_request.values import PREFIX, Model
from pull_request.verify import verify


UPSTREAM = "huggingface/transformers"
_OWNER = re.compile(r"[:/]([^/:]+)/[^/]+$")
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for."""

    repo: Path
    models: Sequence[Model]
    wanted: Sequence[str]
    today: date
    branch: str | None
    stack: bool
    checks: bool
    body: Path | None


@dataclass(frozen=True, slots=True)
class Branch:
    """What came of one branch."""

    name: str
    title: str
    body: Path
    failed: Sequence[str]  # what was run and did not pass


def branch_name(wanted: Sequence[str]) -> str:
    """add-quality-gate-llama; of several models add-quality-gate-gemma3-llama."""
    short = "-".join(sorted(name.removeprefix(PREFIX).replace("_", "-") for name in wanted))
    return f"add-quality-gate-{short}"


@contextmanager
def checked_out(repo: Path, branch: str) -> Iterator[Path]:
    """Where the files of a branch are: the checkout, if it is on that branch or after it, else a tree for the purpose."""
    if not git.exists(repo, branch) or git.contains(repo, branch):
        yield repo
        return
    with git.tree_of_its_own(repo, branch) as tree:
        yield tree


def deliver(order: Order, tell: Tell) -> list[Branch]:
    """Make the branches, one unless they are stacked. Nothing else of the repository changes, whatever happens.

    Raises ConversionError, and leaves no branch.
    """
    main = git.check_repository(order.repo)
    plans = _plans(order, main)
    for name, _ in plans:
        git.check_branch(order.repo, name)
    done: list[Branch] = []
    base = main
    with git.branches_on_success(order.repo) as commits:
        for name, models in plans:
            git.reserve(order.repo, commits, name, main)
            with git.tree_of_its_own(order.repo, base) as tree:
                done.append(_fill(order, tree, name, models, tell))
                commits[name] = base = git.head(tree)
    return done


def _plans(order: Order, main: str) -> list[tuple[str, list[Model]]]:
    """The branches and the models that each brings."""
    if not order.stack:
        return [(order.branch or branch_name(order.wanted), list(order.models))]
    there = {model.name for model in order.models if _has(order.repo, main, model)}
    return [(branch_name([model.name]), [model]) for model in order.models if model.name not in there]


def _has(repo: Path, main: str, model: Model) -> bool:
    return bool(git.git(repo, "ls-tree", "--name-only", main, f"src/transformers/models/{model.name}/"))


def _fill(order: Order, folder: Path, name: str, models: list[Model], tell: Tell) -> Branch:
    """Write the files into a working tree, commit them, and run what can be run."""
    tree = tree_at(folder)
    wanted = order.wanted if not order.stack else [models[-1].name]
    found = bundle(models, wanted, tree, setting_for(tree, order.today))
    git.write(folder, found.texts)
    if order.checks:
        _fix(folder, found, tell)
    git.commit(folder, commit_message(found.exports), list(found.texts))
    tell(f"{name}: {len(found.texts)} files committed")
    evidence = _evidence(order, folder, found, tell)
    body = order.body or _body_path(order.repo, name)
    if order.stack and order.body:
        body = order.body.with_name(f"{order.body.stem}-{name}{order.body.suffix}")
    text = render_body(found.exports, tree_at(folder), evidence, found.already)
    with git.writing(body):
        write_texts({body: text})
    return Branch(name, title_of(found.exports), body, _failed(evidence))


def _fix(folder: Path, found: Bundle, tell: Tell) -> None:
    """Let the tree's own scripts put the shared files right, and take back what they do to others."""
    for run in run_fixers(folder):
        tell(f"{'ok' if run.passed else 'FAILED'} {run.command} ({run.seconds:.0f} s)")
    if others := [path for path in git.changed_files(folder) if path not in found.texts]:
        git.git(folder, "checkout", "--quiet", "--", *others)


def _evidence(order: Order, folder: Path, found: Bundle, tell: Tell) -> Evidence:
    if not order.checks:
        return Evidence()
    tree = tree_at(folder)
    findings = verify(found.names, tree, setting_for(tree, order.today))
    parity = {each.model.name: measure(each.facts, folder) for each in found.exports}
    evidence = Evidence(parity, run_checkers(folder), run_tests(folder, found.names), findings)
    for run in (*(run for run, _ in parity.values()), *evidence.checkers, *evidence.tests):
        tell(f"{'ok' if run.passed else 'FAILED'} {run.command} ({run.seconds:.0f} s)")
    return evidence


def _failed(evidence: Evidence) -> list[str]:
    runs = (*(run for run, _ in evidence.parity.values()), *evidence.checkers, *evidence.tests)
    failed = [f"{run.command}: {run.last_line}" for run in runs if not run.passed]
    differ = [
        f"{name}: logits differ from the base's" for name, (_, one) in evidence.parity.items() if one and not one.equal
    ]
    return [*failed, *differ, *map(str, evidence.findings or ())]


def _body_path(repo: Path, name: str) -> Path:
    """In git's own folder, where it makes nothing dirty."""
    return (repo / git.git(repo, "rev-parse", "--git-path", f"quality-gate/{name}.md").strip()).resolve()


def draft_command(repo: Path, branch: Branch) -> str:
    """What a person runs to push the branch and open a draft, having filled in the body.

    A stacked branch goes into upstream's main as well: those below it are in nobody's repository but the fork.
    """
    owner = _OWNER.search(git.git(repo, "config", "--default", "", "--get", "remote.origin.url").strip())
    fork = owner is not None and owner[1] != UPSTREAM.partition("/")[0]
    push = ("git", "-C", str(repo), "push", "--set-upstream", "origin", branch.name)
    create = ("gh", "pr", "create", "--draft", "--repo", UPSTREAM, "--base", "main")
    head = f"{owner[1]}:{branch.name}" if owner and fork else branch.name
    rest = ("--head", head, "--title", branch.title, "--body-file", str(branch.body))
    return f"{shlex.join(push)} && {shlex.join(create + rest)}"
