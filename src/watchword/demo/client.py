"""A scripted browser: cookies by host, forms by their fields, and an address of its choice.

The address is real to the product: it comes in a PROXY protocol header on the listener that a load balancer would
use, which only the operator can open.
Source: the PROXY protocol, version 1 (HAProxy, doc/proxy-protocol.txt section 2.1).
"""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode, urljoin, urlsplit

from websockets.sync.client import ClientConnection, connect

_TIMEOUT_S = 20.0
_HOPS = 10
_AGENT = "Mozilla/5.0 (X11; Linux x86_64) WatchwordDemo/1.0"


@dataclass
class Page:
    """What came back."""

    url: str
    status: int
    headers: list[tuple[str, str]]
    text: str

    def header(self, name: str) -> str | None:
        """Return the first header of a name."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    def forms(self) -> list[Form]:
        """Return every form."""
        parser = _Forms()
        parser.feed(self.text)
        return parser.forms

    def form(self, action: str | None = None) -> Form:
        """Return the form that posts to an address which ends so, or the first form.

        Raises:
            LookupError: there is none.
        """
        for form in self.forms():
            if action is None or urlsplit(form.action).path.endswith(action):
                return form
        raise LookupError(f"no form for {action or 'anything'} on {urlsplit(self.url).path} ({self.status})")


@dataclass
class Form:
    """A form and the values its hidden and preset fields have."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self.forms.append(Form(values.get("action") or "", (values.get("method") or "get").lower()))
        elif tag in {"input", "button"} and self.forms and values.get("name"):
            kind = values.get("type") or "text"
            if kind == "hidden":
                self.forms[-1].fields[str(values["name"])] = values.get("value") or ""


class Browser:
    """One person's browser at one place.

    Args:
        port: the listener that speaks PROXY protocol.
        authority: the certificate of the local CA.
        ip: where it pretends to be; change it to travel.
    """

    def __init__(self, port: int, authority: Path, ip: str) -> None:
        self._port = port
        self._tls = ssl.create_default_context(cafile=str(authority))
        self.ip = ip
        self.cookies: dict[str, dict[str, str]] = {}

    def travel(self, ip: str) -> None:
        """Be somewhere else from the next request on."""
        self.ip = ip

    def clone(self, *, without: str = "") -> Browser:
        """Copy the cookies into another browser, leaving out those whose name holds `without`: a thief's copy."""
        other = Browser.__new__(Browser)
        other.__dict__.update(self.__dict__)
        other.cookies = {
            host: {name: value for name, value in jar.items() if not without or without not in name}
            for host, jar in self.cookies.items()
        }
        return other

    def get(self, url: str, *, follow: bool = True, accept: str = "text/html") -> Page:
        """Fetch a page, following redirects."""
        page = self._request("GET", url, None, accept)
        hops = 0
        while follow and page.status in {301, 302, 303, 307} and hops < _HOPS:
            page = self._request("GET", urljoin(page.url, page.header("location") or ""), None, accept)
            hops += 1
        return page

    def submit(self, page: Page, action: str | None = None, **values: str) -> Page:
        """Fill in a form of the page and send it, following redirects."""
        return self.submit_form(page, page.form(action), **values)

    def submit_form(self, page: Page, form: Form, **values: str) -> Page:
        """Fill in one form and send it, following redirects."""
        url = urljoin(page.url, form.action)
        answer = self._request("POST", url, urlencode(form.fields | values).encode(), "text/html", origin=page.url)
        if answer.status in {301, 302, 303}:
            return self.get(urljoin(answer.url, answer.header("location") or ""))
        return answer

    def websocket(self, url: str) -> ClientConnection:
        """Open a WebSocket with this browser's cookies."""
        host = urlsplit(url).hostname or ""
        return connect(
            url,
            sock=self._socket(),
            ssl=self._tls,
            server_hostname=host,
            additional_headers={"Cookie": self._cookie_header(host), "User-Agent": _AGENT},
            origin=None,
            open_timeout=_TIMEOUT_S,
            proxy=None,
        )

    def _request(self, method: str, url: str, body: bytes | None, accept: str, *, origin: str = "") -> Page:
        parts = urlsplit(url)
        host = parts.hostname or ""
        headers = {
            "Accept": accept,
            "User-Agent": _AGENT,
            "Sec-Fetch-Mode": "navigate" if "html" in accept else "cors",
            "Sec-Fetch-Site": "same-origin" if origin else "none",
        }
        if cookie := self._cookie_header(host):
            headers["Cookie"] = cookie
        if body is not None:
            source = urlsplit(origin)
            headers |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "Origin": f"{source.scheme}://{source.netloc}",
            }
        connection = http.client.HTTPConnection(host, parts.port, timeout=_TIMEOUT_S)
        response = None
        raw = self._socket()
        try:
            connection.sock = self._tls.wrap_socket(raw, server_hostname=host)
            connection.request(method, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
            page = Page(url, response.status, response.getheaders(), text)
        finally:
            # An answer that was cut off holds the socket open by itself.
            if response is not None:
                response.close()
            connection.close()
            raw.close()
        self._keep_cookies(host, page)
        return page

    def _socket(self) -> socket.socket:
        raw = socket.create_connection(("127.0.0.1", self._port), timeout=_TIMEOUT_S)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.sendall(f"PROXY TCP4 {self.ip} 127.0.0.1 40000 {self._port}\r\n".encode())
        except OSError:
            raw.close()  # a listener that died between the two
            raise
        return raw

    def _cookie_header(self, host: str) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.get(host, {}).items())

    def _keep_cookies(self, host: str, page: Page) -> None:
        jar = self.cookies.setdefault(host, {})
        for key, line in page.headers:
            if key.lower() != "set-cookie":
                continue
            pair, *attributes = [part.strip() for part in line.split(";")]
            name, _, value = pair.partition("=")
            if not value or "max-age=0" in (attribute.lower() for attribute in attributes):
                jar.pop(name, None)
            else:
                jar[name] = value
