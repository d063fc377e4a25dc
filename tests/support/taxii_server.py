"""A TAXII 2.1 server in memory, right or wicked: discovery, one API root, collections, pages.

Source: TAXII Version 2.1 (OASIS Standard, 10 June 2021).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

MEDIA = "application/taxii+json;version=2.1"
COLLECTION = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"


@dataclass
class Taxii:
    """What the server holds, and how it behaves.

    Attributes:
        objects: when each was added, and the object.
        page: how many go into one envelope.
        authorization: the header that is asked for, if any.
        marks: how it marks the next page: by a `number`, by the `same` mark each time (as medallion 3.0.0 does), or
            not at all (``""``).
        twist: changes an answer before it is sent.
    """

    objects: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    page: int = 2
    authorization: str = ""
    marks: str = "number"
    twist: Callable[[str, dict[str, Any]], dict[str, Any]] = lambda _path, body: body
    media: str = MEDIA
    collections: Sequence[Mapping[str, Any]] = (
        {"id": COLLECTION, "title": "Indicators", "can_read": True, "can_write": False},
        {"id": "00000000-0000-0000-0000-000000000000", "title": "Secret", "can_read": False, "can_write": False},
    )

    _position: int = 0

    def add(self, at: str, *objects: Mapping[str, Any]) -> None:
        self.objects += [(at, each) for each in objects]

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        headers: dict[str, str] = {}
        if self.authorization and request.headers.get("Authorization") != self.authorization:
            status, body = 401, {"title": "unauthorized"}
        elif request.headers.get("Accept") != MEDIA:
            status, body = 406, {"title": "not acceptable"}
        else:
            status, body = 200, self._body(parts.path, parse_qs(parts.query), headers)
        if body is None:
            status, body = 404, {"title": "no such thing"}
        content = json.dumps(self.twist(parts.path, body)).encode()
        request.send_response(status)
        for name, value in ({"Content-Type": self.media, "Content-Length": str(len(content))} | headers).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(content)

    def _body(self, path: str, query: Mapping[str, list[str]], headers: dict[str, str]) -> dict[str, Any] | None:
        match path:
            case "/taxii2/":
                return {"title": "Test", "default": "/api/", "api_roots": ["/api/"]}
            case "/api/":
                return {"title": "Root", "versions": [MEDIA], "max_content_length": 1 << 20}
            case "/api/collections/":
                return {"collections": list(self.collections)}
            case path if path == f"/api/collections/{COLLECTION}/":
                return dict(self.collections[0])
            case path if path == f"/api/collections/{COLLECTION}/objects/":
                return self._envelope(query, headers)
        return None

    def _envelope(self, query: Mapping[str, list[str]], headers: dict[str, str]) -> dict[str, Any]:
        after = query.get("added_after", [""])[0]
        found = sorted((each for each in self.objects if each[0] > after), key=lambda each: each[0])
        mark = query.get("next", ["0"])[0]
        begin = self._position if mark == "session" else int(mark)
        shown = found[begin : begin + self.page]
        if not shown:
            return {}
        headers["X-TAXII-Date-Added-First"], headers["X-TAXII-Date-Added-Last"] = shown[0][0], shown[-1][0]
        more = begin + self.page < len(found)
        envelope: dict[str, Any] = {"more": more, "objects": [each for _, each in shown]}
        self._position = begin + self.page
        if more and self.marks:
            envelope["next"] = "session" if self.marks == "same" else str(self._position)
        return envelope
