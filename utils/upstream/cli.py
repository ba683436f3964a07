"""The command line: find the models, export or check them, say what came of it."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from converter.diagnostics import ConversionError
from converter.workspace import PROJECT
from upstream.arguments import parse
from upstream.body import Evidence
from upstream.exports import Bundle, bundle
from upstream.folder import deliver_folder, deliver_patch
from upstream.places import folder_over, installed_tree, setting_for, tree_at
from upstream.project import find_models, wanted_names
from upstream.repository import Order, branch_name, checked_out, deliver, draft_command
from upstream.values import Model, Tree
from upstream.verify import verify


DONE, FOUND, REFUSED = 0, 1, 2


def main(argv: Sequence[str] | None = None, project: Path = PROJECT) -> int:
    """Run one command line; the exit status. `project` stands in for this one in tests."""
    try:
        args = parse(argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DONE
    try:
        return _run(args, project)
    except ConversionError as error:
        print(error, file=sys.stderr)
        return REFUSED


def _run(args: Namespace, project: Path) -> int:
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
    _tell_bundle(found)
    print("\n".join(written))
    return _tell_findings(findings or ())


def _verify(args: Namespace, models: Sequence[Model], wanted: Sequence[str]) -> int:
    names = [model.name for model in models]
    with _verified_tree(args, models, wanted) as tree:
        findings = verify(names, tree, setting_for(tree, args.date))
    status = _tell_findings(findings)
    if not status:
        print(f"{', '.join(names)}: nothing found")
    return status


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


def _repo(args: Namespace, models: Sequence[Model], wanted: Sequence[str]) -> int:
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
    done = deliver(order, print)
    for branch in done:
        print(f"branch {branch.name}: {branch.title}\nbody   {branch.body}")
        for line in branch.failed:
            print(f"FAILED {line}")
    if args.draft_command:
        print("\nA person who has read every line, filled in the body and searched for duplicates may run:")
        for branch in done:
            print(draft_command(order.repo, branch))
    return FOUND if any(branch.failed for branch in done) else DONE


def _tell_bundle(found: Bundle) -> None:
    for name in found.already:
        print(f"{name}: in the tree already")
    for export in found.exports:
        for warning in export.warnings:
            print(warning, file=sys.stderr)


def _tell_findings(findings: Sequence[object]) -> int:
    for finding in findings:
        print(finding, file=sys.stderr)
    return FOUND if findings else DONE
