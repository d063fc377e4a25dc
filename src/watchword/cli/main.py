"""The words of the command line; each command's work is imported only when that command runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from watchword import __version__
from watchword.cli import (
    audit,
    authzen,
    decisions,
    groups,
    keys,
    networks,
    node,
    obligations,
    policies,
    relations,
    risk,
    sessions,
    users,
)
from watchword.cli.shell import Output, Shell, fail, shell_of
from watchword.kernel import WatchwordError

app = typer.Typer(
    name="watchword",
    help="Verify every request: identity, device, context, risk and policy, at every door.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(users.app, name="users")
app.add_typer(groups.app, name="groups")
app.add_typer(sessions.app, name="sessions")
app.add_typer(networks.app, name="networks")
app.add_typer(policies.app, name="policies")
app.add_typer(relations.app, name="relations")
app.add_typer(obligations.app, name="obligations")
app.add_typer(decisions.app, name="decisions")
app.add_typer(risk.app, name="risk")
app.add_typer(audit.app, name="audit")
app.add_typer(authzen.app, name="authzen")
app.add_typer(keys.app, name="keys")
app.add_typer(node.config, name="config")
app.add_typer(node.ca, name="ca")
app.command("up")(node.up)
app.command("demo")(node.demo)
app.command("doctor")(node.doctor)


@app.callback()
def options(
    context: typer.Context,
    data: Annotated[
        Path | None, typer.Option(help="Data directory; else $WATCHWORD_DATA, else .watchword here.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file; else $WATCHWORD_CONFIG.")] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print.")] = Output.TEXT,
) -> None:
    """Take the options that stand before every command."""
    context.obj = Shell(data, config, output)


@app.command("version")
def version(context: typer.Context) -> None:
    """Print the version."""
    shell_of(context).say(f"watchword {__version__}", version=__version__)


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        app(prog_name="watchword")
    except WatchwordError as error:
        fail(error, as_json=_wants_json(sys.argv))
    except BrokenPipeError:
        # The reader went away, as `head` does; nothing is wrong and nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)


def _wants_json(arguments: list[str]) -> bool:
    return any(
        word == "--output=json" or (word in {"--output", "-o"} and following == "json") or word == "-ojson"
        for word, following in zip(arguments, [*arguments[1:], ""], strict=True)
    )
