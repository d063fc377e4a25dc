"""What every HTTP door does: read the request, ask the decision point, render the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

from watchword.decision import AccessRequest, Decision
from watchword.enforcement.answers import STATE_COOKIE, Answers, Asker, Header, HttpAnswer, read_cookies
from watchword.enforcement.assertion import AssertionMinter
from watchword.enforcement.bodies import FILTER_HEADER, filter_header, merged_rules
from watchword.enforcement.leases import LeaseDesk
from watchword.kernel import Answer

SESSION_COOKIE: Final = "__Host-ww-session"
DEVICE_COOKIE: Final = "__Host-ww-device"
_COOKIES: Final = {SESSION_COOKIE: "session", DEVICE_COOKIE: "device", STATE_COOKIE: "state"}
_OURS: Final = "__Host-ww-"
_MAX_HANDLE: Final = 200
_LONGEST_REMEMBERED: Final = 2048

ASSERTION_HEADER: Final = b"x-watchword-assertion"
DECISION_HEADER: Final = b"x-watchword-decision"
SESSION_HEADER: Final = b"x-watchword-session"
_FILTER: Final = FILTER_HEADER.encode()
# Set by our edge on routes whose answers may be long: there the stream will ask for its kill handle.
STREAM_HEADER: Final = b"x-watchword-stream"
_BROKEN: Final = HttpAnswer(500, ())


class DecisionPoint(Protocol):
    """Answers requests; never raises, and denies when it cannot do its work."""

    def release(self, request: AccessRequest, told: Callable[[Decision], None]) -> None:
        """Decide, journal, and tell once, now or later, from the event loop."""
        ...


class Door:
    """Carry one request from headers to an answer; shared by ext_authz and forward auth.

    Args:
        identity_headers: for an application, the plain headers it wants: header name to claim.
        leases: may let the edge give an allow again by itself; nothing where the door's proxy cannot.
        admitted: told of each allowed decision about a stream, so that its kill handle can be matched to it.
        reduces: tells of an application whether this door reduces its answers; nothing where the door cannot.
    """

    def __init__(
        self,
        point: DecisionPoint,
        answers: Answers,
        minter: AssertionMinter,
        *,
        identity_headers: Callable[[str], dict[str, str]],
        admitted: Callable[[Decision], None],
        reduces: Callable[[str], bool] | None = None,
        leases: LeaseDesk | None = None,
    ) -> None:
        self._point = point
        self._answers = answers
        self._minter = minter
        self._identity_headers = identity_headers
        self._admitted = admitted
        self._reduces = reduces
        self._leases = leases

    async def answer(
        self, *, method: str, host: str, target: str, client_ip: str, headers: dict[bytes, bytes]
    ) -> HttpAnswer:
        """Decide one request and wait for the answer; the arguments are those of `ask`."""
        waiting: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()

        def reply(answer: HttpAnswer) -> None:
            if not waiting.done():  # whoever waited was cancelled
                waiting.set_result(answer)

        self.ask(method=method, host=host, target=target, client_ip=client_ip, headers=headers, reply=reply)
        return await waiting

    def ask(
        self,
        *,
        method: str,
        host: str,
        target: str,
        client_ip: str,
        headers: dict[bytes, bytes],
        reply: Callable[[HttpAnswer], None],
    ) -> None:
        """Decide one request, and reply once, now or later, from the event loop.

        Args:
            host: authority as the client sent it, port included.
            target: path and query after the one normalisation.
            headers: lower-case names; doubled headers joined as RFC 9110 section 5.2 says (cookies with `; `).
            reply: must not raise.
        """
        cookies = _cookies(headers.get(b"cookie", b""))
        path, _, _ = target.partition("?")
        request = AccessRequest(
            method=method,
            host=_without_port(host),
            path=path,
            client_ip=client_ip,
            user_agent=headers.get(b"user-agent", b"").decode("latin-1"),
            session_handle=cookies.session,
            device_handle=cookies.device,
            # Prevents: a POST that calls itself a WebSocket and is judged as one.
            is_upgrade=method == "GET" and headers.get(b"upgrade", b"").lower() == b"websocket",
            filters_bodies=self._reduces is not None,
        )

        def told(decision: Decision) -> None:
            try:
                answer = self._render(decision, cookies, request, f"https://{host}{target}", headers)
                if self._leases is not None and decision.repeats is not None:
                    answer = self._leased(answer, decision, method, target, headers)
            except Exception as error:  # noqa: BLE001  # whatever fails here must still end in an answer that denies
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "a decision could not be turned into an answer", "exception": error}
                )
                answer = _BROKEN
            reply(answer)

        self._point.release(request, told)

    def _render(
        self, decision: Decision, cookies: _Cookies, request: AccessRequest, url: str, headers: dict[bytes, bytes]
    ) -> HttpAnswer:
        if decision.answer is Answer.ALLOW and decision.permit is not None:
            if STREAM_HEADER in headers:
                self._admitted(decision)
            return self._admit(decision, cookies, is_stream=STREAM_HEADER in headers)
        return self._answers.refuse(
            decision,
            Asker(
                url=url,
                is_browser=_navigates(headers) and not request.is_upgrade,
                can_return=request.method in {"GET", "HEAD"},
                state=cookies.state,
            ),
        )

    def _leased(
        self, answer: HttpAnswer, decision: Decision, method: str, target: str, headers: dict[bytes, bytes]
    ) -> HttpAnswer:
        assert self._leases is not None
        lease = self._leases.offer(decision, method=method, target=target, headers=headers, told=answer.headers)
        return answer if lease is None else HttpAnswer(answer.status, (*answer.headers, lease))

    def _admit(self, decision: Decision, cookies: _Cookies, *, is_stream: bool) -> HttpAnswer:
        headers: list[Header] = [(DECISION_HEADER, decision.id.encode())]
        if decision.user is not None and decision.session is not None:
            headers.append((ASSERTION_HEADER, self._minter.mint(decision).encode()))
            if is_stream:
                headers.append((SESSION_HEADER, decision.session.id.encode()))
            for name, claim in self._identity_headers(decision.application or "").items():
                headers.append((name.lower().encode(), _claim(decision, claim)))
        if decision.obligations and self._reduces is not None and self._reduces(decision.application or ""):
            rules = merged_rules(decision.obligations)
            if rules is not None:
                headers.append((_FILTER, filter_header(rules)))
        if cookies.left is not None:
            headers.append(cookies.left)
        return HttpAnswer(200, tuple(headers))


@dataclass(frozen=True, slots=True)
class _Cookies:
    """What a cookie header holds for us, and the header that says what it holds for the application."""

    session: str | None = None
    device: str | None = None
    state: str | None = None
    left: Header | None = None


def _cookies(header: bytes) -> _Cookies:
    # Prevents: huge headers, each sent once, filling the memory of those that are remembered.
    return _read_cookies(header) if len(header) > _LONGEST_REMEMBERED else _remembered_cookies(header)


def _read_cookies(header: bytes) -> _Cookies:
    if not header:
        return _Cookies()
    text = header.decode("latin-1")
    found = read_cookies(text, _COOKIES)
    # Prevents: an application that learns the handle of a session it has no business with. What is left is named
    # even where nothing was taken away: a proxy that replaces the header needs to be told what to replace it by.
    rest = "; ".join(pair.strip() for pair in text.split(";") if not pair.strip().startswith(_OURS))
    left = (b"cookie", rest.encode("latin-1")) if rest else (b"x-envoy-auth-headers-to-remove", b"cookie")
    return _Cookies(_bounded(found.get("session")), _bounded(found.get("device")), found.get("state"), left)


# A browser sends the same header with each request of a page.
_remembered_cookies = lru_cache(maxsize=2048)(_read_cookies)


def join_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Fold doubled headers into one each."""
    joined: dict[bytes, bytes] = {}
    for name, value in raw:
        join_header(joined, name, value)
    return joined


