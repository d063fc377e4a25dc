"""`watchword obligations`: what tokens and marks in answers stand for."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from watchword.cli.shell import shell_of

app = typer.Typer(help="Turn tokens back into values, and trace marks.", no_args_is_help=True)


@app.command("reveal")
def reveal(
    context: typer.Context,
    token: Annotated[str, typer.Argument(help="As it stands in an answer, `t_...`.")],
    within: Annotated[str, typer.Option("--context", help="The obligation's context; by default its name.")],
) -> None:
    """Print the value that a token stands for."""
    shell = shell_of(context)

    async def act(services: Any) -> str:
        from watchword.app import reveal_token  # noqa: PLC0415  # quick help

        return await reveal_token(services, token, within, actor=shell.actor)

    value = shell.run(act)
    shell.say(value, value=value)


@app.command("trace")
def trace(
    context: typer.Context,
    mark: Annotated[str, typer.Argument(help="The subject of a watermark, `p_...`.")],
    application: Annotated[str, typer.Option(help="The application whose answer is marked.")],
) -> None:
    """Print the name of the user for whom a marked answer was made."""
    shell = shell_of(context)

    async def act(services: Any) -> str:
        from watchword.app import trace_mark  # noqa: PLC0415  # quick help

        return await trace_mark(services, mark, application, actor=shell.actor)

    name = shell.run(act)
    shell.say(name, user=name)
