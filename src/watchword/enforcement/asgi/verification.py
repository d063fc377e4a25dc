"""The verification of an assertion: one numbered procedure, whole and in order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from watchword.enforcement.asgi.errors import InvalidAssertionError
from watchword.enforcement.asgi.jws import PublicKeys, parse, parse_object, verify_signature
from watchword.enforcement.asgi.model import Device, VerifiedAssertion
from watchword.enforcement.bodies import Duties, read_claim
from watchword.kernel import Acr, DecisionId, SessionId, UserId, WatchwordError

TYPE: Final = "watchword-assertion+jwt"
LEEWAY: Final = timedelta(seconds=5)  # clocks of two machines that both keep time
_LONGEST_LIFE: Final = timedelta(minutes=5)

T = TypeVar("T")


class UnknownKeyError(InvalidAssertionError):
    """The token names a key that is not published; the keys at hand may be old."""


def verify_assertion(token: str, keys: PublicKeys, *, issuer: str, audience: str, now: datetime) -> VerifiedAssertion:
    """Return what the token says if, and only if, Watchword said it to this application, just now.

    Args:
        token: the header's value, unverified.
        keys: the issuer's published keys by key id, obtained independently of the token.
        issuer: the portal's origin, compared byte by byte.
        audience: the application's name.
        now: timezone-aware; the only clock that is read.

    Raises:
        UnknownKeyError: step 3 found no key; worth one attempt with fresh keys.
        InvalidAssertionError: any step failed; no step's failure is shown to the client.

    Source: RFC 7515 section 5.2, RFC 7519 section 7.2, RFC 8725 section 3.
    """
    # 1. The compact form, strictly; algorithm ES256 and nothing else in the header than alg, kid and typ.
    unverified = parse(token)
    # 2. The type. Prevents: another token of the same issuer, made for another purpose, taken for an assertion.
    if unverified.typ != TYPE:
        raise InvalidAssertionError("the token is of another type")
    # 3. The key, by its id, from the published set only. Prevents: key ids that are paths, addresses or queries.
    key = keys.get(unverified.kid)
    if key is None:
        raise UnknownKeyError("the token names an unknown key")
    # 4. The signature; only what it covers is parsed.
    claims = parse_object(verify_signature(unverified, key))
    # 5. The issuer. Prevents: another installation's assertions, should keys ever be mixed up.
    if claims.get("iss") != issuer:
        raise InvalidAssertionError("the token is of another issuer")
    # 6. The audience, one name. Prevents: an application that replays its visitors' assertions at another one.
    if claims.get("aud") != audience:
        raise InvalidAssertionError("the token is for another application")
    # 7. The time: issued in the past, not expired, and never long-lived. Prevents: replay after the session ended.
    issued_at, expires_at = _time(claims, "iat"), _time(claims, "exp")
    if issued_at > now + LEEWAY:
        raise InvalidAssertionError("the token is from the future")
    if expires_at <= now - LEEWAY:
        raise InvalidAssertionError("the token has expired")
    if not timedelta() < expires_at - issued_at <= _LONGEST_LIFE:
        raise InvalidAssertionError("the token's lifetime is not that of an assertion")
    # 8. Everything else has the form that the application will rely on.
    return _read(claims, issued_at, expires_at)


def _read(claims: Mapping[str, Any], issued_at: datetime, expires_at: datetime) -> VerifiedAssertion:
    device = _of(dict, claims, "device")
    network = claims.get("network")
    try:
        duties = read_claim(claims["obligations"]) if "obligations" in claims else Duties()
        return VerifiedAssertion(
            decision_id=DecisionId(_of(str, claims, "jti")),
            session_id=SessionId(_of(str, claims, "sid")),
            subject=UserId(_of(str, claims, "sub")),
            name=_of(str, claims, "name"),
            display_name=_of(str, claims, "display_name"),
            email=_perhaps(str, claims, "email"),
            groups=frozenset(_strings(claims, "groups")),
            acr=Acr(_of(str, claims, "acr")),
            amr=_strings(claims, "amr"),
            authenticated_at=_time(claims, "auth_time"),
            mfa_at=_time(claims, "mfa_time") if "mfa_time" in claims else None,
            risk=_perhaps(int, claims, "risk"),
            trust=_perhaps(int, claims, "trust"),
            device=Device(_perhaps(str, device, "id"), _of(bool, device, "is_known"), _of(str, device, "posture")),
            country=_perhaps(str, network, "country") if isinstance(network, dict) else None,
            permissions=frozenset(_strings(claims, "permissions")),
            obligations=duties.names,
            issued_at=issued_at,
            expires_at=expires_at,
            body_rules=duties.rules,
            own_obligations=duties.own,
        )
    except InvalidAssertionError:
        raise
    except (ValueError, WatchwordError) as error:
        raise InvalidAssertionError("a claim has a form it may not have") from error


def _of(kind: type[T], claims: Mapping[str, Any], name: str) -> T:
    value = claims.get(name)
    # `type(...) is` and not isinstance: True is an int to Python, and no number to us.
    if type(value) is not kind:
        raise InvalidAssertionError(f"claim `{name}` is missing or of another kind")
    return value


def _perhaps(kind: type[T], claims: Mapping[str, Any], name: str) -> T | None:
    return None if claims.get(name) is None else _of(kind, claims, name)


def _strings(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = _of(list, claims, name)
    if not all(type(value) is str for value in values):
        raise InvalidAssertionError(f"claim `{name}` is not a list of strings")
    return tuple(values)


def _time(claims: Mapping[str, Any], name: str) -> datetime:
    try:
        return datetime.fromtimestamp(_of(int, claims, name), UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise InvalidAssertionError(f"claim `{name}` is not a time") from error
