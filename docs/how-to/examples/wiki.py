"""A small application that trusts nobody but Watchword: it knows its visitors, and asks for more where it matters.

Start it from the clone: .venv/bin/python docs/how-to/examples/wiki.py
"""

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from watchword.enforcement.asgi import WatchwordMiddleware, current, verify


async def home(_request: Request) -> PlainTextResponse:
    """Greet whoever was let in."""
    visitor = current()
    return PlainTextResponse(f"Hello {visitor.display_name}, risk {visitor.risk}, decision {visitor.decision_id}\n")


@verify(permissions=["publish"], max_age=900, min_trust=40)
async def publish(_request: Request) -> PlainTextResponse:
    """Run only for somebody with the permission, who proved who they are in the last 15 minutes, with trust 40."""
    return PlainTextResponse("published\n")


app = Starlette(
    routes=[Route("/", home), Route("/publish", publish, methods=["POST", "GET"])],
    middleware=[
        Middleware(
            WatchwordMiddleware,
            audience="wiki",  # the application's name in watchword.toml
            issuer="https://watchword.localhost:8443",  # the portal
            jwks=".watchword/run/jwks.json",  # or the portal's /.well-known/jwks.json, with cafile=Path(...)
        )
    ],
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=8000)
