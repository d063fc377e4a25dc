"""What every command shares: the options, the way out, and the two ways to print."""

from __future__ import annotations

import asyncio
import getpass
import json
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import typer

from watchword.kernel import ConfigurationError, NotFoundError, WatchwordError

_SPAN = re.compile(r"([0-9]{1,5})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
T = TypeVar("T")

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_FOUND = 3
EXIT_FOUND_WRONG = 4


class Output(StrEnum):
    """How a command prints."""

    TEXT = "text"
    JSON = "json"


@dataclass
class Shell:
    """The options that stand before a command."""

    data: Path | None = None
    config: Path | None = None
    output: Output = Output.TEXT

    @property
    def is_json(self) -> bool:
        """Whether programs read the output."""
        return self.output is Output.JSON

    @property
    def actor(self) -> str:
        """Who acts, for the journal."""
        return f"cli:{getpass.getuser()}"

    def settings(self) -> Any:
        """Read the configuration; imported late, because `watchword --help` must be quick."""
        from watchword.settings import load  # noqa: PLC0415  # as the docstring says

        return load(self.config, data=self.data)

    def run(self, act: Callable[[Any], Awaitable[T]]) -> T:
        """Open the services, let `act` use them, and close them."""
        from watchword.app import open_services  # noqa: PLC0415  # as above

        async def within() -> T:
            async with open_services(self.settings()) as services:
                return await act(services)

        return asyncio.run(within())

    def show(self, rows: Sequence[dict[str, Any]], *columns: str, empty: str = "nothing to show") -> None:
        """Print rows as a table of the named columns, or all of them as JSON."""
        if self.is_json:
            print(json.dumps(list(rows), default=str, indent=2))
            return
        if not rows:
            print(empty)
            return
        from rich.console import Console  # noqa: PLC0415  # as above
        from rich.table import Table  # noqa: PLC0415  # as above
        from rich.text import Text  # noqa: PLC0415  # as above

        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column.replace("_", " "), overflow="fold")
        for row in rows:
            # Text, not markup: what a stranger typed as a name must not colour or hide anything here.
            table.add_row(*(Text(_cell(row.get(column))) for column in columns))
        console = Console()
        if not console.is_terminal:
            console = Console(width=200)
        console.print(table)

    def say(self, text: str, **fields: Any) -> None:
        """Print one sentence, or the fields as JSON."""
        print(json.dumps({"message": text} | fields, default=str) if self.is_json else printable(text))


def shell_of(context: typer.Context) -> Shell:
    """Return the options of a running command."""
    found = context.find_root().obj
    assert isinstance(found, Shell)
    return found


def moment(text: str) -> datetime | None:
    """Read `7d` or a date; a time without a zone is UTC."""
    if not text:
        return None
    span = _SPAN.fullmatch(text)
    if span:
        return datetime.now(UTC) - timedelta(seconds=int(span[1]) * _SECONDS[span[2]])
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"`{text}` is no time", hint="write 7d, 12h, 30m, 2026-11-21 or 2026-11-21T10:00"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def fail(error: WatchwordError, *, as_json: bool, code: int | None = None) -> NoReturn:
    """Say what went wrong and what to do next on standard error, and leave with the code that fits, or with `code`."""
    if as_json:
        print(json.dumps({"error": error.code, "message": error.message, "hint": error.hint}), file=sys.stderr)
    else:
        print(f"watchword: {printable(error.message)}", file=sys.stderr)
        if error.hint:
            print(f"  {printable(error.hint)}", file=sys.stderr)
    if code is not None:
        sys.exit(code)
    if isinstance(error, ConfigurationError):
        sys.exit(EXIT_USAGE)
    sys.exit(EXIT_NOT_FOUND if isinstance(error, NotFoundError) or error.status == 404 else EXIT_FAILED)  # noqa: PLR2004  # RFC 9110


def printable(text: str) -> str:
    """Replace what could move the cursor or colour the terminal.

    # Prevents: a user agent or a path in the journal writing escape sequences to an administrator's terminal.
    """
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(one_line(str(item)) for item in sorted(value)) or "-"
    return one_line(str(value))


def one_line(text: str) -> str:
    """Make a text printable on the line it stands in.

    # Prevents: a line break in a name making up rows of a table, or lines of an explanation.
    """
    return printable(text.replace("\n", " "))
