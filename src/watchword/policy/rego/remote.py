"""Ask an Open Policy Agent over its Data API, and keep what it says for the decision that asked.

The decision procedure waits for nothing. So it runs, says what it would have to ask, is told the answers, and runs
again: `settle` does that. An answer is good for the very document it was given to, and for one decision.
Source: OPA's REST API, "Data API", "Get a Document (with Input)".
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from watchword.policy.rego.model import Outcome, Package, Said, Stand, read
from watchword.policy.rego.settings import OpaSettings

T = TypeVar("T")
_MOST_ROUNDS: Final = 4
_REMEMBERED: Final = 1024
_REMEMBER_S: Final = 2.0
_LONGEST_TOKEN: Final = 8192
_OK: Final = 200
_CODES: Final = {"eval_builtin_error": "rego_builtin_error", "eval_conflict_error": "rego_conflict"}
_WORDS: Final = {
    "rego_builtin_error": "a builtin failed; without `strict_builtin_errors` the expression would be undefined",
    "rego_conflict": "two rules give different values to one name",
}


class RemoteError(Exception):
    """The server gave no answer that counts."""

    def __init__(self, code: str, words: str) -> None:
        self.code = code
        super().__init__(words)


class RemoteOpa:
    """An Open Policy Agent elsewhere.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, settings: OpaSettings, *, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._pool = Connections(settings)
        self._threads = ThreadPoolExecutor(settings.connections, thread_name_prefix="opa")
        self._free = asyncio.Semaphore(settings.connections)
        names = sorted({rule.rpartition(".")[0] for rule in settings.rules})
        self.packages = tuple(
            Package(name, "", 0, tuple(ask for ask in ("allow", "deny") if f"{name}.{ask}" in settings.rules))
            for name in names
        )
        self._known: Mapping[str, tuple[Said, ...]] | None = None
        self._wanted: list[str] = []
        self._heard: OrderedDict[str, tuple[float, tuple[Said, ...]]] = OrderedDict()

    def say(self, document: Mapping[str, Any]) -> tuple[Said, ...]:
        """Return what was said to a document; a denial, and a note to ask, where nothing was."""
        key = json.dumps(document, sort_keys=True)
        if self._known is None:
            at, said = self._heard.get(key, (float("-inf"), ()))
            return said if said and self._clock() - at <= _REMEMBER_S else self._unasked()
        self._wanted.append(key)
        return self._known.get(key) or self._unasked()

    async def settle(self, decide: Callable[[], T]) -> T:
        """Decide, ask what the decision would have to know, and decide again, until nothing is left to ask.

        Args:
            decide: synchronous, and free to run several times; its last answer counts. Should it ask something new
                every time, the last answer is one that was not told everything, and so denies.
        """
        known: dict[str, tuple[Said, ...]] = {}
        for _ in range(_MOST_ROUNDS):
            # INVARIANT: nothing else runs between here and the end of `decide`, so these two are its own.
            self._known, self._wanted = known, []
            try:
                decided = decide()
            finally:
                wanted, self._known, self._wanted = self._wanted, None, []
            fresh = [key for key in dict.fromkeys(wanted) if key not in known]
            if not fresh:
                break
            for key, said in zip(fresh, await asyncio.gather(*map(self._ask, fresh)), strict=True):
                known[key] = said
                self._remember(key, said)
        return decided

    def close(self) -> None:
        """End every connection."""
        self._pool.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _unasked(self) -> tuple[Said, ...]:
        words = "the policy server was not asked about this"
        return tuple(_failed(package, "rego_unasked", words) for package in self.packages)

    def _remember(self, key: str, said: tuple[Said, ...]) -> None:
        self._heard.pop(key, None)
        while len(self._heard) >= _REMEMBERED:
            self._heard.popitem(last=False)
        self._heard[key] = (self._clock(), said)

    async def _ask(self, key: str) -> tuple[Said, ...]:
        body = f'{{"input":{key}}}'.encode()
        rules = [(package.name, ask) for package in self.packages for ask in package.asks]
        found = await asyncio.gather(*(self._outcome(name, ask, body) for name, ask in rules))
        outcomes = dict(zip(rules, found, strict=True))
        return tuple(self._said(package, outcomes) for package in self.packages)

    def _said(self, package: Package, outcomes: Mapping[tuple[str, str], Outcome | RemoteError]) -> Said:
        found: dict[str, Outcome] = {}
        for ask in package.asks:
            outcome = outcomes[package.name, ask]
            if isinstance(outcome, RemoteError):
                return _failed(package, outcome.code, str(outcome))
            found[ask] = outcome
        return read(package, found)

    async def _outcome(self, package: str, ask: str, body: bytes) -> Outcome | RemoteError:
        """Put one question with one deadline over everything: waiting for a turn, connecting, sending, reading."""
        call = Call(self._pool, self._settings, f"{package}.{ask}", body)
        within_s = self._settings.timeout_ms / 1000
        try:
            async with asyncio.timeout(within_s), self._free:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, call.run)
        except TimeoutError:
            return RemoteError("rego_timeout", f"no answer within {self._settings.timeout_ms} ms")
        except RemoteError as error:
            return error
        except Exception as error:  # noqa: BLE001 (whatever fails while asking denies)
            return RemoteError("rego_unavailable", f"the policy server cannot be asked ({type(error).__name__})")
        finally:
            call.abort()


