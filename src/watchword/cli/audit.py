"""`watchword audit`: prove that the journal is whole."""

from __future__ import annotations

import sys
from typing import Any

import typer

from watchword.cli.shell import EXIT_FOUND_WRONG, shell_of

app = typer.Typer(help="Verify the journal.", no_args_is_help=True)


@app.command("verify")
def verify(context: typer.Context) -> None:
    """Read the whole journal and find any change, gap or reordering; exit code 4 when there is one."""
    shell = shell_of(context)

    async def act(services: Any) -> Any:
        from watchword.audit import verify as verify_journal  # noqa: PLC0415  # quick help

        shows = sys.stderr.isatty() and not shell.is_json
        report = verify_journal(
            services.settings.journal_directory,
            services.keys.all_ever("journal"),
            progress=_progress if shows else _silence,
        )
        if shows:
            print("\r\033[K", end="", file=sys.stderr)
        return report

    report = shell.run(act)
    fields = {
        "ok": report.is_sound,
        "records": report.records,
        "finding": report.finding.words if report.finding else None,
    }
    if report.is_sound:
        shell.say(f"the journal is whole: {report.records} records, chained and signed", **fields)
        return
    shell.say(f"the journal is NOT whole: {report.finding.words}", **fields)
    raise typer.Exit(EXIT_FOUND_WRONG)


def _silence(_done: int, _total: int) -> None:
    return


def _progress(done: int, total: int) -> None:
    share = done / total if total else 1.0
    print(f"\r  verifying {'#' * round(share * 30):.<30} {share:4.0%}", end="", file=sys.stderr, flush=True)
