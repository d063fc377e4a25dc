"""`watchword audit`: prove that the journal is whole, follow it, and move away what is old."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from watchword.cli import audit_tail
from watchword.cli.shell import EXIT_FOUND_WRONG, Shell, shell_of
from watchword.kernel import ConfigurationError

app = typer.Typer(help="Verify the journal, follow it, and archive what is old.", no_args_is_help=True)
app.command("tail")(audit_tail.tail)


@app.command("verify")
def verify(
    context: typer.Context,
    archives: Annotated[
        list[Path] | None,
        typer.Option("--archive", help="Verify this archive with it, as one; may be given several times."),
    ] = None,
    witnessed: Annotated[
        list[Path] | None,
        typer.Option(help="Checkpoints that were kept elsewhere; the journal must still agree with each."),
    ] = None,
) -> None:
    """Read the whole journal and find any change, gap or reordering; exit code 4 when there is one."""
    shell = shell_of(context)
    kept = [note for path in witnessed or () for note in _notes(path)]

    async def act(services: Any) -> Any:
        from watchword.audit import verify as verify_journal  # noqa: PLC0415  # quick help

        with _progress(shell) as progress:
            return verify_journal(
                services.settings.journal_directory,
                services.keys.all_ever("journal"),
                archives=archives or (),
                witnessed=kept,
                progress=progress,
            )

    report = shell.run(act)
    fields = {
        "ok": report.is_sound,
        "records": report.records,
        "archived": report.archived,
        "finding": report.finding.words if report.finding else None,
    }
    if report.is_sound:
        behind = f"; the first {report.archived} of them are archived" if report.archived else ""
        shell.say(f"the journal is whole: {report.records} records, chained and signed{behind}", **fields)
        return
    shell.say(f"the journal is NOT whole: {report.finding.words}", **fields)
    raise typer.Exit(EXIT_FOUND_WRONG)


@app.command("archive")
def archive(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Where to: the directory used last, or an empty one.")],
    days: Annotated[int, typer.Option("--older-than", min=1, help="Only what is older than so many days.")] = 90,
) -> None:
    """Move old segments of the journal away; what stays still verifies, and both together verify as one."""
    shell = shell_of(context)

    async def act(services: Any) -> Any:
        from watchword.audit import JOURNAL_ARCHIVED  # noqa: PLC0415  # quick help
        from watchword.audit import archive as archive_journal  # noqa: PLC0415  # as above

        now = services.clock.now()
        with _progress(shell) as progress:
            moved = archive_journal(
                services.settings.journal_directory,
                directory,
                before=now - timedelta(days=days),
                now=now,
                signer=services.keys.signer("journal"),
                keys=services.keys.all_ever("journal"),
                progress=progress,
            )
        if moved.segments:
            event = JOURNAL_ARCHIVED.at(
                now,
                services.entropy,
                actor=shell.actor,
                subject="journal",
                segments=moved.segments,
                through=moved.through,
                destination=str(directory.resolve()),
            )
            async with services.database.work() as unit:
                unit.emit(event)
        return moved

    moved = shell.run(act)
    fields = {"segments": moved.segments, "bytes": moved.size, "through": moved.through}
    if not moved.segments:
        shell.say(f"no segment of the journal is older than {days} days as a whole; nothing was moved", **fields)
        return
    shell.say(
        f"{moved.segments} segments ({moved.size / (1 << 20):.1f} MiB) moved to {directory};"
        f" the journal begins with record {moved.through + 1} now",
        **fields,
    )


def _notes(path: Path) -> list[str]:
    from watchword.audit import notes  # noqa: PLC0415  # quick help

    try:
        found = [note.rstrip("\n") + "\n" for note, _ in notes(path) if note.strip()]
    except OSError as error:
        raise ConfigurationError(f"`{path}` cannot be read ({error.strerror})") from error
    # Prevents: an empty copy taken for one that agrees.
    if not found:
        raise ConfigurationError(f"`{path}` holds no checkpoint", hint="copy the end of journal/checkpoints: tail -n 8")
    return found


@contextmanager
def _progress(shell: Shell) -> Iterator[Callable[[int, int], None]]:
    """Show how far verifying got, where somebody watches."""
    if shell.is_json or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return

    def show(done: int, total: int) -> None:
        share = done / total if total else 1.0
        print(f"\r  verifying {'#' * round(share * 30):.<30} {share:4.0%}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
