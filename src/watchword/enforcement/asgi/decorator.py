"""The decorator: what one handler asks for beyond being reached."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from datetime import timedelta
from typing import Any, Final, ParamSpec, TypeVar, cast

from watchword.enforcement.asgi.context import Visit, visit
from watchword.enforcement.asgi.errors import InvalidAssertionError
from watchword.enforcement.asgi.refusals import (
    Refusal,
    permission_missing,
    send_refusal,
    step_up,
    trust_too_low,
)
from watchword.kernel import Acr

P = ParamSpec("P")
R = TypeVar("R")
_MAX_TRUST: Final = 100


def verify(
    *,
    permissions: Sequence[str] = (),
    max_age: float | timedelta | None = None,
    min_trust: int | None = None,
    acr: Acr | str = Acr.NONE,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a handler run only for a request that has what it asks for.

    Works on Starlette and FastAPI handlers (plain or async, HTTP or WebSocket) and on ASGI callables, below
    `WatchwordMiddleware`; without it the handler never runs. Put it next to the function, below a router's decorator.

    Args:
        permissions: all are needed.
        max_age: seconds since the person last proved who they are, at most.
        min_trust: trust score, 0 to 100, at least; a request without a score has none.
        acr: how strongly they must have signed in, at least.

    Raises:
        ValueError: at decoration, if an argument makes no sense; a wrong guard must not start.
    """
    seconds = max_age.total_seconds() if isinstance(max_age, timedelta) else max_age
    if isinstance(permissions, str):
        raise ValueError("`permissions` is a list, not one string")  # noqa: TRY004  # one kind of error for callers
    if (seconds is not None and seconds < 0) or (min_trust is not None and not 0 <= min_trust <= _MAX_TRUST):
        raise ValueError("`max_age` is not negative and `min_trust` lies between 0 and 100")
    demand = _Demand(tuple(permissions), seconds, min_trust, Acr(acr))
    return functools.partial(_guard, demand)


class _Demand:
    """What a handler asks for, and the judgement of a visit against it."""

    __slots__ = ("_acr", "_max_age_s", "_min_trust", "_permissions")

    def __init__(self, permissions: tuple[str, ...], max_age_s: float | None, min_trust: int | None, acr: Acr) -> None:
        self._permissions = permissions
        self._max_age_s = max_age_s
        self._min_trust = min_trust
        self._acr = acr

    def judge(self, here: Visit) -> Refusal | None:
        """Return the refusal, or nothing; permissions first, because no step-up would help there."""
        assertion = here.assertion
        missing = [name for name in self._permissions if name not in assertion.permissions]
        if missing:
            return permission_missing(missing, assertion.decision_id)
        age_s = (here.clock.now() - assertion.last_active_at).total_seconds()
        is_stale = self._max_age_s is not None and age_s > self._max_age_s
        if is_stale or assertion.acr.strength < self._acr.strength:
            max_age_s = None if self._max_age_s is None else int(self._max_age_s)
            return step_up(max(self._acr, assertion.acr, key=_strength), max_age_s, assertion.decision_id)
        if self._min_trust is not None and (assertion.trust is None or assertion.trust < self._min_trust):
            return trust_too_low(assertion.decision_id)
        return None


def _strength(acr: Acr) -> int:
    return acr.strength


def _guard(demand: _Demand, handler: Callable[..., Any]) -> Callable[..., Any]:
    if _is_async(handler):

        @functools.wraps(handler)
        async def guarded(*args: Any, **kwargs: Any) -> Any:
            here = _here()
            refusal = demand.judge(here)
            if refusal is None:
                return await cast("Awaitable[Any]", handler(*args, **kwargs))
            return await _refuse(refusal, here, args)

        return guarded

    @functools.wraps(handler)
    def guarded_plainly(*args: Any, **kwargs: Any) -> Any:
        here = _here()
        refusal = demand.judge(here)
        return handler(*args, **kwargs) if refusal is None else _response(refusal, here)

    return guarded_plainly


def _is_async(handler: Callable[..., Any]) -> bool:
    inner = inspect.unwrap(handler)
    while isinstance(inner, functools.partial):
        inner = inner.func
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(getattr(inner, "__call__", None))  # noqa: B004  # asks what calling yields


def _here() -> Visit:
    here = visit.get()
    if here is None:
        # Prevents: a guard that lets everybody in because the middleware was forgotten.
        raise InvalidAssertionError("no assertion was verified", hint="wrap the application in WatchwordMiddleware")
    return here


async def _refuse(refusal: Refusal, here: Visit, args: tuple[Any, ...]) -> Any:
    """Answer by hand where the handler itself would have: an ASGI callable, a WebSocket. Otherwise give a response."""
    is_asgi = len(args) >= 3 and isinstance(args[-3], MutableMapping) and callable(args[-1])  # noqa: PLR2004  # scope, receive, send
    if is_asgi or here.scope["type"] == "websocket":
        here.own_answers.append(refusal.render(here.scope, here.issuer)[1])
        await send_refusal(refusal, here.scope, args[-1] if is_asgi else here.send, issuer=here.issuer)
        return None
    return _response(refusal, here)


def _response(refusal: Refusal, here: Visit) -> Any:
    """Return a response of the framework that calls; it is loaded already, or nobody could have called."""
    headers, body = refusal.render(here.scope, here.issuer)
    here.own_answers.append(body)
    responses = sys.modules.get("starlette.responses")
    if responses is None:
        raise InvalidAssertionError(refusal.words)
    response = responses.Response(body, status_code=refusal.status)
    response.raw_headers = headers
    return response
