"""`watchword relations model`: the types and relations that there can be, in OpenFGA's language or its JSON form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from watchword.cli.shell import EXIT_FOUND_WRONG, printable, shell_of

app = typer.Typer(help="Show or check a model of relations.", invoke_without_command=True)

File = Annotated[
    Path | None, typer.Argument(help="A model, `.json` for the JSON form; else the one beside the policies in force.")
]


@app.callback()
def chosen(context: typer.Context) -> None:
    """Show or check a model of relations; without a command, show it."""
    if context.invoked_subcommand is None:
        show(context)


@app.command("show")
def show(
    context: typer.Context,
    file: File = None,
    table: Annotated[bool, typer.Option("--table", help="Each relation in a row, with its line.")] = False,
) -> None:
    """Print a model in OpenFGA's language; with `--output json` in OpenFGA's JSON form."""
    from watchword.policy.relations import as_json, rendered  # noqa: PLC0415  # quick help

    shell = shell_of(context)
    model = model_of(shell, file)
    if shell.is_json:
        print(json.dumps(as_json(model), indent=2))
    elif table:
        rows = [
            {"type": type_.name, "relation": relation.name, "line": relation.place.line}
            for type_ in model.types.values()
            for relation in type_.relations.values()
        ]
        shell.show(rows, "type", "relation", "line", empty="the model defines no relation")
    else:
        print(printable(rendered(model.types, model.conditions)), end="")


@app.command("check")
def check(context: typer.Context, file: File = None) -> None:
    """Say whether a model is right; exit code 4 when not, with file, line and column of each mistake."""
    from watchword.policy import PolicyLoadError  # noqa: PLC0415  # quick help

    shell = shell_of(context)
    try:
        model = model_of(shell, file)
    except PolicyLoadError as error:
        if shell.is_json:
            shell.show([{"place": problem.place, "problem": str(problem)} for problem in error.problems])
        for problem in () if shell.is_json else error.problems:
            print(printable(str(problem)))
        raise typer.Exit(EXIT_FOUND_WRONG) from None
    relations = sum(len(type_.relations) for type_ in model.types.values())
    shell.say(
        f"the model is right: {len(model.types)} types, {relations} relations, {len(model.conditions)} conditions",
        types=len(model.types),
        relations=relations,
        conditions=len(model.conditions),
        version=model.version,
    )


def model_of(shell: Any, file: Path | None = None) -> Any:
    """Read a model, or the one that stands beside the policies in force.

    Raises:
        ConfigurationError: there is none, or it cannot be read.
        PolicyLoadError: it is wrong.
    """
    from watchword.app import in_force_directory  # noqa: PLC0415  # quick help
    from watchword.kernel import ConfigurationError  # noqa: PLC0415  # as above
    from watchword.policy.relations import MODEL_FILES, parse_model  # noqa: PLC0415  # as above

    directory = in_force_directory(shell.settings()) if file is None else Path()
    paths = [directory / name for name in MODEL_FILES] if file is None else [file]
    path = next((each for each in paths if each.exists()), paths[0])
    try:
        return parse_model(path.read_text(encoding="utf-8"), path=path.name)
    except FileNotFoundError:
        raise ConfigurationError(f"there is no model `{path}`", hint="write one; see docs/how-to/relate.md") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the model `{path}` cannot be read", hint=type(error).__name__) from None