def _failed(package: Package, code: str, words: str) -> Said:
    return Said(package, Stand.FAILED, problem=f"{code}: `{package.name}`: {words}")


# ---- one question ----------------------------------------------------------------------------------------------------


class Call:
    """One question on its way, in a thread; another thread may abort it."""

    def __init__(self, pool: Connections, settings: OpaSettings, rule: str, body: bytes) -> None:
        self._pool, self._settings, self._body = pool, settings, body
        strict = "?strict-builtin-errors=true" if settings.strict_builtin_errors else ""
        self._path = f"/v1/data/{rule.replace('.', '/')}{strict}"
        self._connection: http.client.HTTPConnection | None = None
        self._is_aborted = False

    def abort(self) -> None:
        """Wake the thread from whatever it waits for. Prevents: a server that drips its answer and keeps a thread."""
        self._is_aborted = True
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def run(self) -> Outcome:
        """Ask, once more if a connection that was kept open turns out to be closed.

        Raises:
            RemoteError, OSError, http.client.HTTPException: no answer that counts.
        """
        connection, was_kept = self._pool.take()
        try:
            return self._over(connection)
        except (http.client.RemoteDisconnected, ConnectionError):
            if not was_kept or self._is_aborted:
                raise
        return self._over(self._pool.fresh())

    def _over(self, connection: http.client.HTTPConnection) -> Outcome:
        self._connection = connection
        is_good = False
        try:
            connection.request("POST", self._path, self._body, self._headers())
            response = connection.getresponse()
            said = response.read(self._settings.answer_bytes + 1)
            if len(said) > self._settings.answer_bytes:
                raise RemoteError("rego_remote_error", "the answer of the policy server is too long")
            is_good = not response.will_close
            return _read(response.status, said)
        finally:
            self._connection = None
            if is_good and not self._is_aborted:
                self._pool.give(connection)
            else:
                connection.close()

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._settings.token_file:
            headers["Authorization"] = f"Bearer {_token(Path(self._settings.token_file))}"
        return headers


def _token(path: Path) -> str:
    """Read a token. Prevents: a line break in it that becomes a header of its own, and its text in an error."""
    try:
        with path.open("rb") as file:
            token = file.read(_LONGEST_TOKEN + 1).strip().decode("ascii")
    except (OSError, UnicodeDecodeError):
        raise RemoteError("rego_unavailable", "the token for the policy server cannot be read") from None
    if not token or len(token) > _LONGEST_TOKEN or not token.isprintable() or " " in token:
        raise RemoteError("rego_unavailable", "the token for the policy server is no bearer token")
    return token


def _read(status: int, said: bytes) -> Outcome:
    """Read what the Data API answered: `{"result": VALUE}`, `{}` for undefined, or an error document."""
    try:
        document = json.loads(said, object_pairs_hook=_no_twins)
    except (ValueError, RecursionError):
        raise RemoteError("rego_remote_error", f"status {status} with what is no JSON") from None
    if status != _OK:
        code = _code(document)
        raise RemoteError(code, _WORDS.get(code, f"the policy server answered with status {status}"))
    if not isinstance(document, dict):
        raise RemoteError("rego_remote_error", "the answer of the policy server is no object")
    return Outcome("value", document["result"]) if "result" in document else Outcome("undefined")


def _code(document: Any) -> str:
    errors = document.get("errors") if isinstance(document, dict) else None
    codes = [each.get("code") for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []
    return next((_CODES[code] for code in codes if isinstance(code, str) and code in _CODES), "rego_remote_error")


def _no_twins(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Prevents: an answer that says both, of which one is read."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


# ---- connections -----------------------------------------------------------------------------------------------------


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket file."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Connections:
    """Connections that are kept open between questions; as many as may be in use at once."""

    def __init__(self, settings: OpaSettings) -> None:
        self._url = settings.url
        self._timeout_s = settings.timeout_ms / 1000
        self._kept: LifoQueue[http.client.HTTPConnection] = LifoQueue(settings.connections)
        self._ca_file = settings.ca_file or None
        self._context: ssl.SSLContext | None = None
        self._is_closed = False

    def take(self) -> tuple[http.client.HTTPConnection, bool]:
        """Return a connection, and whether it was used before."""
        try:
            return self._kept.get_nowait(), True
        except Empty:
            return self.fresh(), False

    def fresh(self) -> http.client.HTTPConnection:
        """Return a connection that was never used."""
        if self._url.startswith("unix:"):
            return UnixConnection(self._url.removeprefix("unix:"), self._timeout_s)
        parts = urlsplit(self._url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            if self._context is None:
                self._context = ssl.create_default_context(cafile=self._ca_file)
            return http.client.HTTPSConnection(host, parts.port, timeout=self._timeout_s, context=self._context)
        return http.client.HTTPConnection(host, parts.port, timeout=self._timeout_s)

    def give(self, connection: http.client.HTTPConnection) -> None:
        """Take a connection back."""
        if self._is_closed or self._kept.full():
            connection.close()
        else:
            self._kept.put(connection)

    def close(self) -> None:
        """Close what is not in use; what is in use closes when it is given back."""
        self._is_closed = True
        with suppress(Empty):
            while True:
                self._kept.get_nowait().close()
