"""What a peer group asks for: how many of its members use a kind of thing, counted in a few bits each.

A member is one bit of a set, so that one person asking a thousand times is still one, order does not matter, and what
is kept names nobody. Source: Whang et al., ACM TODS 1990, for the count (linear counting).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from math import log
from types import MappingProxyType
from typing import Any, NamedTuple

from watchword.trust.detectors import stored
from watchword.trust.observation import Finding

INDICATOR = "peer_rarity"
BITS = 256
# Somebody who has not asked for a thing through one whole span and the rest of another uses it no more.
_SPAN_S = 30 * 86_400.0
_MOST_KINDS, _KEPT_KINDS = 512, 384
# Fewer peers say nothing.
_LEAST_PEERS = 5.0
_USUAL_SHARE = 0.15
_SHOWN = 0.4
MOST = 1.5

Bits = Mapping[str, int]
_NONE: Bits = MappingProxyType({})
_EVERYBODY = ""


class Peers(NamedTuple):
    """Who of a group asked for what, in this span of time and in the one before; under no kind, who asked at all."""

    span: int = 0
    now: Bits = _NONE
    before: Bits = _NONE

    @classmethod
    def parse(cls, given: Any) -> Peers:
        """Read what was stored."""
        span, now, before = given
        return cls(int(stored.number(span)), _bits(now), _bits(before))


def fold(known: Peers, user: str, kind: str, at: float) -> Peers:
    """Note that a member was given such a thing, vouched for by a second factor."""
    span, bit = int(at // _SPAN_S), bit_of(user)
    if span < known.span:
        return known
    if span > known.span:
        known = Peers(span, _NONE, known.now if span == known.span + 1 else _NONE)
    if known.now.get(kind, 0) & bit:
        return known
    now = {**known.now, kind: known.now.get(kind, 0) | bit, _EVERYBODY: known.now.get(_EVERYBODY, 0) | bit}
    if len(now) > _MOST_KINDS:
        # Prevents: made-up kinds crowding out what the group really uses; what one alone asked for is rare anyway.
        # Many at once, so that it need not be done for each.
        kept = sorted(now, key=lambda name: (name == _EVERYBODY, now[name].bit_count(), name))[-_KEPT_KINDS:]
        now = {name: now[name] for name in kept}
    return Peers(span, now, known.before)


def turned_back(known: Peers, now: float) -> Peers:
    """Let a span that began in the future be the present one."""
    return known._replace(span=min(known.span, int(now // _SPAN_S)))


def has_used(known: Peers, user: str, kind: str) -> bool:
    """Tell whether this member was given such a thing before."""
    return bool((known.now.get(kind, 0) | known.before.get(kind, 0)) & bit_of(user))


def is_usual(known: Peers, user: str, kind: str) -> bool:
    """Tell whether at least a tenth of the other members use such a thing."""
    users, everybody = _counts(known, user, kind)
    return everybody >= 1 and users >= _USUAL_SHARE * everybody


def find(known: Peers, user: str, kind: str, group: str) -> Finding | None:
    """Weigh what share of the other members use such a thing."""
    # Most of what is asked for is what most ask for.
    if 2 * known.now.get(kind, 0).bit_count() > known.now.get(_EVERYBODY, 0).bit_count() + _LEAST_PEERS:
        return None
    users, everybody = _counts(known, user, kind)
    if everybody < _LEAST_PEERS:
        return None
    value = log(_USUAL_SHARE * (everybody + 1.0) / (users + 0.5))
    if value < _SHOWN:
        return None
    return Finding(INDICATOR, min(MOST, value), f"{users:.0f} of about {everybody:.0f} others in `{group}` use this")


def _counts(known: Peers, user: str, kind: str) -> tuple[float, float]:
    others = ~bit_of(user)
    users = _number((known.now.get(kind, 0) | known.before.get(kind, 0)) & others)
    return users, _number((known.now.get(_EVERYBODY, 0) | known.before.get(_EVERYBODY, 0)) & others)


@lru_cache(maxsize=16_384)
def bit_of(user: str) -> int:
    """Return the bit that stands for a user, the same everywhere."""
    return 1 << blake2b(user.encode(errors="replace"), digest_size=1).digest()[0]


def _number(bits: int) -> float:
    empty = BITS - bits.bit_count()
    return BITS * log(BITS / empty) if empty else BITS * log(BITS)


def _bits(given: Any) -> Bits:
    if len(given) > _MOST_KINDS or not all(type(bits) is int and 0 <= bits < 1 << BITS for bits in given.values()):
        raise ValueError("not sets of bits")
    return {stored.text(kind): bits for kind, bits in given.items()}
