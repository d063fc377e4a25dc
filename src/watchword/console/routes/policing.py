"""The administration's view of policies that only watch, and of the API for enforcement points that are not ours."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from watchword.console.desk import Desk
from watchword.console.pages import Page
from watchword.console.policy_ports import AuthzenOverview
from watchword.console.routes.endpoint import administrator, endpoint
from watchword.console.routes.visit import Visit


def routes(desk: Desk) -> list[Route]:
    """Return the routes of candidates and AuthZEN."""
    return [
        Route("/admin/candidates", endpoint(desk, administrator(show_candidates)), methods=["GET"]),
        Route("/admin/authzen", endpoint(desk, administrator(show_authzen)), methods=["GET"]),
    ]


async def show_candidates(visit: Visit) -> Response:
    """Show what watches beside the policies in force, and what it would have changed so far."""
    overview = visit.desk.services.policies.overview()
    people = {user.id: user.name for user in await visit.desk.services.identity.reader.users()}
    return visit.show(
        "admin_candidates.html",
        Page(section="admin", tab="/admin/candidates"),
        watching=overview.watching,
        people=people,
    )


async def show_authzen(visit: Visit) -> Response:
    """Show whether the API is on, who may ask, and what was answered last."""
    status = visit.desk.services.authzen
    overview = status.overview() if status is not None else AuthzenOverview(is_on=False, address="")
    return visit.show("admin_authzen.html", Page(section="admin", tab="/admin/authzen"), overview=overview)
