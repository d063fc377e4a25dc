"""`watchword authzen`: the API for enforcement points that are not ours."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from watchword.cli.shell import shell_of

app = typer.Typer(help="Set up the AuthZEN API.", no_args_is_help=True)

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


@app.callback()
def authzen() -> None:
    """Set up the AuthZEN API."""


@app.command("new-key")
def new_key(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Short name of the enforcement point, for the journal.")],
) -> None:
    """Make a key for an enforcement point; it is shown once, and only its hash is to be kept here."""
    from watchword.enforcement.authzen import hash_of  # noqa: PLC0415  # quick help
    from watchword.enforcement.authzen import new_key as make  # noqa: PLC0415  # as above
    from watchword.kernel import SystemEntropy  # noqa: PLC0415  # as above

    if not _NAME.fullmatch(name):
        raise typer.BadParameter("use lower-case letters, digits and hyphens", param_hint="NAME")
    key = make(SystemEntropy()).reveal()
    digest = hash_of(key).hex()
    lines = (
        f"The key of {name}, shown this once; give it to the enforcement point alone:",
        f"  {key}",
        "",
        "In watchword.toml, then start Watchword again:",
        "  [[authzen.callers]]",
        f'  name = "{name}"',
        f'  key_sha256 = ["{digest}"]',
    )
    shell_of(context).say("\n".join(lines), name=name, key=key, key_sha256=digest)
