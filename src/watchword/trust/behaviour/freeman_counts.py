"""What the published score counts: how often each value was shown, by one user and by everybody; bounded, guarded."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from heapq import nsmallest
from typing import Final
from zlib import crc32

from watchword.trust.behaviour.decay import day_of
from watchword.trust.behaviour.learning import CLOCK_SKEW_S, Lesson
from watchword.trust.observation import Act, Observation

# Of one user at a node, and of everybody; the values shown least often go first, and with some room.
MOST_OWN: Final = 128
MOST_VALUES: Final = 50_000
_EVICTED_SHARE: Final = 10
# A longer text stands as a digest: only whether two are the same matters, and an honest one says who sent it.
_LONGEST_TEXT: Final = 40
# The poisoning guard, which is ours: the same values teach twice a day, and a day teaches eight sign-ins in all.
_ALIKE_A_DAY: Final = 2
_A_DAY: Final = 8
_LATE_DAYS: Final = 2
MOST_EVENTS: Final = 24

# Of each feature its levels, from the finest to the coarsest; a value's key begins with feature and level.
Values = tuple[tuple[str, ...], tuple[str, ...]]
PREFIX: Final = 2


@dataclass(slots=True)
class Shown:
    """How often each value was shown.

    Attributes:
        sign_ins: in how many sign-ins; nothing ever fades, as published.
        seen: times by key.
    """

    sign_ins: int = 0
    seen: dict[str, int] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """Count what was learned."""
        return self.sign_ins

    def add(self, values: Values) -> list[str]:
        """Count the values of one sign-in; return the keys that are new."""
        self.sign_ins += 1
        new = []
        for levels in values:
            for key in levels:
                times = self.seen.get(key, 0)
                self.seen[key] = times + 1
                if not times:
                    new.append(key)
        return new

    def evict(self, most: int) -> list[str]:
        """Hold to a bound: let go of the values shown least often, the oldest of them first; return their keys."""
        if len(self.seen) <= most:
            return []
        gone = nsmallest(len(self.seen) - most + most // _EVICTED_SHARE, self.seen, key=self.seen.__getitem__)
        for key in gone:
            del self.seen[key]
        return gone


@dataclass(slots=True)
class SignIns(Shown):
    """The sign-ins of one user, as a node learns them.

    Attributes:
        days: of the newest days, how often each combination of values was learned.
        events: digests of the newest that were learned.
    """

    days: dict[int, dict[str, int]] = field(default_factory=dict)
    events: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Everybody(Shown):
    """The sign-ins of all users together.

    Attributes:
        users: how many users taught it.
        kinds: how many values of each feature and level are known.
    """

    users: int = 0
    kinds: dict[str, int] = field(default_factory=dict)

    def count(self, values: Values) -> None:
        """Count the values of one sign-in of anybody."""
        for key in self.add(values):
            self.kinds[key[:PREFIX]] = self.kinds.get(key[:PREFIX], 0) + 1
        # Prevents: addresses of very many networks filling the memory.
        for key in self.evict(MOST_VALUES):
            self.kinds[key[:PREFIX]] -= 1


def values_of(observation: Observation) -> Values:
    """Return the keys of address, autonomous system and country, and of user agent, browser, system and type."""
    place, agent = observation.place, observation.agent
    return (
        (_key("00", observation.ip), _key("01", str(place.asn)), _key("02", str(place.country))),
        (
            _key("10", agent.full),
            _key("11", agent.browser),
            _key("12", agent.system),
            _key("13", agent.kind),
        ),
    )


def _key(prefix: str, text: str) -> str:
    return f"{prefix} {text}" if len(text) <= _LONGEST_TEXT else f"{prefix} {_digest(text)}"


@lru_cache(maxsize=8_192)
def _digest(text: str) -> str:
    return "#" + blake2b(text.encode("utf-8", "replace"), digest_size=12).hexdigest()


def learn_sign_in(observation: Observation, own: SignIns, everybody: Everybody, *, now: float) -> Lesson:
    """Add a verified proof, a sign-in or a second factor, in place, and say what became of it; never raises.

    Args:
        now: seconds since 1970; the only clock that is read.
    """
    if observation.act is Act.REQUEST or not observation.is_success or observation.is_verified is not True:
        return Lesson.NOT_VERIFIED
    try:
        return _learn(observation, own, everybody, now)
    except (ValueError, TypeError, OverflowError, AttributeError):  # a time that is none, a text that is none
        return Lesson.UNREADABLE


def _learn(observation: Observation, own: SignIns, everybody: Everybody, now: float) -> Lesson:
    if observation.at > now + CLOCK_SKEW_S:
        return Lesson.FROM_THE_FUTURE
    day, event, values = (
        day_of(observation.at),
        crc32(observation.id.encode("utf-8", "replace")),
        values_of(observation),
    )
    if event in own.events:
        return Lesson.DUPLICATE
    # A clock that ran ahead and went back leaves days that nothing can come after.
    own.days = {at: counts for at, counts in own.days.items() if at <= day_of(now + CLOCK_SKEW_S)}
    newest = max(own.days, default=day)
    if day < newest - _LATE_DAYS:
        return Lesson.TOO_LATE
    own.days = {at: counts for at, counts in own.days.items() if at >= max(day, newest) - _LATE_DAYS}
    own.events = [*own.events, event][-MOST_EVENTS:]
    if not _may_teach(own.days.setdefault(day, {}), values):
        return Lesson.ENOUGH
    everybody.users += own.sign_ins == 0
    own.add(values)
    own.evict(MOST_OWN)
    everybody.count(values)
    return Lesson.LEARNED


def _may_teach(today: dict[str, int], values: Values) -> bool:
    """Count one sign-in of a day, where the day has room for it.

    # Prevents: two hundred sign-ins that look verified, of one afternoon, making a place the usual one.
    """
    alike = _digest("\n".join([key for levels in values for key in levels]))
    times = today.get(alike, 0)
    if times >= _ALIKE_A_DAY or sum(today.values()) >= _A_DAY:
        return False
    today[alike] = times + 1
    return True
