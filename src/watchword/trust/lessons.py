"""What of an act may teach: of a request what was asked for, once a day; of a proof everything."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any, Final

from watchword.trust.observation import NO_TRAITS, NOWHERE, UNKNOWN_AGENT, Act, Agent, Observation

_MOST: Final = 50_000
_MOST_GONE: Final = 10_000
_DAY_S: Final = 86_400


@dataclass(slots=True)
class Figures:
    """How the learning goes: `dropped` because too many waited, `unreadable` in storage."""

    learned: int = 0
    dropped: int = 0
    unreadable: int = 0


_TEXTS: Final = ("id", "user", "ip", "network", "device", "session", "group", "application", "resource", "action")


def storable(observation: Observation) -> Observation:
    """Return an act whose texts every database takes: no NUL, no half of a character."""
    agent = observation.agent
    texts = [getattr(observation, name) for name in _TEXTS]
    together = "".join([*texts, agent.full, agent.browser, agent.system, agent.kind])
    if together.isascii() and "\0" not in together:
        return observation
    # Prevents: one text that cannot be written keeping everything else from being written, too.
    cleaned: dict[str, Any] = dict(zip(_TEXTS, map(_clean, texts), strict=True))
    words = Agent(*[_clean(text) for text in (agent.full, agent.browser, agent.system, agent.kind)])
    return replace(observation, agent=words, **cleaned)


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", " ")


class Gone:
    """Accounts that were deleted and sessions that were disowned, of which acts may still be under way; the newest."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, None] = OrderedDict()

    def add(self, name: str) -> None:
        """Hear nothing more of an account or a session."""
        if name:
            self._names[name] = None
        if len(self._names) > _MOST_GONE:
            self._names.popitem(last=False)

    def __contains__(self, name: str) -> bool:
        return name in self._names


class Lessons:
    """Reduce acts to what may be learned from them."""

    def __init__(self) -> None:
        self._asked: OrderedDict[tuple[str, str, str, str], int] = OrderedDict()

    def of(self, observation: Observation) -> Observation | None:
        """Return what may be learned; nothing where nothing may.

        # Prevents: a thief with a session making his own place, browser or device usual; those are learned when
        somebody proves who they are, and never from what they ask for afterwards.
        """
        if not observation.user or not observation.is_verified or not observation.is_success:
            return None
        if observation.act is not Act.REQUEST:
            return observation
        if not self._is_first_today(observation):
            return None
        return replace(observation, ip="", network="", place=NOWHERE, traits=NO_TRAITS, agent=UNKNOWN_AGENT, device="")

    def _is_first_today(self, observation: Observation) -> bool:
        # Prevents: a busy hour, or somebody's script, being taken for a long history.
        asked = (observation.user, observation.application, observation.resource, observation.action)
        day = int(observation.at // _DAY_S)
        if self._asked.get(asked) == day:
            return False
        self._asked[asked] = day
        self._asked.move_to_end(asked)
        if len(self._asked) > _MOST:
            self._asked.popitem(last=False)
        return True
