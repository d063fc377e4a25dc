"""`watchword risk batch`: one night's work on recorded traffic, with the libraries of the extra `batch`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchword.cli.risk_files import check_writable, write_private
from watchword.cli.risk_learning import progress
from watchword.cli.shell import EXIT_FOUND_WRONG, Shell, shell_of

if TYPE_CHECKING:
    from watchword.trust.learning.batch import Night, PeerGroups

_FEW = 4
_MOST_DRIFTS = 10
_OF_A_JOURNAL = ("dec_", "evt_")


def batch(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Observations as `risk import` and `risk synthesize` write them.")],
    *,
    top: Annotated[int, typer.Option(min=0, max=10_000, help="So many of the most unusual log-ins.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the forest and the clusters.")] = 0,
    html: Annotated[Path | None, typer.Option(help="Write the report, with a picture, as one HTML file.")] = None,
    png: Annotated[Path | None, typer.Option(help="Write what moved as a PNG file; needs Pillow.")] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit with code 4 if an indicator has drifted.")] = False,
) -> None:
    """Look through a night of traffic: outliers, peers, drift.

    Fits an isolation forest and peer groups, lists what is most unusual, and says which indicators drifted.
    """
    from watchword.trust.learning import KeptModels  # noqa: PLC0415  # quick help
    from watchword.trust.learning.batch import keep, night  # noqa: PLC0415  # as above
    from watchword.trust.learning.report import require_pillow  # noqa: PLC0415  # as above

    shell = shell_of(context)
    check_writable(html, png)
    if png is not None:
        require_pillow()
    data = shell.settings().data
    kept = data / "trust" / "batch"
    with progress(shell, "acts looked at") as tell:
        found = night(file, KeptModels.of(data).current(), seed=seed, most=top, before=_before(kept), tell=tell)
    keep(kept, found)
    _reports(found, file, html, png)
    if shell.is_json:
        shell.say("risk batch", **_as_json(found))
    else:
        _print(shell, found)
        for path in (html, png):
            if path is not None:
                print(f"written to {path}")
    if gate and any(each.stability == "drifted" for each in found.drifts):
        raise typer.Exit(EXIT_FOUND_WRONG)


def _reports(found: Night, file: Path, html: Path | None, png: Path | None) -> None:
    from watchword.trust.learning.report import drift_picture, moved_of, night_page  # noqa: PLC0415  # quick help
    from watchword.trust.learning.report import png as pixels  # noqa: PLC0415  # as above

    if html is not None:
        write_private(html, night_page(found, source=file.name).encode())
    if png is not None:
        write_private(png, pixels([drift_picture(moved_of(found))]))


def _before(kept: Path) -> PeerGroups | None:
    """Return the peer groups whose names go on; such as cannot be read are made anew, under new names or not."""
    from watchword.trust.learning import ModelKeptError  # noqa: PLC0415  # quick help
    from watchword.trust.learning.batch import kept_peers  # noqa: PLC0415  # as above

    try:
        return kept_peers(kept)
    except ModelKeptError:
        return None


def _as_json(found: Night) -> dict[str, Any]:
    return {
        "log_ins": found.log_ins,
        "nodes": len(found.forest.feature),
        "groups": _groups(found),
        "unusual": _unusual(found),
        "drift": _drift(found, len(found.drifts)),
    }


def _print(shell: Shell, found: Night) -> None:
    print(f"a forest of {len(found.forest.roots)} trees over {found.log_ins:,} log-ins")
    print("\npeer groups")
    shell.show(_groups(found), "group", "people", "typical", empty="too few people, or nothing they share")
    print("\nmost unusual, taken together")
    shell.show(_unusual(found), "id", "user", "at", "isolation", "log_odds", empty="none was asked for")
    if any(each.id.startswith(_OF_A_JOURNAL) for each in found.unusual):
        print(
            "  say what they were, which teaches most where log-odds are low: `watchword risk feedback give ID --owner`"
        )
    print("\ndrift, the newer half against the older, without the first twelve sign-ins of each account")
    shell.show(_drift(found, _MOST_DRIFTS), "indicator", "before", "now", "moved", "stability_index", "state")
    print("  before, now and moved are log-odds; `drifted` means that a training is due: `watchword risk train`")


def _groups(found: Night) -> list[dict[str, Any]]:
    if found.peers is None:
        return []
    members = list(found.peers.members.values())
    return [
        {
            "group": name,
            "people": members.count(name),
            "typical": sorted(centre, key=lambda resource: -centre[resource])[:_FEW],
        }
        for name, centre in found.peers.centres.items()
    ]


def _unusual(found: Night) -> list[dict[str, Any]]:
    return [
        {
            "id": each.id,
            "user": each.user,
            "at": f"{datetime.fromtimestamp(each.at, UTC):%Y-%m-%d %H:%M}",
            "isolation": round(each.score, 4),
            "log_odds": round(each.margin, 2),
        }
        for each in found.unusual
    ]


def _drift(found: Night, most: int) -> list[dict[str, Any]]:
    return [
        {
            "indicator": each.indicator,
            "before": round(each.before, 3),
            "now": round(each.after, 3),
            "moved": round(each.moved, 3),
            "stability_index": None if each.psi is None else round(each.psi, 3),
            "state": each.stability.value,
        }
        for each in found.drifts[:most]
    ]
