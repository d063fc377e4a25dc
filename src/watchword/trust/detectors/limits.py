"""How much is remembered, of each kind of thing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Numbers of keys; the least recently used goes beyond them.

    Attributes:
        marked: sessions, and accounts in a network, against which something stands.
        acts: by which a second delivery is recognised.
        answers: to requests, kept so that the same answer is the same object.
    """

    users: int = 50_000
    sessions: int = 50_000
    networks: int = 20_000
    programs: int = 10_000
    devices: int = 20_000
    groups: int = 256
    marked: int = 10_000
    acts: int = 20_000
    answers: int = 20_000


LIMITS = Limits()
