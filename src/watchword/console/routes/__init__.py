"""Put the routes together; the files of this folder are the only ones that know the web framework."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from watchword.console.desk import Desk
from watchword.console.routes import (
    account,
    crossing,
    decisions,
    home,
    invitation,
    people,
    policing,
    proof,
    relating,
    sign_in,
    system,
    verdicts,
)
from watchword.console.routes.gate import Gate
from watchword.console.routes.visit import Visit


def build(desk: Desk) -> ASGIApp:
    """Make the application that is served on the web socket."""
    rooms = (sign_in, invitation, home, account, decisions, people, proof, policing, relating, system, verdicts)
    portal = _application(desk, [route for room in rooms for route in room.routes(desk)])
    on_hosts = _application(desk, crossing.routes(desk))
    return Gate(desk, portal=portal, crossing=on_hosts)


def _application(desk: Desk, routes: list[Route]) -> Starlette:
    async def nothing_here(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        is_method = error.status_code == 405  # noqa: PLR2004  # RFC 9110
        response = Visit(desk, request).message(
            "That cannot be done here" if is_method else "There is nothing here",
            "The address does not take this kind of request."
            if is_method
            else "The address is wrong, or what it named is gone.",
            status=error.status_code,
            links=(("/", "To the start"),),
        )
        for name, value in (error.headers or {}).items():
            response.headers[name] = value
        return response

    app = Starlette(routes=[*routes, *system.static_routes(desk)], exception_handlers={HTTPException: nothing_here})
    # A path with a slash too many is another path, not a hint to redirect to one built from the Host header.
    app.router.redirect_slashes = False
    return app
