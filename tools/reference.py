"""Write the reference pages from the code itself, or check that they are not stale: `./dev docs [--check]`."""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import typer

import watchword
from watchword.cli import shell
from watchword.cli.main import app
from watchword.configuration import CONFIG_VARIABLE, DATA_VARIABLE
from watchword.decision import ApplicationSettings
from watchword.enforcement.authzen import AuthzenSettings, openapi
from watchword.kernel import EventType, Reason, Visibility, WatchwordError, event_types
from watchword.kernel.errors import error_types
from watchword.kernel.settings import PREFIX
from watchword.settings import SLICES

DIRECTORY = Path(__file__).parents[1] / "docs" / "reference"
_NOTICE = "<!-- Written by ./dev docs from the code; change the code, not this page. -->"
_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}
_EXITS = (
    (0, "Done."),
    (shell.EXIT_FAILED, "It could not be done; one sentence on standard error says why, a second what would help."),
    (shell.EXIT_USAGE, "The words of the command, or the configuration, cannot be used."),
    (shell.EXIT_NOT_FOUND, "The user, group, session, decision or file that was named does not exist."),
    (shell.EXIT_FOUND_WRONG, "A check ran to its end and found something wrong: a journal, a policy."),
    (130, "Stopped by Ctrl-C."),
)


class UndocumentedError(Exception):
    """Something that people will meet has no words in the code."""


def pages() -> dict[str, str]:
    """Return every generated page, by file name.

    Raises:
        UndocumentedError: a setting, command, option, error, event or reason says nothing about itself.
    """
    _import_everything()
    made = {
        "settings.md": settings_page(),
        "commands.md": commands_page(),
        "events.md": events_page(),
        "errors.md": errors_page(),
        "reasons.md": reasons_page(),
        "exit-codes.md": exit_codes_page(),
        "authzen-openapi.json": json.dumps(openapi(AuthzenSettings(), "https://watchword.localhost:8444"), indent=2),
    }
    return {name: f"{text.strip()}\n" for name, text in made.items()}


def settings_page() -> str:
    """Every section of the configuration file."""
    lines = _head(
        "Settings",
        "One TOML file, `watchword.toml` in the data directory unless "
        f"`{CONFIG_VARIABLE}` or `--config` names another, and environment variables over it.",
        f"The data directory is `.watchword` in the current directory unless `{DATA_VARIABLE}` or `--data` names one.",
        "A key or variable that is not listed here is refused, with the nearest known one suggested.",
        "In a variable, a list may be written with commas; numbers and `true` as in JSON.",
        "`watchword config show` prints what is in force.",
    )
    for name, slice_type in SLICES.items():
        lines += _section(f"`[{name}]`", slice_type, variable=f"{PREFIX}{name}__".upper())
    lines += _section("`[[applications]]`", ApplicationSettings, variable="")
    return "\n".join(lines)


def _section(title: str, slice_type: type, *, variable: str) -> list[str]:
    hints = get_type_hints(slice_type)
    fields = dataclasses.fields(slice_type)
    lines = ["", f"## {title}", "", _first_line(slice_type), ""]
    rows = [
        (
            f"`{field.name}`",
            _type_words(hints[field.name]),
            _default_words(field),
            *([f"`{variable}{field.name.upper()}`"] if variable else []),
            _need(field.metadata.get("meaning"), f"setting {title}.{field.name}"),
        )
        for field in fields
    ]
    lines += _table(("setting", "type", "default", *(["variable"] if variable else []), "meaning"), rows)
    for field in fields:
        inner = _inner(hints[field.name])
        if inner is not None:
            within = title.strip("`[]")
            lines += _section(f"{within}: an entry of `{field.name}`", inner, variable="")
    return lines


def _inner(hint: Any) -> type | None:
    if dataclasses.is_dataclass(hint):
        return hint if isinstance(hint, type) else None
    return next((found for found in map(_inner, get_args(hint)) if found), None)


def _type_words(hint: Any) -> str:
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        return _type_words(next(arg for arg in get_args(hint) if arg is not type(None)))
    if origin is tuple:
        return f"list of {_type_words(get_args(hint)[0])}"
    if origin is not None and issubclass(origin, Mapping):
        return f"table of {_type_words(get_args(hint)[1])}"
    if dataclasses.is_dataclass(hint):
        return "table, see below"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return " or ".join(f"`{member.value}`" for member in hint)
    return _WORDS[hint]


