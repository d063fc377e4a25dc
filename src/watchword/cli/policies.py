"""`watchword policies`: look at the policies, and check them before they are in force."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from watchword.cli import policies_analyse, policies_explain, policies_publish, policies_replay, policies_test
from watchword.cli.force import ask_node
from watchword.cli.shell import EXIT_FOUND_WRONG, printable, shell_of

app = typer.Typer(help="List and check policies.", no_args_is_help=True)
app.command("test")(policies_test.run_tests)
app.command("coverage")(policies_test.coverage)
app.command("explain")(policies_explain.explain)
app.command("analyse")(policies_analyse.analyse)
app.command("replay")(policies_replay.replay)
app.command("keygen")(policies_publish.keygen)
app.command("publish")(policies_publish.publish)
app.command("sign")(policies_publish.sign)
app.command("rollback")(policies_publish.rollback)
app.command("history")(policies_publish.history)
app.command("diff")(policies_publish.diff)


@app.command("list")
def list_policies(context: typer.Context) -> None:
    """List the policies of the policy directory, and whether the running node has them in force."""
    shell = shell_of(context)
    loaded = _load(_in_force(shell.settings()))
    rows = [
        {"policy": policy.id, "effect": policy.est["effect"], "file": policy.path, "line": policy.line}
        for policy in loaded.bundle.policies
    ]
    rows += [
        {
            "policy": policy.id,
            "effect": f"{policy.est['effect']}, reports only",
            "file": policy.path,
            "line": policy.line,
        }
        for policy in loaded.bundle.reported
    ]
    rows += [
        {"policy": package.id, "effect": " and ".join(package.asks), "file": package.path, "line": package.line}
        for package in (loaded.bundle.rego.packages if loaded.bundle.rego else ())
    ]
    shell.show(rows, "policy", "effect", "file", "line", empty="there are no policies, so everything is denied")
    status = asyncio.run(ask_node(shell.settings().data))
    if status is not None and not shell.is_json:
        same = status["policy_version"] == loaded.version
        print(f"\nversion {loaded.version[:12]}: {'in force' if same else 'not in force on the running node'}")


@app.command("check")
def check(
    context: typer.Context,
    directory: Annotated[
        Path | None, typer.Argument(help="Another directory than the one in force, or a bundle.")
    ] = None,
    signed: Annotated[
        bool, typer.Option("--signed", help="A directory must be signed, too; of a bundle, that is always asked.")
    ] = False,
) -> None:
    """Check policies and what lies beside them, a bundle's signatures as well; exit code 4 when something is wrong."""
    from watchword.policy import PolicyLoadError  # noqa: PLC0415  # quick help

    shell = shell_of(context)
    if directory is not None and (signed or policies_publish.is_bundle(directory)):
        policies_publish.check_bundle(shell, directory)
        return
    try:
        place = policies_explain.chosen(shell, directory)
        loaded = _load(place)
        _check_beside(place, loaded.bundle)
    except PolicyLoadError as error:
        if shell.is_json:
            shell.show([{"place": problem.place, "problem": str(problem)} for problem in error.problems])
        else:
            for problem in error.problems:
                print(printable(str(problem)))
        raise typer.Exit(EXIT_FOUND_WRONG) from None
    # Prevents: a forbid in a folder that nobody reads, and that its author believes to be in force.
    unread = sorted(str(path.relative_to(place)) for path in place.glob("[!.]*/**/*.cedar"))
    words = f"; not read, because it lies in a folder: {', '.join(unread)}" if unread else ""
    shell.say(
        f"{len(loaded)} policies are right; version {loaded.version[:12]}{words}",
        policies=len(loaded),
        version=loaded.version,
        unread=unread,
    )


def _check_beside(directory: Path, bundle: Any) -> None:
    """Read the tests and invariants of a directory, without running them.

    # Prevents: a promise or a test that was misspelt, and is missed on the day somebody relies on it.
    """
    from watchword.policy import PolicyLoadError  # noqa: PLC0415  # quick help
    from watchword.policy.analysis import read_invariants  # noqa: PLC0415  # as above
    from watchword.policy.trials import read_suite  # noqa: PLC0415  # as above

    problems: list[Any] = []
    for read in (read_invariants, read_suite):
        try:
            read(directory, bundle)
        except PolicyLoadError as error:
            problems += error.problems
    if problems:
        raise PolicyLoadError(problems)


def _in_force(settings: Any) -> Path:
    from watchword.app import in_force_directory  # noqa: PLC0415  # quick help

    return in_force_directory(settings)


def _load(directory: Path) -> Any:
    from watchword.policy import PolicySet  # noqa: PLC0415  # quick help

    return PolicySet.load(directory)
