"""`watchword risk feeds`: the feeds of threat intelligence, what they brought, and what waits for a decision."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from watchword.cli.force import ask_node, in_force
from watchword.cli.shell import EXIT_FOUND_WRONG, Shell, one_line, shell_of

app = typer.Typer(help="Look at feeds of threat intelligence, and fetch them.", no_args_is_help=True)
review = typer.Typer(help="Decide about what a feed brought and what was kept for review.", no_args_is_help=True)
app.add_typer(review, name="review")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The feed, as the configuration names it.")]
Digest = Annotated[str, typer.Option(help="Only if it is still this that waits, as `show NAME --waiting` says it.")]
_MOST_SHOWN = 1000


@app.command("list")
def list_feeds(context: typer.Context) -> None:
    """List every feed and how it is; exit code 4 when one needs a hand."""
    shell = shell_of(context)

    async def act(feeds: Any, _services: Any) -> list[dict[str, Any]]:
        return [_row(each) for each in feeds.statuses()]

    rows = _with_feeds(shell, act)
    columns = ("feed", "means", "state", "entries", "covers", "refreshed", "counts_until", "review", "problem")
    shell.show(rows, *columns, empty="no feed is configured: see [[trust.feeds]]")
    _leave(shell, rows)


@app.command("fetch")
def fetch(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="By default every feed.")] = None,
) -> None:
    """Look at feeds now; exit code 4 when one of them could not be taken."""
    shell = shell_of(context)

    async def act(feeds: Any, services: Any) -> list[dict[str, Any]]:
        wanted = [feeds.status(name).name for name in names or ()] or [each.name for each in feeds.statuses()]
        with _progress(shell, len(wanted), "fetching") as advance:

            async def look(name: str) -> dict[str, Any]:
                row = _row(await feeds.refresh(name))
                advance(f"fetched {name}")
                return row

            rows = await asyncio.gather(*map(look, dict.fromkeys(wanted)))
        if not shell.is_json and any(row["is_well"] for row in rows):
            print(await in_force(services))
            await _name_unknown(services, wanted)
        return rows

    rows = _with_feeds(shell, act)
    shell.show(
        rows, "feed", "state", "entries", "covers", "refused", "refreshed", "problem", empty="no feed is configured"
    )
    _leave(shell, rows)


@app.command("show")
def show(
    context: typer.Context,
    name: Name,
    address: Annotated[str, typer.Option(help="Tell what this feed says of an address.")] = "",
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Show what waits for review instead: what is new, what is gone.")
    ] = False,
    limit: Annotated[int, typer.Option(min=0, max=_MOST_SHOWN, help="How many entries to show.")] = 10,
) -> None:
    """Show one feed: how it is, what was refused and why, and some of its entries."""
    shell = shell_of(context)

    async def act(feeds: Any, services: Any) -> dict[str, Any]:
        found = _row(feeds.status(name))
        found |= _changes(shell, feeds, name, limit) if waiting else _entries(feeds, name, limit)
        if address:
            verdict = feeds.reputation.of(address, services.clock.now())
            found["says"] = [_said(hit) for hit in verdict.hits if hit.feed == name]
        return found

    found = _with_feeds(shell, act)
    if shell.is_json:
        shell.say(found["feed"], **found)
        return
    for line in _portrait(found, address):
        print(one_line(line))


def _entries(feeds: Any, name: str, limit: int) -> dict[str, Any]:
    from watchword.trust.feeds import listed  # noqa: PLC0415  # quick help

    index = feeds.index(name)
    return {"listed": listed(index.rows(), limit) if index is not None else []}


def _changes(shell: Shell, feeds: Any, name: str, limit: int) -> dict[str, Any]:
    """Compare what waits with what is in force."""
    from watchword.trust.feeds import difference, listed  # noqa: PLC0415  # quick help

    waits = feeds.index(name, waiting=True)
    if waits is None:
        return {"listed": [], "new": None, "gone": None}
    with _progress(shell, 1, "comparing"):  # seconds for a million entries
        new, gone = difference(feeds.index(name), waits, limit)
    return {
        "listed": listed(waits.rows(), limit),
        "new": {"entries": new.count, "broadest": listed(new.broadest, limit)},
        "gone": {"entries": gone.count, "broadest": listed(gone.broadest, limit)},
    }


@app.command("ask")
def ask(
    context: typer.Context,
    values: Annotated[
        list[str], typer.Argument(metavar="VALUE...", help="Addresses, domains, URLs, or hashes of files.")
    ],
) -> None:
    """Ask every feed about values; exit code 4 when one of them is listed."""
    shell = shell_of(context)

    async def act(feeds: Any, services: Any) -> list[dict[str, Any]]:
        from watchword.trust.feeds import is_asked_about  # noqa: PLC0415  # quick help

        now = services.clock.now()
        for value in values:
            if not is_asked_about(value.strip()):
                words = "is no address, domain, URL or hash of a file; no feed is asked about it"
                print(one_line(f"watchword: `{value[:80]}` {words}"), file=sys.stderr)
        return [
            {"value": value, "feed": hit.feed} | _said(hit)
            for value in values
            for hit in feeds.reputation.about(value.strip(), now)
        ]

    rows = _with_feeds(shell, act)
    shell.show(
        rows, "value", "feed", "means", "confidence", "first_seen", "expires_at", empty="no feed lists any of it"
    )
    if rows:
        raise typer.Exit(EXIT_FOUND_WRONG)


@review.command("accept")
def accept(context: typer.Context, name: Name, digest: Digest = "") -> None:
    """Put in force what waits for review."""
    _decide(shell_of(context), name, digest, "accept", "is in force")


@review.command("reject")
def reject(context: typer.Context, name: Name, digest: Digest = "") -> None:
    """Throw away what waits for review; the same again is not kept again."""
    _decide(shell_of(context), name, digest, "reject", "was thrown away")


def _decide(shell: Shell, name: str, digest: str, verb: str, words: str) -> None:
    async def act(feeds: Any, services: Any) -> tuple[dict[str, Any], str]:
        status = await getattr(feeds, verb)(name, actor=shell.actor, digest=digest)
        return _row(status), await in_force(services)

    row, followed = _with_feeds(shell, act)
    shell.say(f"what waited of `{name}` {words}; {row['entries']} entries are in force; {followed}", **row)


async def _name_unknown(services: Any, wanted: Sequence[str]) -> None:
    """Tell of feeds that were configured after the node was started."""
    status = await ask_node(services.settings.data) or {}
    known = {row["feed"] for row in status.get("feeds", ())}
    unknown = [name for name in wanted if status and name not in known]
    if unknown:
        print(f"but the running node does not know {', '.join(unknown)}: start it again")


def _leave(shell: Shell, rows: Sequence[dict[str, Any]]) -> None:
    """Say what to do about each feed that is not well; exit code 4 where there is one."""
    ill = [row for row in rows if not row["is_well"]]
    if not shell.is_json:
        for row in ill:
            print(one_line(f"{row['feed']}: {_advice(row)}"))
    if ill:
        raise typer.Exit(EXIT_FOUND_WRONG)


def _advice(row: dict[str, Any]) -> str:
    return (row["hint"] or "look at it: watchword risk feeds show NAME").replace("NAME", row["feed"])


def _with_feeds(shell: Shell, act: Callable[[Any, Any], Awaitable[Any]]) -> Any:
    async def within(services: Any) -> Any:
        from watchword.app import open_feeds  # noqa: PLC0415  # quick help

        feeds = open_feeds(services)
        await feeds.load()
        return await act(feeds, services)

    return shell.run(within)


def _row(status: Any) -> dict[str, Any]:
    from watchword.app import as_row  # noqa: PLC0415  # quick help

    return as_row(status) | {"refused": [f"{why}: {count}" for why, count in status.refused.items()]}


@contextmanager
def _progress(shell: Shell, total: int, words: str) -> Iterator[Callable[[str], None]]:
    from rich.console import Console  # noqa: PLC0415  # quick help
    from rich.progress import Progress  # noqa: PLC0415  # as above

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=shell.is_json or not console.is_terminal) as bar:
        task = bar.add_task(words, total=total)
        yield lambda done: bar.update(task, advance=1, description=done)


def _said(hit: Any) -> dict[str, Any]:
    return {
        "network": hit.network,
        "means": hit.meaning,
        "confidence": hit.confidence,
        "first_seen": hit.first_seen,
        "expires_at": hit.expires_at,
    }


def _entry(entry: dict[str, Any]) -> str:
    return f"  {entry['kind']:<8} {entry['value']:<44} confidence {entry['confidence']:>3}  until {entry['until']}"


def _portrait(found: dict[str, Any], address: str) -> Iterator[str]:
    yield from _state(found)
    yield from _contents(found)
    if address and not found["says"]:
        yield f"  {address} is not on it, or is no address, or the feed is stale"
    for said in found.get("says", ()):
        yield f"  lists {address} by {said['network']}, confidence {said['confidence']:.0f} of 100 today"


def _state(found: dict[str, Any]) -> Iterator[str]:
    yield f"{found['feed']}: {found['format']}, means {found['means']}, {found['state']}"
    if found["refreshed"]:
        yield f"  {found['entries']} entries in {found['bytes']} bytes, refreshed {found['refreshed']} UTC"
    if found["counts_until"]:
        yield f"  counts until {found['counts_until']} UTC"
    if found["covers"]:
        yield f"  covers {found['covers']}, {found['percent']:.2g}% of the Internet"
    if found["problem"]:
        yield f"  problem: {found['problem']}"
    if found["hint"]:
        yield f"  {_advice(found)}"
    if found["review"]:
        yield f"  waits for review: {found['review']}, digest {found['review_digest']}"
    for line in found["refused"]:
        example = found["examples"].get(line.rpartition(":")[0])
        yield f"  refused, {line}" + (f" (such as {example})" if example else "")


def _contents(found: dict[str, Any]) -> Iterator[str]:
    if "new" not in found:
        yield from map(_entry, found["listed"])
    elif found["new"] is None:
        yield "  nothing waits for review"
    else:
        for words, changes in (("new", found["new"]), ("gone", found["gone"])):
            yield f"  {words} in what waits: {changes['entries']} entries" + (
                ", the broadest of them:" if changes["broadest"] else ""
            )
            yield from map(_entry, changes["broadest"])
