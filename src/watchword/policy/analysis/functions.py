"""Addresses, decimals, times and spans as terms of a solver: whole numbers, as the evaluator holds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import z3

from watchword.policy.analysis.symbols import FALSE, IP, TRUE, V4, V6, Sym, ip_term
from watchword.policy.errors import MalformedValueError
from watchword.policy.extension import LONG_MAX, LONG_MIN, Ip, decimal, duration, instant, ip
from watchword.policy.schema import Scalar

_DAY_MS = 86_400_000
_LOOPBACK = (ip("127.0.0.0/8"), ip("::1/128"))
_MULTICAST = (ip("224.0.0.0/4"), ip("ff00::/8"))

Made = tuple[Any, Any]


def literal(name: str, written: str) -> Sym:
    """Write a literal; a malformed one fails whenever it is reached."""
    try:
        match name:
            case "ip":
                return Sym(Scalar(name), ip_term(ip(written)))
            case "decimal":
                return Sym(Scalar(name), z3.IntVal(decimal(written).value))
            case "datetime":
                return Sym(Scalar(name), z3.IntVal(instant(written).ms))
            case _:
                return Sym(Scalar(name), z3.IntVal(duration(written).ms))
    except MalformedValueError:
        return Sym(Scalar(name), ip_term(_LOOPBACK[0]) if name == "ip" else z3.IntVal(0), TRUE)


def _plain(term: Any) -> Made:
    return term, FALSE


def _fit(term: Any) -> Made:
    return term, z3.Or(term < LONG_MIN, term > LONG_MAX)


def _is_in_range(one: Any, other: Any) -> Any:
    return z3.And(
        IP.version(one) == IP.version(other), IP.first(other) <= IP.first(one), IP.last(one) <= IP.last(other)
    )


def _lies_in(one: Any, networks: tuple[Ip, ...]) -> Made:
    each = [z3.And(IP.prefix(one) >= known.prefix, _is_in_range(one, ip_term(known))) for known in networks]
    return _plain(z3.Or(*each))


def _units(ms: int) -> Callable[[Any], Made]:
    return lambda span: _plain(z3.If(span >= 0, span / ms, -((-span) / ms)))


_IPS, _DECIMALS, _SPAN, _AT = ("ip", "ip"), ("decimal", "decimal"), ("duration",), ("datetime",)

FUNCTIONS: Final[Mapping[str, tuple[tuple[str, ...], str, Callable[..., Made] | None]]] = {
    # name in Cedar: kinds of the arguments, kind of the result, how to write it if there is an exact form
    "ip": (("string",), "ip", None),
    "decimal": (("string",), "decimal", None),
    "datetime": (("string",), "datetime", None),
    "duration": (("string",), "duration", None),
    "isIpv4": (("ip",), "bool", lambda one: _plain(IP.version(one) == V4)),
    "isIpv6": (("ip",), "bool", lambda one: _plain(IP.version(one) == V6)),
    "isLoopback": (("ip",), "bool", lambda one: _lies_in(one, _LOOPBACK)),
    "isMulticast": (("ip",), "bool", lambda one: _lies_in(one, _MULTICAST)),
    "isInRange": (_IPS, "bool", lambda one, other: _plain(_is_in_range(one, other))),
    "lessThan": (_DECIMALS, "bool", lambda one, other: _plain(one < other)),
    "lessThanOrEqual": (_DECIMALS, "bool", lambda one, other: _plain(one <= other)),
    "greaterThan": (_DECIMALS, "bool", lambda one, other: _plain(one > other)),
    "greaterThanOrEqual": (_DECIMALS, "bool", lambda one, other: _plain(one >= other)),
    "offset": (("datetime", "duration"), "datetime", lambda at, by: _fit(at + by)),
    "durationSince": (("datetime", "datetime"), "duration", lambda at, to: _fit(at - to)),
    "toDate": (_AT, "datetime", lambda at: _fit(at - at % _DAY_MS)),
    "toTime": (_AT, "duration", lambda at: _plain(at % _DAY_MS)),
    "toMilliseconds": (_SPAN, "long", _plain),
    "toSeconds": (_SPAN, "long", _units(1_000)),
    "toMinutes": (_SPAN, "long", _units(60_000)),
    "toHours": (_SPAN, "long", _units(3_600_000)),
    "toDays": (_SPAN, "long", _units(_DAY_MS)),
}
