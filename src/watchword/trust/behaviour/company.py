"""Who else is seen on a device or in a network: a few users with decayed counters, the lightest forgotten first."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from zlib import crc32

MOST_MEMBERS = 8
_LONGEST_USER = 256


def member(user: str) -> int:
    """Return a short name for a user, the same everywhere."""
    return crc32(user[:_LONGEST_USER].encode("utf-8", "replace"))


@dataclass(slots=True)
class Companies:
    """For each device (or network) the users who were verified there; bounded, least recently used out first.

    Attributes:
        most: how many devices or networks are remembered.
    """

    most: int
    known: OrderedDict[str, dict[int, int]] = field(default_factory=OrderedDict)

    def count(self, name: str, user: int, weight: int) -> None:
        """Count one verified outcome of a user."""
        members = self.known.get(name)
        if members is None:
            members = self.known[name] = {}
            if len(self.known) > self.most:
                self.known.popitem(last=False)
        else:
            self.known.move_to_end(name)
        members[user] = members.get(user, 0) + weight
        # Prevents: one café filling the memory with everybody who ever passed through.
        if len(members) > MOST_MEMBERS:
            del members[min(members, key=lambda other: (members[other], other))]

    def others(self, name: str, user: int) -> int:
        """Return how many other users are known there; never more than eight."""
        members = self.known.get(name)
        return 0 if members is None else len(members) - (user in members)


def merge_companies(first: Companies, second: Companies) -> Companies:
    """Return what both have counted, in whichever order they are given."""
    merged = Companies(max(first.most, second.most))
    for name in sorted(first.known.keys() | second.known.keys()):
        members = dict(first.known.get(name, {}))
        for user, weight in second.known.get(name, {}).items():
            members[user] = members.get(user, 0) + weight
        heaviest = sorted(members, key=lambda user: (members[user], user))[-MOST_MEMBERS:]
        merged.known[name] = {user: members[user] for user in heaviest}
        if len(merged.known) > merged.most:
            merged.known.popitem(last=False)
    return merged
