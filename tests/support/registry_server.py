"""A registry on 127.0.0.1: push and pull of the OCI distribution specification, tokens, and every way to be wicked."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

from bundle_server import BundleServer

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_MANIFEST = re.compile(r"/v2/([a-z0-9/_.-]+)/manifests/(.+)")
_BLOB = re.compile(r"/v2/([a-z0-9/_.-]+)/blobs/(sha256:[0-9a-f]{64})")


class Registry:
    """What one registry holds and wants; `answer` is what a `BundleServer` serves.

    Attributes:
        password: `user:password` to pull; nothing for everybody.
        tokens: it wants a token of its own token server, at `realm`, instead of the password itself.
        blobs_at: where blobs are redirected to; nothing to serve them.
        manifest_type: with which manifests are served.
    """

    def __init__(self, *, password: str = "", tokens: bool = False) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], bytes] = {}
        self.password, self.tokens, self.realm = password, tokens, ""
        self.blobs_at = ""
        self.manifest_type = MANIFEST_TYPE
        self.token_queries: list[dict[str, list[str]]] = []
        self.given = "an-opaque.token_1"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        if parts.path == "/token":
            self._token(request, parts.query)
        elif parts.path.startswith("/store/"):
            self._say(request, 200, self.blobs[parts.path.removeprefix("/store/")])
        elif self.password and not self._is_known(request):
            wanted = f'Bearer realm="{self.realm or self._own(request)}",service="own",scope="registry:catalog:*"'
            challenge = wanted if self.tokens else 'Basic realm="own"'
            self._say(request, 401, b"{}", {"WWW-Authenticate": challenge})
        elif found := _MANIFEST.fullmatch(parts.path):
            self._manifest(request, found[1], found[2])
        elif found := _BLOB.fullmatch(parts.path):
            self._blob(request, found[2])
        else:
            self._say(request, 404, b'{"errors":[]}')

    def _own(self, request: BaseHTTPRequestHandler) -> str:
        return f"http://{request.headers['Host']}/token"

    def _is_known(self, request: BaseHTTPRequestHandler) -> bool:
        return request.headers.get("Authorization") == (f"Bearer {self.given}" if self.tokens else basic(self.password))

    def _token(self, request: BaseHTTPRequestHandler, query: str) -> None:
        self.token_queries.append(parse_qs(query))
        if self.password and request.headers.get("Authorization") != basic(self.password):
            self._say(request, 401, b"{}")
            return
        self._say(request, 200, json.dumps({"token": self.given, "expires_in": 300}).encode())

    def _manifest(self, request: BaseHTTPRequestHandler, name: str, wanted: str) -> None:
        found = self.manifests.get((name, wanted))
        if found is None:
            self._say(request, 404, b'{"errors":[]}')
            return
        digest = f"sha256:{hashlib.sha256(found).hexdigest()}"
        if request.headers.get("If-None-Match") == f'"{digest}"':
            self._say(request, 304, b"")
            return
        self._say(
            request, 200, found, {"Content-Type": self.manifest_type, "Docker-Content-Digest": digest, "ETag": digest}
        )

    def _blob(self, request: BaseHTTPRequestHandler, digest: str) -> None:
        if digest not in self.blobs:
            self._say(request, 404, b"{}")
        elif self.blobs_at:
            self._say(request, 307, b"", {"Location": f"{self.blobs_at}/store/{digest}"})
        else:
            self._say(request, 200, self.blobs[digest])

    def _say(
        self, request: BaseHTTPRequestHandler, status: int, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        request.send_response(status)
        if status != 304:
            request.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    def put(self, layout: Mapping[str, bytes], name: str = "team/policies", tag: str = "production") -> str:
        """Hold a layout; return the digest of its manifest."""
        manifest, blobs = pushed_form(layout)
        self.blobs |= {f"sha256:{digest}": content for digest, content in blobs.items()}
        digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        self.manifests[name, tag] = self.manifests[name, digest] = manifest
        return digest


def serving(registry: Registry) -> BundleServer:
    return BundleServer(registry.answer, keeps_connections=True)


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(password.encode()).decode()


def pushed_form(layout: Mapping[str, bytes]) -> tuple[bytes, dict[str, bytes]]:
    """Return the manifest of a layout, and its blobs by digest."""
    digest = json.loads(layout["index.json"])["manifests"][0]["digest"].removeprefix("sha256:")
    blobs = {path.rpartition("/")[2]: content for path, content in layout.items() if path.startswith("blobs/")}
    return blobs.pop(digest), blobs


def push(origin: str, layout: Mapping[str, bytes], name: str, tag: str, *, password: str = "") -> None:
    """Push a layout to any registry, as the specification says: each blob in one piece, then the manifest."""
    known = {"Authorization": basic(password)} if password else {}

    def ask(method: str, url: str, body: bytes | None, kind: str) -> str:
        request = Request(url, data=body, method=method, headers={"Content-Type": kind, **known})  # noqa: S310  # our own
        with urlopen(request, timeout=20) as answer:  # noqa: S310  # as above
            return str(answer.headers.get("Location", ""))

    manifest, blobs = pushed_form(layout)
    for digest, content in blobs.items():
        place = ask("POST", f"{origin}/v2/{name}/blobs/uploads/", b"", "application/octet-stream")
        place = place if place.startswith("http") else origin + place
        joint = "&" if "?" in place else "?"
        ask("PUT", f"{place}{joint}digest=sha256:{digest}", content, "application/octet-stream")
    ask("PUT", f"{origin}/v2/{name}/manifests/{tag}", manifest, MANIFEST_TYPE)
