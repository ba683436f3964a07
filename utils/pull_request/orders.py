"""What a command line orders: find the models, export or check them, say what came of it."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from telling.answers import DIFFERENT, DONE, REFUSED, Answer
from telling.documents import problem_of

from pull_request.base_source import folder_over, installed_tree, setting_for, tree_at
from pull_request.body import Evidence
from pull_request.exports import bundle
from pull_request.folder import deliver_folder, deliver_patch
from pull_request.project import find_models, wanted_names
from pull_request.repository import Order, branch_name, checked_out, deliver, draft_command
from pull_request.values import Model, Tree
from pull_request.verify import verify


def carry_out(project: Path, args: Namespace) -> Answer:
    """Export or check gated models.

    Args:
        project: this one, or another in tests.
        args: of `upstream_pr.py`.

    Returns:
        What came of it; what is refused, too.
    """
    try:
        return _run(args, project)
    except ConversionError as error:
        print(error, file=sys.stderr)
        return Answer(REFUSED, problems=tuple(map(problem_of, error.diagnostics)))


def _run(args: Namespace, project: Path) -> Answer:
    wanted = wanted_names(args.model, project)
    models = find_models(args.model, project)
    if args.verify:
        return _verify(args, models, wanted)
    if args.repo:
        return _repo(args, models, wanted)
    tree = tree_at(args.base_tree) if args.base_tree else installed_tree()
    setting = setting_for(tree, args.date)
    found = bundle(models, wanted, tree, setting)
    findings = None if args.no_checks else verify(found.names, tree.with_changes(found.texts), setting)
    evidence = Evidence(findings=findings)
    deliver_to = deliver_folder if args.output else deliver_patch
    written = deliver_to(args.output or args.patch, found, tree, evidence, args.body)
    warnings = [warning for export in found.exports for warning in export.warnings]
    said = [f"{name}: in the tree already" for name in found.already]
    document = {
        "models": found.names,
        "already": found.already,
        "into": args.output or args.patch,
        "written": written,
        "warnings": [problem_of(warning) for warning in warnings],
    }
    return _found(findings or (), "\n".join([*said, *written]), document, warnings)


def _verify(args: Namespace, models: Sequence[Model], wanted: Sequence[str]) -> Answer:
    names = [model.name for model in models]
    with _verified_tree(args, models, wanted) as tree:
        findings = verify(names, tree, setting_for(tree, args.date))
    said = "" if findings else f"{', '.join(names)}: nothing found"
    return _found(findings, said, {"models": names})


def _found(
    findings: Sequence[Diagnostic], said: str, document: Mapping[str, Any], warnings: Sequence[Diagnostic] = ()
) -> Answer:
    """The answer with what checks have found, which is told as well."""
    for each in (*warnings, *findings):
        print(each, file=sys.stderr)
    return Answer(
        DIFFERENT if findings else DONE, words=said, document=document, problems=tuple(map(problem_of, findings))
    )


@contextmanager
def _verified_tree(args: Namespace, models: Sequence[Model], wanted: Sequence[str]) -> Iterator[Tree]:
    """The branch or the folder to check; where neither is named, an export that is made for the purpose."""
    if args.repo:
        with checked_out(args.repo.resolve(), args.branch or branch_name(wanted)) as folder:
            yield tree_at(folder)
        return
    base = tree_at(args.base_tree) if args.base_tree else installed_tree()
    if args.output:
        yield folder_over(args.output, base)
        return
    yield base.with_changes(bundle(models, wanted, base, setting_for(base, args.date)).texts)


def _repo(args: Namespace, models: Sequence[Model], wanted: Sequence[str]) -> Answer:
    order = Order(
        repo=args.repo.resolve(),
        models=models,
        wanted=wanted,
        today=args.date,
        branch=args.branch,
        stack=args.stack,
        checks=not args.no_checks,
        body=args.body,
    )
    done = deliver(order, (lambda told: None) if args.quiet else print)
    lines, failures = [], [f"FAILED {line}" for branch in done for line in branch.failed]
    for branch in done:
        lines += [f"branch {branch.name}: {branch.title}\nbody   {branch.body}"]
        lines += [f"FAILED {line}" for line in branch.failed]
    commands = [draft_command(order.repo, branch) for branch in done] if args.draft_command else []
    if commands:
        lines += [
            "\nA person who has read every line, filled in the body and searched for duplicates may run:",
            *commands,
        ]
    return Answer(
        DIFFERENT if failures else DONE,
        result="\n".join(failures) if args.quiet else "\n".join(lines),
        document={"repository": order.repo, "branches": done, "draft_commands": commands},
    )
