"""`watchword risk profile`: what is usual for a user."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from math import ceil
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchword.cli.shell import one_line, shell_of
from watchword.kernel import NotFoundError

if TYPE_CHECKING:
    from watchword.trust import Usual

_WIDTH = 20
_STEPS = " \N{LOWER ONE EIGHTH BLOCK}\N{LOWER ONE QUARTER BLOCK}\N{LOWER THREE EIGHTHS BLOCK}\N{LOWER HALF BLOCK}"
_STEPS += "\N{LOWER FIVE EIGHTHS BLOCK}\N{LOWER THREE QUARTERS BLOCK}\N{LOWER SEVEN EIGHTHS BLOCK}\N{FULL BLOCK}"
_FULL = "\N{FULL BLOCK}"


def profile(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="USER", help="Name of the user.")],
    *,
    by: Annotated[
        str,
        typer.Option("--by", help="What this profile learned; else `statistical`, or `freeman` if only that learns."),
    ] = "",
) -> None:
    """Show what is usual for a user.

    Places, networks, browsers, applications and hours, as they were learned.
    """
    from watchword.app.learning import learning_profiles  # noqa: PLC0415  # quick help
    from watchword.trust import FREEMAN, LEARNING, STATISTICAL  # noqa: PLC0415  # as above

    if by not in ("", *LEARNING):
        raise typer.BadParameter(f"use {' or '.join(LEARNING)}", param_hint="--by")
    shell = shell_of(context)
    learns = learning_profiles(shell.settings().applications, shell.settings().trust)
    chosen = by or (FREEMAN if learns == {FREEMAN} else STATISTICAL)

    async def act(services: Any) -> Usual:
        from watchword.trust import usual_for  # noqa: PLC0415  # quick help

        users = await services.identity.reader.users()
        user = next((one for one in users if name in {one.name, one.id}), None)
        if user is None:
            raise NotFoundError(f"there is no user `{name}`", hint="`watchword users list` names them all")
        return await usual_for(services.database, user.id, chosen)

    found = shell.run(act)
    if shell.is_json:
        shell.say("usual", **dataclasses.asdict(found), learns=sorted(learns))
        return
    if chosen not in learns:
        print(
            f"this node does not learn for `{chosen}`: no application uses it, and `trust.learn_ahead` does not name it"
        )
    for line in picture(found):
        print(one_line(line).rstrip())


def picture(found: Usual) -> Iterator[str]:
    """Yield the lines of a small picture."""
    if not found.history:
        yield "nothing was learned yet: habits are learned from sign-ins with a second factor, and from what follows"
        return
    acts = "sign-ins" if found.profile == "freeman" else "acts"
    from watchword.trust import country_name  # noqa: PLC0415  # quick help

    place = country_name(found.last_place)
    yield f"{found.history:,} verified {acts}" + (f", the newest from {place}" if place else "")
    for title, shares in (
        ("countries", tuple((f"{code} {country_name(code)}", share) for code, share in found.countries)),
        ("systems", found.systems),
        ("networks", found.networks),
        ("browsers", found.browsers),
        ("applications", found.applications),
    ):
        if shares:
            yield ""
            yield title
        for words, share in shares:
            yield f"  {share:>4.0%} {_FULL * max(1, round(share * _WIDTH)):<{_WIDTH}} {words}"
    if not any(found.hours):
        return
    yield ""
    yield "hours of the day, in their own zone"
    yield f"  {columns(found.hours)}"
    yield f"  {'0':<6}{'6':<6}{'12':<6}{'18':<5}23"
    yield "days of the week"
    yield f"  {'  '.join(columns(found.weekdays))}"
    yield "  M  T  W  T  F  S  S"


def columns(shares: Sequence[float]) -> str:
    """Draw shares as columns, the highest of which is full."""
    highest = max(shares) or 1.0
    return "".join(_STEPS[ceil(share / highest * (len(_STEPS) - 1))] for share in shares)
