"""`watchword audit tail`: carry every record of the journal elsewhere, each of them once."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchword.cli.decisions import line_of, tell_what_is_archived
from watchword.cli.outlet import Outlet, PositionFile
from watchword.cli.shell import EXIT_FOUND_WRONG, Shell, fail, moment, one_line, shell_of

if TYPE_CHECKING:
    from watchword.audit import Follower, Position

_POLL_S = 0.2
_TAKEN_S = 0.01
_PIECE = 256 * 1024
# What stands in a line elsewhere, or says nothing to people.
_FRAME = frozenset({"seq", "prev", "outbox", "type", "at", "id", "actor", "subject", "personal", "dropped"})


def tail(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as new ones come.")] = False,
    count: Annotated[int | None, typer.Option("-n", min=1, help="Begin with so many of the newest.")] = None,
    since: Annotated[str, typer.Option(help="Begin with the first from then on: `7d`, `12h`, or a date.")] = "",
    after: Annotated[str, typer.Option(help="Begin behind the record with this `seq`.")] = "",
    position: Annotated[
        Path | None, typer.Option(help="Begin where this file says, and keep in it what was taken; made if missing.")
    ] = None,
    archives: Annotated[
        list[Path] | None, typer.Option("--archive", help="Read what was archived here; may be given several times.")
    ] = None,
) -> None:
    """Print every record, one a line, from the first or from a position on; with a position, each of them once.

    A record is printed when it was signed over: at once if it comes alone, else within ten seconds. Exit code 4: the
    journal does not go on from there.
    """
    from watchword.audit import (  # noqa: PLC0415  # quick help
        AuditError,
        ForgedCheckpointError,
        JournalDamagedError,
        PositionError,
    )

    shell = shell_of(context)
    if sum(bool(option) for option in (count, since, after)) > 1:
        raise typer.BadParameter("give one of them alone", param_hint="-n, --since, --after")
    begin = _Begin(shell.settings().journal_directory, archives or [], count, moment(since), after)
    kept, outlet = PositionFile.open(position) if position else None, Outlet(sys.stdout)
    try:
        follower = begin.follower(kept)
        if follower.position.seq and not (kept or count or since or after or archives):
            tell_what_is_archived(shell, begin.directory)
        with follower, _asked_to_stop() as stop:
            _Carrier(shell, follower, outlet, kept, stop, begin.since).carry(is_endless=follow)
    except (PositionError, JournalDamagedError, ForgedCheckpointError) as error:
        fail(error, as_json=shell.is_json, code=EXIT_FOUND_WRONG)
    except BrokenPipeError:
        raise  # nobody reads any more: nothing is wrong
    except OSError as error:
        outlet.give_up()
        what = f"`{error.filename}`" if error.filename else "the output"
        hint = "the position stays where it was taken; mend that and go on"
        fail(AuditError(f"{what} cannot be read or written ({error.strerror})", hint=hint), as_json=shell.is_json)
    finally:
        if kept:
            kept.close()
    if stop.is_set() and stop.signal == signal.SIGINT:
        raise KeyboardInterrupt
    if not (shell.is_json or kept):
        print(f"behind these: --after {follower.position.seq}", file=sys.stderr)


class _Begin:
    """Where to begin, as it was asked for."""

    def __init__(
        self, directory: Path, archives: Sequence[Path], count: int | None, since: datetime | None, after: str
    ) -> None:
        self.directory, self._archives, self._count, self.since, self._after = directory, archives, count, since, after

    def follower(self, kept: PositionFile | None) -> Follower:
        """Stand behind what the file says was had; the first time, where the options say."""
        from watchword.audit import Follower, Position, first_since  # noqa: PLC0415  # quick help

        had = kept.read() if kept else None
        if had is not None:
            self.since = None
        elif self._after:
            had = _position(self._after)
        follower = Follower(self.directory, had, archives=self._archives)
        if had is not None or not (self._count or self.since):
            return follower
        first, until = follower.position.seq, follower.covered()
        if self.since:
            wanted = first_since(self.directory, self.since, until=until, archives=self._archives) - 1
        else:
            wanted = until - (self._count or 0)
        return Follower(self.directory, Position(wanted), archives=self._archives) if wanted > first else follower


def _position(text: str) -> Position:
    from watchword.audit import Position, PositionError  # noqa: PLC0415  # quick help

    try:
        return Position.parse(text)
    except PositionError as error:
        raise typer.BadParameter(f"{error.message}; {error.hint}", param_hint="--after") from error


class _Carrier:
    """Write lines in pieces, and note how far they were taken."""

    def __init__(
        self,
        shell: Shell,
        follower: Follower,
        outlet: Outlet,
        kept: PositionFile | None,
        stop: _Stop,
        since: datetime | None,
    ) -> None:
        self._shell, self._follower, self._outlet = shell, follower, outlet
        self._kept, self._stop, self._since = kept, stop, since
        self._due: deque[tuple[int, Position]] = deque()

    def carry(self, *, is_endless: bool) -> None:
        """Write what is there, and go on if asked to, until told to stop or until nobody reads any more."""
        while not self._stop.is_set():
            for piece in self._pieces():
                self._due.append((self._outlet.write(piece), self._follower.position))
                self._note()
                if self._stop.is_set():
                    break
            if not is_endless:
                break
            self._stop.wait(_POLL_S)
            self._note()
        # Whoever is told to stop does not wait for a reader that does not read; what it has not taken comes again.
        while not (self._note() or self._stop.is_set()):
            self._stop.wait(_TAKEN_S)

    def _pieces(self) -> Iterator[bytes]:
        held: list[bytes] = []
        size = 0
        for line in self._follower.fresh():
            if self._since is not None and not self._is_due(line):
                continue
            held.append(self._rendered(line))
            size += len(held[-1])
            if size >= _PIECE:
                yield b"".join(held)
                held, size = [], 0
        if held:
            yield b"".join(held)

    def _is_due(self, line: bytes) -> bool:
        """Tell whether a time was reached; from then on everything is due, whatever the clock did."""
        from watchword.audit import parse  # noqa: PLC0415  # quick help

        record = parse(line)
        if record is None or self._since is None or record.at < self._since:
            return False
        self._since = None
        return True

    def _note(self) -> bool:
        """Keep the position up to which all was taken; tell whether that is all that was written."""
        taken, position = self._outlet.taken(), None
        while self._due and self._due[0][0] <= taken:
            _, position = self._due.popleft()
        if position and self._kept:
            self._kept.write(position)
        return not self._due

    def _rendered(self, line: bytes) -> bytes:
        if self._shell.is_json and not self._outlet.is_terminal:
            return line  # to the byte, so that the chain can be followed wherever it arrives
        fields = json.loads(line)
        # ASCII alone. Prevents: a C1 control character in a user agent, which JSON lets stand, reaching a terminal.
        return (json.dumps(fields) if self._shell.is_json else _line(fields)).encode() + b"\n"


def _line(fields: dict[str, Any]) -> str:
    """Say who did what to whom; what is personal stands in the journal."""
    if fields["type"] in {"decision", "decision.strangers"}:
        return f"{fields['seq']:>9}  {line_of(fields)}"
    shown = fields["data"] if isinstance(fields.get("data"), dict) else _scalars(fields)
    words = " ".join(f"{name}={value}" for name, value in shown.items() if value is not None and value != "")
    at, names = str(fields["at"])[:19].replace("T", " "), (fields.get("actor"), fields.get("subject"))
    whom = " > ".join(str(name) for name in names if name)
    return one_line(f"{fields['seq']:>9}  {at}  {fields['type']:30} {whom}  {words}").rstrip()


def _scalars(fields: dict[str, Any]) -> dict[str, Any]:
    """Return what a record says that is no event; what it holds in lists and objects stands in the journal."""
    return {name: value for name, value in fields.items() if name not in _FRAME and not isinstance(value, dict | list)}


class _Stop(threading.Event):
    """Set by a signal; the second one interrupts even a write to somebody who does not read."""

    signal = 0

    def take(self, number: int, _frame: object) -> None:
        """Take note of a signal."""
        if self.is_set():
            raise KeyboardInterrupt
        self.signal = number
        self.set()


@contextmanager
def _asked_to_stop() -> Iterator[_Stop]:
    stop = _Stop()
    former = {number: signal.signal(number, stop.take) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
