"""The administration's view of what is in force and what can be proved: policies and the journal."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from watchword.console.desk import Desk
from watchword.console.pages import NOTHING_POLICY, Page, anchor
from watchword.console.ports import PolicyFile
from watchword.console.routes.account import own_form
from watchword.console.routes.endpoint import administrator, endpoint
from watchword.console.routes.visit import HTMX, Visit, see_other

_TAB = "/admin/audit"


def routes(desk: Desk) -> list[Route]:
    """Return the routes of policies and journal."""
    return [
        Route("/admin/policies", endpoint(desk, administrator(show_policies)), methods=["GET"]),
        Route(_TAB, endpoint(desk, administrator(show_audit)), methods=["GET"]),
        Route(f"{_TAB}/verify", endpoint(desk, administrator(start_verification)), methods=["POST"]),
        Route(f"{_TAB}/progress", endpoint(desk, administrator(show_progress)), methods=["GET"]),
    ]


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class _Source:
    name: str
    lines: tuple[_Line, ...]
    named: tuple[tuple[str, int], ...]


async def show_policies(visit: Visit) -> Response:
    """Show the set in force, line by line, and why a newer one was not taken."""
    overview = visit.desk.services.policies.overview()
    return visit.show(
        "admin_policies.html",
        Page(section="admin", tab="/admin/policies"),
        overview=overview,
        files=[_source(file) for file in overview.files],
    )


async def show_audit(visit: Visit) -> Response:
    """Show how far the journal got and what the last verification found."""
    run = visit.desk.services.audit.verification()
    is_running = run is not None and run.finished_at is None
    return visit.show(
        "admin_audit.html",
        Page(section="admin", tab=_TAB, scripts=HTMX if is_running else ()),
        journal=visit.desk.services.audit.overview(),
        verification=run,
        is_running=is_running,
    )


async def start_verification(visit: Visit) -> Response:
    """Begin to verify the journal."""
    await own_form(visit)
    visit.desk.services.audit.start_verification()
    return see_other(_TAB)


async def show_progress(visit: Visit) -> Response:
    """Render how far a verification got, for the page that waits for it."""
    completed = visit.completed(Page())
    page = Page(csrf=completed.csrf, nonce=completed.nonce, zone=completed.zone)
    body = visit.desk.pages.render(
        "verification.html", page, verification=visit.desk.services.audit.verification(), now=visit.now
    )
    # The nonce of the fragment is told here; htmx puts the page's own in its place, and trusts no other.
    policy = f"script-src 'nonce-{page.nonce}'; {NOTHING_POLICY}"
    return HTMLResponse(body, headers={"cache-control": "no-store", "content-security-policy": policy})


def _source(file: PolicyFile) -> _Source:
    begins = {line: policy_id for policy_id, line in reversed(file.named)}
    lines = tuple(
        _Line(text, anchor(begins[number]) if number in begins else "")
        for number, text in enumerate(file.text.splitlines(), start=1)
    )
    return _Source(file.name, lines, file.named)
