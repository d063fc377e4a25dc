"""The pages: each asks only who is here (`current`) and never how they signed in."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, Final

from jinja2 import Environment
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from watchword.enforcement.asgi import current, verify
from watchword.kernel import Clock
from watchword.sample.notebook import NOTES_EACH, TEXT_MAX, Feed, Happening, Notebook

_REPORTS_WITHIN: Final = timedelta(minutes=15)
_CHUNK_BYTES: Final = 262_144
_NAME_MAX: Final = 120


class Pages:
    """Every page of the application."""

    def __init__(self, templates: Environment, notebook: Notebook, feed: Feed, clock: Clock, issuer: str) -> None:
        self._templates = templates
        self._notebook = notebook
        self._feed = feed
        self._clock = clock
        self._issuer = issuer
        templates.filters["moment"] = _moment

    async def notes(self, _request: Request) -> Response:
        """Show the visitor's own notes."""
        return self._show("notes.html", notes=self._notebook.of(current().subject), error="", draft="")

    async def add(self, request: Request) -> Response:
        """Write a note."""
        here = current()
        async with request.form(max_files=0, max_fields=4) as form:
            text = form.get("text")
        try:
            self._notebook.add(here.subject, here.name, text if isinstance(text, str) else "", now=self._clock.now())
        except ValueError:
            return self._show(
                "notes.html",
                status=422,
                notes=self._notebook.of(here.subject),
                error=f"A note needs at least one character and at most {TEXT_MAX:,}.",
                draft=text if isinstance(text, str) else "",
            )
        self._feed.publish(Happening(self._clock.now(), here.display_name, "wrote a note"))
        return RedirectResponse("/", 303)

    @verify(permissions=["delete"])
    async def remove(self, request: Request) -> Response:
        """Tear out one of the visitor's own notes."""
        here = current()
        if self._notebook.remove(here.subject, request.path_params["number"]):
            self._feed.publish(Happening(self._clock.now(), here.display_name, "tore out a note"))
        return RedirectResponse("/", 303)

    async def why(self, _request: Request) -> Response:
        """Show everything that Watchword told this application about the visit."""
        return self._show("why.html", decision_url=f"{self._issuer}/decisions/{current().decision_id}")

    async def live(self, _request: Request) -> Response:
        """Show the WebSocket page."""
        return self._show("live.html", recent=self._feed.recent)

    async def feed(self, _request: Request) -> Response:
        """Show the event-stream page."""
        return self._show("feed.html", recent=self._feed.recent)

    async def upload(self, _request: Request) -> Response:
        """Show the upload form."""
        return self._show("upload.html", received=None, error="")

    async def receive(self, request: Request) -> Response:
        """Take a file, say what arrived, keep nothing."""
        async with request.form(max_files=1, max_fields=2) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile) or not file.filename:
                return self._show("upload.html", status=422, received=None, error="Choose a file first.")
            digest, size = hashlib.sha256(), 0
            while chunk := await file.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
            received = {"name": file.filename[:_NAME_MAX], "size": size, "sha256": digest.hexdigest()}
        self._feed.publish(Happening(self._clock.now(), current().display_name, f"uploaded {size:,} bytes"))
        return self._show("upload.html", received=received, error="")

    @verify(permissions=["reports"], max_age=_REPORTS_WITHIN)
    async def reports(self, _request: Request) -> Response:
        """Show figures, to those whom the policy gives `reports` and who proved themselves lately."""
        return self._show("reports.html", writers=self._notebook.writers(), listeners=self._feed.listeners)

    async def admin(self, _request: Request) -> Response:
        """Show everybody's numbers; who may come here is the policy's business, not this application's."""
        return self._show("admin.html", writers=self._notebook.writers(), listeners=self._feed.listeners)

    async def missing(self, _request: Request, _error: Exception) -> Response:
        """Say that there is no such page."""
        return self._show("missing.html", status=404)

    def _show(self, template: str, *, status: int = 200, **values: Any) -> Response:
        here = current()
        page = self._templates.get_template(template).render(
            here=here, portal=self._issuer, text_max=TEXT_MAX, notes_each=NOTES_EACH, **values
        )
        return HTMLResponse(page, status, headers={"cache-control": "no-store"})


def _moment(at: datetime) -> str:
    return at.strftime("%d %B %Y, %H:%M UTC").lstrip("0")
