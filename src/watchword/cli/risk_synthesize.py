"""`watchword risk synthesize` and `watchword risk import`: labelled observations, one a line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, cast

import typer

from watchword.cli.risk_files import check_writable
from watchword.cli.risk_lines import EVERY, STANDARD_OUT, Count, progress, report, target
from watchword.cli.shell import EXIT_FOUND_WRONG, shell_of
from watchword.kernel import ConfigurationError, NotFoundError

if TYPE_CHECKING:
    from watchword.trust.importers import Tally
    from watchword.trust.synthesis import Labelled


_PACKED = b"\x1f\x8b"  # how a file that gzip packed begins, whatever it is called


class Kind(StrEnum):
    """Whose traffic is made."""

    WORKFORCE = "workforce"
    PUBLIC = "public"


class Layout(StrEnum):
    """What is read."""

    RBA = "rba"
    CLOUDTRAIL = "cloudtrail"
    WINDOWS = "windows"
    OCSF = "ocsf"
    WATCHWORD = "watchword"
    JOURNAL = "journal"


def synthesize(  # noqa: PLR0913  # each is an option that somebody may want
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Where to write; `-` is standard output, and `.gz` is packed.")],
    *,
    seed: Annotated[int, typer.Option(help="The same seed makes the same traffic.")] = 1,
    users: Annotated[int, typer.Option(help="How many people.")] = 200,
    days: Annotated[int, typer.Option(help="How many days.")] = 90,
    profile: Annotated[Kind, typer.Option(help="People at work, or customers of a public service.")] = Kind.WORKFORCE,
    attackers: Annotated[
        str, typer.Option(help="Names separated by commas, or `none`; else all that fit the profile.")
    ] = "",
    incidents: Annotated[int | None, typer.Option(help="Attacks of each; else one for each ten users.")] = None,
    quiet_days: Annotated[
        int | None, typer.Option(help="Days without attacks at the beginning; else a quarter.")
    ] = None,
    requests: Annotated[float, typer.Option(help="Requests in a session, on average.")] = 10.0,
    start: Annotated[str, typer.Option(help="The first day.")] = "2026-01-05",
) -> None:
    """Make the traffic of an invented organisation.

    With the attackers among it; each line says who made it.
    """
    from watchword.trust.synthesis import OrganisationSpec, Profile, generate  # noqa: PLC0415  # quick help

    spec = OrganisationSpec(
        users=users,
        days=days,
        profile=Profile(profile.value),
        attackers=_names(attackers),
        incidents=incidents,
        quiet_days=quiet_days,
        start=_day(start),
        requests_a_session=requests,
    )
    shell, count = shell_of(context), Count()
    if file != STANDARD_OUT:
        check_writable(file)
    with progress(shell, "making") as tell, target(file) as out:
        for one in count.each(generate(spec, seed=seed), lambda at: tell((at - spec.start) / (spec.end - spec.start))):
            out(one)
    report(shell, count, file)


def import_traffic(  # each is an option that somebody may want
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="What to read; `.gz` is unpacked.")],
    *,
    layout: Annotated[Layout, typer.Option("--format", help="The layout of the files.")],
    out: Annotated[Path, typer.Option(help="Where to write; `-` is standard output, and `.gz` is packed.")],
    trust_success: Annotated[
        bool,
        typer.Option("--trust-success", help="Learn from sign-ins that succeeded, where nothing tells of a factor."),
    ] = False,
    sort: Annotated[bool, typer.Option("--sort", help="Bring everything into the order of time.")] = False,
) -> None:
    """Read what others, or this node, recorded.

    Files of another system, or this node's journal; exits with code 4 if a record was refused.
    """
    from watchword.trust import ContextSource  # noqa: PLC0415  # quick help
    from watchword.trust.importers import Reading, Tally, in_order  # noqa: PLC0415  # as above

    shell, count, tally = shell_of(context), Count(), Tally()
    for file in files:
        if file.is_dir():
            raise ConfigurationError(f"`{file}` is a folder", hint=f"name the files in it, such as `{file}/*`")
        if not file.is_file():
            raise NotFoundError(f"there is no file `{file}`", hint="name the files to read")
    if out != STANDARD_OUT:
        check_writable(out)
    reading = Reading(ContextSource.open(shell.settings().trust).place_of, trusts_success=trust_success)
    with progress(shell, "reading") as tell, target(out) as write:
        found = _everything(files, layout, tally, reading, tell)
        for one in count.each(in_order(found) if sort else found, lambda _: None):
            write(one)
    report(shell, count, out, tally)
    if tally.refused:
        raise typer.Exit(EXIT_FOUND_WRONG)


def _everything(
    files: list[Path], layout: Layout, tally: Tally, reading: Any, tell: Callable[[float], None]
) -> Iterator[Labelled]:
    from watchword.trust.importers import ImportRefusedError, read  # noqa: PLC0415  # quick help
    from watchword.trust.importers import Layout as Layouts  # noqa: PLC0415  # as above

    total, before = sum(file.stat().st_size for file in files) or 1, 0
    for file in files:
        known = len(tally.first)
        try:
            with file.open("rb") as packed, _unpacked(file, packed) as plain:
                for number, one in enumerate(read(plain, Layouts(layout.value), tally=tally, reading=reading)):
                    if number % EVERY == 0:
                        tell((before + packed.tell()) / total)
                    yield one
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ImportRefusedError(f"`{file}` is no gzip file, or it is damaged", hint=str(error)) from None
        except OSError as error:
            raise ConfigurationError(f"`{file}` cannot be read", hint=str(error.strerror)) from None
        finally:
            tally.of(file.name, since=known)
        before += file.stat().st_size


@contextmanager
def _unpacked(file: Path, packed: BufferedReader) -> Iterator[BinaryIO]:
    if file.suffix != ".gz" and not packed.peek(len(_PACKED)).startswith(_PACKED):
        yield packed
        return
    with gzip.GzipFile(fileobj=packed, mode="rb") as plain:
        yield cast("BinaryIO", plain)


def _names(text: str) -> tuple[str, ...] | None:
    if not text:
        return None
    return () if text == "none" else tuple(name.strip() for name in text.split(","))


def _day(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"`{text}` is no day", hint="write 2026-01-05") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
