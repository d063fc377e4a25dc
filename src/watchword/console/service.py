"""Make the console from what `app.py` brings."""

from __future__ import annotations

from starlette.types import ASGIApp

from watchword.console.assets import Assets
from watchword.console.desk import Desk, Services
from watchword.console.pages import Pages
from watchword.console.routes import build
from watchword.console.settings import ConsoleSettings
from watchword.kernel import Entropy


def create_console(services: Services, settings: ConsoleSettings, *, entropy: Entropy) -> ASGIApp:
    """Make the ASGI application that is served on the web socket.

    It answers on the portal's host and, for `/.watchword/*`, on the hosts of published applications; it must be
    reachable through the edge alone, which sets `x-watchword-client-ip`.
    """
    assets = Assets()
    return build(Desk(services, settings, assets, Pages(assets, entropy)))