def _default_words(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return "none"
    if field.default is dataclasses.MISSING:
        return "**required**"
    value = field.default
    if isinstance(value, Enum):
        value = value.value
    if value in ("", ()) or value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return ", ".join(f"`{item}`" for item in value) if isinstance(value, tuple) else f"`{value}`"


def commands_page() -> str:
    """Every command with its arguments and options."""
    command: Any = typer.main.get_command(app)
    lines = _head(
        "Commands",
        "In a clone, write `./dev run` where this page says `watchword`: `./dev run users list`.",
        "Every command takes the options of the first table, written before it: `watchword --output json users list`.",
        "What each exit code means is in [exit-codes.md](exit-codes.md).",
    )
    lines += ["", "## `watchword`", "", _sentences(command.help), "", *_parameters(command)[1:]]
    for path, found in _commands(command, ("watchword",)):
        if not hasattr(found, "commands"):
            lines += ["", f"## `{' '.join(path)}`", "", _sentences(_need(found.help, f"command {' '.join(path)}"))]
            lines += ["", "```", _usage(path, found), "```", *_parameters(found)]
    return "\n".join(lines)


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, child in getattr(command, "commands", {}).items():
        yield (*path, name), child
        yield from _commands(child, (*path, name))


def _usage(path: Sequence[str], command: Any) -> str:
    has_options = any(not _is_argument(parameter) for parameter in command.params)
    arguments = [_argument(parameter) for parameter in command.params if _is_argument(parameter)]
    return " ".join([*path, *(["[OPTIONS]"] if has_options else []), *arguments])


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _argument(parameter: Any) -> str:
    word = parameter.metavar or str(parameter.name).upper()
    return word if parameter.required else f"[{word}]"


def _parameters(command: Any) -> list[str]:
    rows = []
    for parameter in command.params:
        name = _argument(parameter) if _is_argument(parameter) else ", ".join(parameter.opts)
        if parameter.secondary_opts:
            name += f" / {', '.join(parameter.secondary_opts)}"
        words = _need(parameter.help, f"{name} of {command.name}")
        kind = parameter.type_descriptor.annotation
        if isinstance(kind, type) and issubclass(kind, Enum):
            words += f" One of {', '.join(f'`{member.value}`' for member in kind)}."
        default = parameter.default.value if isinstance(parameter.default, Enum) else parameter.default
        if default is True:
            words += f" Default: `{parameter.opts[0]}`."
        elif default not in {None, False, ""}:
            words += f" Default: `{default}`."
        rows.append((f"`{name}`", words))
    return ["", *_table(("argument or option", "meaning"), rows)] if rows else []


def events_page() -> str:
    """Every event type with its fields and who may see them."""
    lines = _head(
        "Events",
        "What the services commit, and the journal proves.",
        "A field is public, or personal: kept apart under `personal` for those who may see personal data.",
        "A field that is not declared counts as secret and cannot be written.",
        "Beside these the journal holds `decision` and `stream.cut` records, whose fields are those of a decision.",
        "",
    )
    rows = [
        (f"`{event.name}`", _need(event.meaning, f"event {event.name}"), *_fields(event))
        for event in sorted(event_types().values(), key=lambda event: event.name)
        if "_test." not in event.name
    ]
    return "\n".join([*lines, *_table(("event", "meaning", "public", "personal"), rows)])


def _fields(event: EventType) -> tuple[str, str]:
    def of(visibility: Visibility) -> str:
        return ", ".join(f"`{name}`" for name, seen in event.fields.items() if seen is visibility)

    return of(Visibility.PUBLIC), of(Visibility.PERSONAL)


def errors_page() -> str:
    """Every error that Watchword raises on purpose."""
    lines = _head(
        "Errors",
        "Every error that Watchword raises on purpose, by its stable code.",
        "The command line prints the message and a hint, and with `--output json` the code.",
        "The status is the one that a client gets where the error reaches one.",
        "",
    )
    found = {
        (error.code, error.__name__): error
        for error in error_types(WatchwordError)
        if error.__module__.startswith("watchword.")
    }
    rows = [
        (f"`{code}`", f"`{name}`", str(error.status), _first_line(error))
        for (code, name), error in sorted(found.items())
    ]
    return "\n".join([*lines, *_table(("code", "class", "status", "meaning"), rows)])


def reasons_page() -> str:
    """The closed list of reasons."""
    lines = _head(
        "Reasons",
        "Why an answer was given: a closed list.",
        "The first reason of a decision is the one that decided.",
        "The words are those that the person concerned reads.",
        "",
    )
    rows = [
        (f"`{reason.code}`", _need(reason.words, f"reason {reason.code}"), reason.remedy or "nothing is needed")
        for reason in Reason
    ]
    return "\n".join([*lines, *_table(("code", "plain words", "what would help"), rows)])


def exit_codes_page() -> str:
    """What the exit codes of the command line mean."""
    declared = {value for name, value in vars(shell).items() if name.startswith("EXIT_")}
    if missing := declared - {code for code, _ in _EXITS}:
        raise UndocumentedError(f"exit codes {missing}")
    lines = _head("Exit codes", "What the exit codes of `watchword` mean; the same for every command.", "")
    return "\n".join([*lines, *_table(("code", "meaning"), [(str(code), words) for code, words in _EXITS])])


def _import_everything() -> None:
    for found in pkgutil.walk_packages(watchword.__path__, "watchword."):
        if not found.name.endswith("__main__") and ".versions" not in found.name:
            importlib.import_module(found.name)


def _head(title: str, *sentences: str) -> list[str]:
    return [f"# {title}", "", _NOTICE, "", *sentences]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    return [line(header), line(["---"] * len(header)), *map(line, rows)]


def _first_line(kind: type) -> str:
    return _need((kind.__doc__ or "").strip().split("\n")[0], kind.__name__)


def _sentences(text: str) -> str:
    return " ".join(text.split())


def _need(words: str | None, what: str) -> str:
    if not words:
        raise UndocumentedError(what)
    return words


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with `--check` name those that are stale."""
    stale = [
        name
        for name, text in pages().items()
        if not (DIRECTORY / name).exists() or (DIRECTORY / name).read_text(encoding="utf-8") != text
    ]
    if "--check" in arguments:
        for name in stale:
            print(f"stale: docs/reference/{name}; run ./dev docs")
        return bool(stale)
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (DIRECTORY / name).write_text(pages()[name], encoding="utf-8")
        print(f"wrote docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
