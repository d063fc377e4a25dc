"""`watchword up`, `demo`, `doctor`, `config` and `ca`: the node itself."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
import sys
from typing import Annotated, Any, Final

import typer

from watchword.cli.force import ask_node
from watchword.cli.shell import EXIT_FAILED, Shell, shell_of
from watchword.configuration import Configuration
from watchword.kernel import ConfigurationError

_SOURCE_VARIABLE: Final = "WATCHWORD_KEYS__SOURCE"

config = typer.Typer(help="Look at the configuration.", no_args_is_help=True)
ca = typer.Typer(help="Trust the local certificate authority.", no_args_is_help=True)


def up(
    context: typer.Context,
    sample: Annotated[bool, typer.Option(help="Publish the sample application `notes`.")] = True,
) -> None:
    """Start the control plane, Envoy and the sample application; Ctrl-C stops everything."""
    shell = shell_of(context)
    arguments = ["--json"] if shell.is_json else []
    if shell.data is not None:
        arguments += ["--data", str(shell.data)]
    if shell.config is not None:
        arguments += ["--config", str(shell.config)]
    if not sample:
        arguments.append("--no-sample")
    _ask_for_passphrase(shell)
    # The supervisor replaces this process: it outlives the command line's imports and stays small.
    os.execv(sys.executable, [sys.executable, "-m", "watchword.supervisor", *arguments])  # noqa: S606  # our own module


def demo(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object.")] = False
) -> None:
    """Walk the whole loop unattended against a fresh node and check each outcome."""
    from watchword.demo import run  # noqa: PLC0415  # quick help

    raise typer.Exit(run(as_json=as_json or shell_of(context).is_json))


def doctor(context: typer.Context) -> None:
    """Check what the node needs and how it is; exit code 1 when something needs a hand."""
    from watchword.app import examine  # noqa: PLC0415  # quick help

    shell = shell_of(context)
    rows = [
        {
            "check": finding.check,
            "state": "ok" if finding.is_well else "PROBLEM",
            "detail": finding.detail,
            "remedy": finding.remedy,
        }
        for finding in asyncio.run(examine(shell.settings(), asyncio.run(ask_node(shell.settings().data))))
    ]
    shell.show(rows, "check", "state", "detail", "remedy")
    if any(row["state"] != "ok" for row in rows):
        raise typer.Exit(EXIT_FAILED)


@config.command("show")
def show(context: typer.Context) -> None:
    """Print every setting with its value and meaning."""
    shell = shell_of(context)
    settings = shell.settings()
    rows = [
        {
            "setting": f"{name}.{field.name}",
            "value": _without_password(getattr(part, field.name)),
            "meaning": field.metadata.get("meaning", ""),
        }
        for name, part in settings.slices().items()
        for field in dataclasses.fields(part)
    ]
    rows += [
        {"setting": f"applications.{app.name}", "value": ", ".join(app.hosts), "meaning": app.upstream}
        for app in settings.applications
    ]
    shell.show(rows, "setting", "value", "meaning")


@config.command("check")
def check(context: typer.Context) -> None:
    """Read the configuration and say whether it can be used."""
    shell = shell_of(context)
    settings = shell.settings()
    shell.say(
        f"the configuration is right; {len(settings.applications)} applications are published",
        applications=[app.name for app in settings.applications],
    )


@ca.command("show")
def show_ca(context: typer.Context) -> None:
    """Print where the root certificate is, its fingerprint, and how to trust it on this platform."""
    shell = shell_of(context)
    authority = _authority(shell)
    from watchword.keys import trust_steps  # noqa: PLC0415  # quick help

    steps = trust_steps(authority.root_file)
    lines = [str(authority.root_file), f"SHA-256 {authority.root_fingerprint}"]
    for step in steps:
        lines += ["", f"{step.who}: {step.words}"] + ([f"  {step.command}"] if step.command else [])
    shell.say("\n".join(lines), file=str(authority.root_file), sha256=authority.root_fingerprint)


@ca.command("trust")
def trust_ca(context: typer.Context) -> None:
    """Let your browsers (Chromium, Chrome, Firefox on Linux) trust the local authority, for your user only."""
    from pathlib import Path  # noqa: PLC0415  # quick help

    from watchword.keys import trust_in_nss  # noqa: PLC0415  # as above

    shell = shell_of(context)
    changed = trust_in_nss(_authority(shell).root_file, home=Path.home())
    shell.say(
        f"trusted in {', '.join(map(str, changed))}; restart the browser. `watchword ca distrust` takes it back",
        databases=[str(path) for path in changed],
    )


@ca.command("distrust")
def distrust_ca(context: typer.Context) -> None:
    """Take the local authority out of your browsers again."""
    from pathlib import Path  # noqa: PLC0415  # quick help

    from watchword.keys import distrust_in_nss  # noqa: PLC0415  # as above

    distrust_in_nss(home=Path.home())
    shell_of(context).say("the local authority is not trusted any more; restart the browser")


def _without_password(value: Any) -> Any:
    """Hide the password of a database URL."""
    return re.sub(r"(://[^/@]*):[^/]*@", r"\1:***@", value) if isinstance(value, str) else value


def _authority(shell: Any) -> Any:
    from watchword.app import authority_of  # noqa: PLC0415  # quick help
    from watchword.kernel import NotFoundError  # noqa: PLC0415  # as above

    authority = authority_of(shell.settings())
    if not authority.root_file.exists():
        raise NotFoundError("there is no local authority yet", hint="start the node once with `watchword up`")
    return authority


def _key_source(shell: Shell) -> str | None:
    """Look where the sealing key comes from; whatever is wrong, the control plane says when it reads the whole."""
    try:
        section = Configuration.find(shell.config, data=shell.data).read().get("keys")
    except ConfigurationError:
        return None
    source = section.get("source") if isinstance(section, dict) else None
    return os.environ.get(_SOURCE_VARIABLE, source)


def _ask_for_passphrase(shell: Shell) -> None:
    if _key_source(shell) != "prompt":
        return
    import getpass  # noqa: PLC0415  # only here
    import warnings  # noqa: PLC0415  # as above

    from watchword.app import PASSPHRASE_VARIABLE  # noqa: PLC0415  # quick start without a prompt

    if PASSPHRASE_VARIABLE in os.environ:
        return
    try:
        # Prevents: a passphrase that is echoed to a screen or a log, where nothing can turn the echo off.
        with warnings.catch_warnings(action="error", category=getpass.GetPassWarning):
            os.environ[PASSPHRASE_VARIABLE] = getpass.getpass("Passphrase of the sealing key: ")
    except (getpass.GetPassWarning, EOFError) as error:
        raise ConfigurationError(
            "there is no terminal that could ask for the passphrase of the sealing key",
            hint=f"start in a terminal, or set {PASSPHRASE_VARIABLE}",
        ) from error
