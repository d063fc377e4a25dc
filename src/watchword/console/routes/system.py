"""What programs read: keys, health, static files."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from watchword.console.assets import PREFIX
from watchword.console.desk import Desk
from watchword.console.pages import NOTHING_POLICY

_YEAR = "public, max-age=31536000, immutable"
_SERVICE_UNAVAILABLE = 503


def routes(desk: Desk) -> list[Route]:
    """Return the routes for programs on the portal."""

    async def jwks(_request: Request) -> Response:
        headers = {"cache-control": "public, max-age=60", "content-security-policy": NOTHING_POLICY}
        return JSONResponse(dict(desk.services.keys.jwks()), headers=headers, media_type="application/jwk-set+json")

    async def healthz(_request: Request) -> Response:
        try:
            parts = dict(await desk.services.health.parts())
        except Exception:  # noqa: BLE001  # not knowing is not being well
            parts = {"health": False}
        status = 200 if parts and all(parts.values()) else _SERVICE_UNAVAILABLE
        headers = {"cache-control": "no-store", "content-security-policy": NOTHING_POLICY}
        return JSONResponse({"status": "ok" if status == 200 else "failing", "parts": parts}, status, headers)  # noqa: PLR2004  # RFC 9110

    return [Route("/.well-known/jwks.json", jwks, methods=["GET"]), Route("/healthz", healthz, methods=["GET"])]


def static_routes(desk: Desk) -> list[Route]:
    """Return the static files, the same on every host."""

    async def static(request: Request) -> Response:
        # Prevents: path traversal. The name is looked up in a table of what was shipped; no file is opened.
        found = desk.assets.find(request.path_params["version"], request.path_params["name"])
        if found is None:
            return PlainTextResponse("not found", 404, {"content-security-policy": NOTHING_POLICY})
        asset, is_current = found
        return Response(
            asset.content,
            headers={
                "content-type": asset.content_type,
                "cache-control": _YEAR if is_current else "no-cache",
                "content-security-policy": NOTHING_POLICY,
            },
        )

    return [Route(f"{PREFIX}/{{version}}/{{name:path}}", static, methods=["GET"])]