def join_header(joined: dict[bytes, bytes], name: bytes, value: bytes) -> None:
    """Take one more header, by its name in small letters, to those before it."""
    if name in joined:
        joined[name] += (b"; " if name == b"cookie" else b", ") + value
    else:
        joined[name] = value


def _navigates(headers: dict[bytes, bytes]) -> bool:
    mode = headers.get(b"sec-fetch-mode")
    if mode is not None:
        return mode == b"navigate"
    return b"text/html" in headers.get(b"accept", b"")


def _without_port(authority: str) -> str:
    host, colon, port = authority.rpartition(":")
    return host if colon and port.isascii() and port.isdigit() else authority


def _bounded(handle: str | None) -> str | None:
    return handle if handle is not None and 0 < len(handle) <= _MAX_HANDLE else None


def _claim(decision: Decision, claim: str) -> bytes:
    """Render one claim for a plain header: UTF-8, with percent-encoding for whatever a header cannot carry faithfully.

    That is what could end it or start another, blanks at its ends, which HTTP drops, and `%` itself, so that each text
    has one spelling; in a list of groups, the comma.
    """
    user = decision.user
    assert user is not None
    values = {
        "sub": str(user.id),
        "name": user.name,
        "display_name": user.display_name,
        "email": user.email or "",
    }
    if claim == "groups":
        return b",".join(sorted(_faithful(group).replace(b",", b"%2C") for group in user.groups))
    return _faithful(values[claim])


def _faithful(text: str) -> bytes:
    inner = text.strip(" ")
    start, end = text.partition(inner)[::2] if inner else (text, "")
    escaped = "".join(c if c.isprintable() and c != "%" else _escape(c) for c in inner)
    return (_escape(start) + escaped + _escape(end)).encode()


def _escape(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())
