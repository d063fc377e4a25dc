"""What the commands that write labelled observations share: the file, the bar, and what is said at the end."""

from __future__ import annotations

import gzip
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from watchword.cli.shell import Shell, one_line
from watchword.kernel import ConfigurationError

if TYPE_CHECKING:
    from watchword.trust.importers import Tally
    from watchword.trust.synthesis import Labelled

EVERY = 2_000  # observations between two looks at the bar
_PRIVATE = 0o600
_SHOWN = 20
STANDARD_OUT = Path("-")


@dataclass
class Count:
    """What went by."""

    observations: int = 0
    by_attacker: Counter[str] = field(default_factory=Counter)
    unlabelled: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    out_of_order: int = 0
    began: float = field(default_factory=time.perf_counter)

    def each(self, found: Iterable[Labelled], tell: Callable[[float], None]) -> Iterator[Labelled]:
        """Count on the way."""
        for one in found:
            at = one.observation.at
            self.first_at = at if self.observations == 0 else min(self.first_at, at)
            self.out_of_order += at < self.last_at
            self.last_at = max(self.last_at, at)
            self.observations += 1
            if one.attacker is not None:
                self.by_attacker[one.attacker] += 1
            elif not one.is_labelled:
                self.unlabelled += 1
            if self.observations % EVERY == 0:
                tell(at)
            yield one

    def as_json(self) -> dict[str, Any]:
        """Return the figures."""
        seconds = time.perf_counter() - self.began
        return {
            "observations": self.observations,
            "legitimate": self.observations - self.by_attacker.total() - self.unlabelled,
            "unlabelled": self.unlabelled,
            "by_attacker": dict(sorted(self.by_attacker.items())),
            "first_at": _words(self.first_at) if self.observations else None,
            "last_at": _words(self.last_at) if self.observations else None,
            "out_of_order": self.out_of_order,
            "seconds": round(seconds, 3),
        }


def report(shell: Shell, count: Count, file: Path, tally: Tally | None = None) -> None:
    """Say what was written, and what was refused with line and reason."""
    figures = count.as_json() | {"file": str(file)}
    if tally is not None:
        refusals = [{"file": one.file, "line": one.line, "reason": one.reason} for one in tally.first]
        figures |= {"skipped": tally.skipped, "refused": tally.refused, "refusals": refusals}
    # What is written to standard output must not be mixed with words about it.
    with _aside(file):
        if shell.is_json:
            shell.say("observations written", **figures)
            return
        for line in _sentences(figures, file):
            print(one_line(line))


def _sentences(figures: dict[str, Any], file: Path) -> Iterator[str]:
    span = f", {figures['first_at'][:10]} to {figures['last_at'][:10]}" if figures["observations"] else ""
    yield f"{_counted(figures['observations'], 'observation')} written to {file}{span}"
    if not figures["observations"] and figures.get("refused"):
        yield "  nothing in it is of that layout: look at --format"
    for name, number in figures["by_attacker"].items():
        yield f"  {number:>10,}  {name}"
    if figures["unlabelled"]:
        yield f"  {figures['unlabelled']:>10,}  nobody knows by whom"
    yield f"  {figures['legitimate']:>10,}  legitimate"
    if figures["out_of_order"]:
        yield f"  {figures['out_of_order']:,} are earlier than one before them; --sort brings them into order"
    if figures.get("skipped"):
        yield f"{_counted(figures['skipped'], 'record')} skipped, which tell nothing of what people do"
    if figures.get("refused"):
        yield f"{_counted(figures['refused'], 'record')} refused"
        for each in figures["refusals"][:_SHOWN]:
            yield f"  {each['file']} line {each['line']}: {each['reason']}"


@contextmanager
def _aside(file: Path) -> Iterator[None]:
    if file != STANDARD_OUT:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


@contextmanager
def target(file: Path) -> Iterator[Callable[[Labelled], None]]:
    """Give a way to write lines; the file appears when all of them are written, or not at all."""
    from watchword.trust.synthesis import encode  # noqa: PLC0415  # quick help

    if file == STANDARD_OUT:
        yield lambda one: cast("None", sys.stdout.buffer.write(encode(one) + b"\n"))
        sys.stdout.flush()
        return
    part = file.with_name(file.name + ".part")
    try:
        # Prevents: a file that names people and what they did being readable for everybody on the machine.
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, _PRIVATE)
    except OSError as error:
        raise ConfigurationError(f"`{part}` cannot be written", hint=str(error.strerror)) from None
    try:
        with os.fdopen(descriptor, "wb") as plain, _packed(file, plain) as lines:
            os.fchmod(descriptor, _PRIVATE)
            yield lambda one: cast("None", lines.write(encode(one) + b"\n"))
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _packed(file: Path, plain: BinaryIO) -> Iterator[BinaryIO]:
    if file.suffix != ".gz":
        yield plain
        return
    # No name and no time inside, so that the same seed gives the same file.
    with gzip.GzipFile(filename="", fileobj=plain, mode="wb", compresslevel=6, mtime=0) as packed:
        yield cast("BinaryIO", packed)


@contextmanager
def progress(shell: Shell, words: str) -> Iterator[Callable[[float], None]]:
    """Show how far it is, to people at a terminal only."""
    if shell.is_json or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415  # quick help
    from rich.progress import Progress  # noqa: PLC0415  # as above

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=1.0)
        yield lambda share: bar.update(task, completed=share)


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _words(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
