"""Make an observation fit to be remembered: short keys, finite figures."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from math import isfinite

from watchword.trust.observation import NOWHERE, Agent, Observation

_LONGEST_KEY = 64
_LONGEST_AGENT = 256
_LONGEST_WORD = 48
_LARGEST = 1 << 50
# Of what is measured in seconds since 1970; until the year 5138.
_LATEST = 1e11
_REMEMBERED = 8192


def readable(seen: Observation) -> Observation | None:
    """Return an observation whose texts and figures are bounded; nothing if its time means nothing.

    A longer text becomes a digest of itself: still the same key for the same text, and no other.
    """
    if not 0 < seen.at < _LATEST:
        return None
    texts = (
        seen.user,
        seen.network,
        seen.device,
        seen.session,
        seen.group,
        seen.application,
        seen.resource,
        seen.action,
    )
    is_short = len(seen.id) <= _LONGEST_KEY and max(map(len, texts)) <= _LONGEST_KEY
    if is_short and len(seen.agent.full) <= _LONGEST_AGENT and _is_plain(seen):
        return seen
    return replace(
        seen,
        id=short(seen.id),
        user=short(seen.user),
        network=short(seen.network),
        device=short(seen.device),
        session=short(seen.session),
        group=short(seen.group),
        application=short(seen.application),
        resource=short(seen.resource),
        action=short(seen.action),
        agent=_plain_agent(seen.agent),
        place=seen.place if _is_placed(seen) else NOWHERE,
        size_bytes=min(_LARGEST, max(0, seen.size_bytes)),
        utc_offset_s=seen.utc_offset_s if abs(seen.utc_offset_s) <= 86_400 else 0,  # noqa: PLR2004  # a day
    )


@lru_cache(maxsize=_REMEMBERED)
def program_of(full: str) -> str:
    """Return what recognises a client by the whole of what it says of itself; nothing for one that says nothing."""
    return _digest(full) if full else ""


def family(name: str) -> str:
    """Return the name of a browser or system without its version."""
    return name.rpartition(" ")[0] or name


def _is_plain(seen: Observation) -> bool:
    agent = seen.agent
    return (
        0 <= seen.size_bytes <= _LARGEST
        and max(len(agent.browser), len(agent.system), len(agent.kind)) <= _LONGEST_WORD
        and abs(seen.utc_offset_s) <= 86_400  # noqa: PLR2004  # a day
        and _is_placed(seen)
    )


def _is_placed(seen: Observation) -> bool:
    place = seen.place
    if place.country is not None and len(place.country) > _LONGEST_WORD:
        return False
    if place.latitude is None or place.longitude is None:
        return True
    return isfinite(place.latitude) and isfinite(place.longitude) and isfinite(place.radius_km or 0.0)


def _plain_agent(agent: Agent) -> Agent:
    return Agent(
        full=agent.full[:_LONGEST_AGENT],
        browser=agent.browser[:_LONGEST_WORD],
        system=agent.system[:_LONGEST_WORD],
        kind=agent.kind[:_LONGEST_WORD],
    )


def short(text: str) -> str:
    """Return a text fit for a key: itself, or a digest of a long one."""
    return text if len(text) <= _LONGEST_KEY else _digest(text)


def _digest(text: str) -> str:
    return blake2b(text.encode(errors="replace"), digest_size=12).hexdigest()
