"""The administration's view of decisions: overview, live stream, list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from watchword.console.charts import timeline
from watchword.console.desk import Desk
from watchword.console.errors import TooManyRequestsError
from watchword.console.pages import NOTHING_POLICY, Page
from watchword.console.routes.endpoint import administrator, endpoint
from watchword.console.routes.visit import HTMX, Visit, see_other
from watchword.console.rows import DecisionRow, decision_rows
from watchword.kernel import Answer, DecisionId, RiskLevel
from watchword.kernel.ids import MalformedIdError

_LATEST: Final = 12
_SEARCHED: Final = 5_000
_SHOWN: Final = 100
_HEARTBEAT_S: Final = 15.0
_STREAMS: Final = 32
_LONGEST_FILTER: Final = 120
_LEVELS: Final = {"medium": RiskLevel.MEDIUM, "high": RiskLevel.HIGH}
_FRAGMENT_HEADERS: Final = {"cache-control": "no-store", "content-security-policy": NOTHING_POLICY}


def routes(desk: Desk) -> list[Route]:
    """Return the routes of the administration that show decisions."""
    streams = Streams()

    async def stream(visit: Visit) -> Response:
        return streams.open(visit)

    return [
        Route("/admin", endpoint(desk, administrator(show_overview)), methods=["GET"]),
        Route("/admin/figures", endpoint(desk, administrator(show_figures)), methods=["GET"]),
        Route("/admin/stream", endpoint(desk, administrator(stream)), methods=["GET"]),
        Route("/admin/decisions", endpoint(desk, administrator(show_decisions)), methods=["GET"]),
    ]


async def show_overview(visit: Visit) -> Response:
    """Show the last hour, what is decided now, and whether every part is well."""
    services = visit.desk.services
    health = await services.health.parts()
    rows = list(_rows(visit, _LATEST))
    return visit.show(
        "admin_overview.html",
        Page(section="admin", tab="/admin", scripts=(*HTMX, "live.js")),
        latest=rows,
        is_new=False,
        chart=timeline(services.decisions.last_hour(visit.now), now=visit.now),
        health=health,
        failing=[name for name, well in health.items() if not well],
        people=len(await services.identity.reader.users()),
        live_sessions=len(await services.identity.reader.sessions()),
        policy_version=services.policies.overview().version or "none",
        policy_problem=services.policies.overview().problem,
        journal_records=services.audit.overview().records,
    )


async def show_figures(visit: Visit) -> Response:
    """Render the chart and the counts alone, for the page that is open."""
    chart = timeline(visit.desk.services.decisions.last_hour(visit.now), now=visit.now)
    page = Page(zone=visit.completed(Page()).zone)
    return HTMLResponse(visit.desk.pages.render("admin_figures.html", page, chart=chart), headers=_FRAGMENT_HEADERS)


@dataclass(frozen=True, slots=True)
class _Filters:
    answer: str = ""
    application: str = ""
    q: str = ""
    risk: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.answer or self.application or self.q or self.risk)

    def fits(self, row: DecisionRow) -> bool:
        view = row.view
        if self.answer and view.answer.value != self.answer:
            return False
        if self.application and view.application != self.application:
            return False
        if self.risk in _LEVELS and (view.level is None or view.level < _LEVELS[self.risk]):
            return False
        wanted = self.q.casefold()
        seen = (row.person, row.title, view.ip, view.id, view.path, view.user_id or "")
        return not wanted or any(wanted in text.casefold() for text in seen)


async def show_decisions(visit: Visit) -> Response:
    """List decisions by filter; a whole reference opens the decision at once, however old."""
    query = visit.request.query_params
    filters = _Filters(
        *(query.get(name, "").strip()[:_LONGEST_FILTER] for name in ("answer", "application", "q", "risk"))
    )
    try:
        return see_other(f"/decisions/{DecisionId(filters.q.lower())}")
    except MalformedIdError:
        pass
    rows = list(islice((row for row in _rows(visit, _SEARCHED) if filters.fits(row)), _SHOWN + 1))
    return visit.show(
        "admin_decisions.html",
        Page(section="admin", tab="/admin/decisions"),
        rows=rows[:_SHOWN],
        is_cut=len(rows) > _SHOWN,
        filters=filters,
        answers=list(Answer),
        applications=visit.desk.services.applications.published(),
    )


class Streams:
    """Live decisions as server-sent events, few at a time, each checked anew while it lasts."""

    def __init__(self) -> None:
        self._open = 0

    def open(self, visit: Visit) -> Response:
        """Begin a stream.

        Raises:
            TooManyRequestsError: too many are open.
        """
        # Prevents: one browser holding every connection of the process.
        if self._open >= _STREAMS:
            raise TooManyRequestsError("too many live views are open")
        headers = {**_FRAGMENT_HEADERS, "x-accel-buffering": "no"}
        return StreamingResponse(self._events(visit), media_type="text/event-stream", headers=headers)

    async def _events(self, visit: Visit) -> AsyncIterator[bytes]:
        self._open += 1
        clock = visit.desk.services.clock
        ends_at = clock.monotonic() + visit.desk.settings.stream_max_s
        try:
            async with visit.desk.services.decisions.follow() as records:
                yield b": live\n\n"
                pending: asyncio.Task[Any] | None = None
                try:
                    while clock.monotonic() < ends_at and _still_administrator(visit):
                        pending = pending or asyncio.ensure_future(anext(records))
                        done, _ = await asyncio.wait({pending}, timeout=_HEARTBEAT_S)
                        if not done:
                            yield b": beat\n\n"
                            continue
                        record, pending = pending.result(), None
                        # Checked again before every row: the end of a session counts at once, here too.
                        if not _still_administrator(visit):
                            return
                        yield _event(visit, record)
                except StopAsyncIteration:
                    return
                finally:
                    if pending is not None:
                        pending.cancel()
        finally:
            self._open -= 1


def _event(visit: Visit, record: Any) -> bytes:
    services = visit.desk.services
    rows = list(decision_rows([record], visitors=services.visitors, applications=services.applications))
    if not rows:
        return b": skip\n\n"
    page = Page(zone=visit.completed(Page()).zone)
    html = visit.desk.pages.render("live_row.html", page, row=rows[0], is_new=True)
    lines = "".join(f"data: {line}\n" for line in html.splitlines())
    return f"{lines}\n".encode()


def _still_administrator(visit: Visit) -> bool:
    """Look the session up again, by its identifier."""
    assert visit.visitor is not None
    now = visit.desk.services.clock.now()
    found = visit.desk.services.visitors.session(visit.visitor.session.id)
    user = visit.desk.services.visitors.user(visit.visitor.user.id)
    return (
        found is not None and found.is_live(now) and user is not None and user.is_administrator and not user.is_disabled
    )


def _rows(visit: Visit, limit: int) -> Iterator[DecisionRow]:
    services = visit.desk.services
    return decision_rows(
        services.decisions.recent(limit), visitors=services.visitors, applications=services.applications
    )
