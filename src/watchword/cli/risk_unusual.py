"""`watchword risk unusual`: judge the newest log-ins by the forest of the last night, with nothing to install."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from watchword.cli.risk_learning import progress
from watchword.cli.shell import shell_of

_HOUR_S = 3600.0


def unusual(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Observations as `risk import` and `risk synthesize` write them.")],
    *,
    top: Annotated[int, typer.Option(min=1, max=10_000, help="So many of the most unusual log-ins.")] = 20,
    hours: Annotated[float, typer.Option(min=0.1, max=87_600.0, help="Of so many hours before the newest one.")] = 24,
) -> None:
    """List the newest log-ins that lie furthest from all others.

    Goes by the isolation forest that `watchword risk batch` kept, and needs none of its libraries. Whatever stands in
    the file before those hours says what is usual for each account.
    """
    from watchword.kernel import NotFoundError  # noqa: PLC0415  # quick help
    from watchword.trust.learning import KeptModels  # noqa: PLC0415  # as above
    from watchword.trust.learning.batch import kept_forest, unusual_since  # noqa: PLC0415  # as above

    shell = shell_of(context)
    data = shell.settings().data
    forest = kept_forest(data / "trust" / "batch")
    if forest is None:
        raise NotFoundError("no forest is kept yet", hint="fit one first: `watchword risk batch FILE`")
    with progress(shell, "acts looked at") as tell:
        found = unusual_since(file, KeptModels.of(data).current(), forest, last_s=hours * _HOUR_S, most=top, tell=tell)
    rows = [
        {
            "id": each.id,
            "user": each.user,
            "at": f"{datetime.fromtimestamp(each.at, UTC):%Y-%m-%d %H:%M}",
            "isolation": round(each.score, 4),
            "log_odds": round(each.margin, 2),
            "words": each.words,
        }
        for each in found
    ]
    if shell.is_json:
        shell.say("risk unusual", unusual=rows)
        return
    shell.show(rows, *rows[0] if rows else ("id",), empty="there is no log-in in these hours")
