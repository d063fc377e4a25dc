"""Slow guessing down: counters that grow dearer by the failure, bounded in number, cheap to ask.

Source: NIST SP 800-63B-4 section 3.2.2 (no more than 100 consecutive failures on one account).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_HUNDRED = 100
_HUNDRED_WAIT = timedelta(hours=24)
_MOST_DOUBLINGS = 40


@dataclass(frozen=True, slots=True)
class Rule:
    """How one kind of counter grows.

    Attributes:
        scope: what is counted, for people.
        free: failures (or distinct accounts) before the first wait.
        first_wait_s: the first wait; each further failure doubles it.
        longest_wait_s: the cap.
        forget_after: quiet time after which the counter starts again.
        counts_members: count distinct accounts instead of failures.
        is_final: after a hundred failures wait a day each time.
    """

    scope: str
    free: int
    first_wait_s: int
    longest_wait_s: int
    forget_after: timedelta
    counts_members: bool = False
    is_final: bool = False


ACCOUNT = Rule("account", 5, 1, 900, timedelta(hours=24), is_final=True)
DEVICE = Rule("device", 5, 1, 900, timedelta(hours=24), is_final=True)
SECOND_FACTOR = Rule("second_factor", 5, 2, 900, timedelta(hours=24), is_final=True)
NETWORK = Rule("network", 20, 2, 900, timedelta(hours=1), counts_members=True)
PASSKEYS = Rule("passkey", 20, 2, 300, timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class Bucket:
    """One counter: `failures` in a row, when the last was, and until when attempts are refused unseen."""

    failures: int = 0
    failed_at: datetime = _NEVER
    blocked_until: datetime = _NEVER
    members: frozenset[bytes] = frozenset()


def count(bucket: Bucket, rule: Rule) -> int:
    """Return what the rule compares with its free allowance."""
    return len(bucket.members) if rule.counts_members else bucket.failures


def wait_s(bucket: Bucket, rule: Rule, now: datetime) -> int:
    """Return whole seconds until an attempt is looked at; 0 for now. A clock that was set back cannot add to it."""
    left = math.ceil((bucket.blocked_until - now).total_seconds())
    longest = _HUNDRED_WAIT.total_seconds() if rule.is_final else rule.longest_wait_s
    return max(0, min(left, int(longest)))


def after_failure(bucket: Bucket, rule: Rule, now: datetime, member: bytes = b"") -> Bucket:
    """Return the counter after one more failure."""
    if now - max(bucket.failed_at, bucket.blocked_until) > rule.forget_after:
        bucket = Bucket()
    # Bounded: beyond twice the free allowance more members would not change the answer.
    members = bucket.members
    if rule.counts_members and len(members) < rule.free * 2:
        members |= {member}
    failures = min(bucket.failures + 1, 1_000_000)
    after = replace(bucket, failures=failures, failed_at=now, members=members)
    over = count(after, rule) - rule.free
    if over < 0:
        return after
    wait = timedelta(seconds=min(rule.first_wait_s * 2 ** min(over, _MOST_DOUBLINGS), rule.longest_wait_s))
    if rule.is_final and failures >= _HUNDRED:
        wait = _HUNDRED_WAIT
    return replace(after, blocked_until=now + wait)


@dataclass(slots=True)
class _Entry:
    bucket: Bucket
    in_flight: int = 0
    suppressed: int = 0


class ThrottleBook:
    """All counters of this process, the most recently failed last; the least recent is dropped when it is full."""

    def __init__(self, capacity: int = 20_000) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def restore(self, key: str, bucket: Bucket) -> None:
        """Put back a counter that was stored."""
        self._entries[key] = _Entry(bucket)

    def admit(self, key: str, rule: Rule, now: datetime) -> int:
        """Take a place for one attempt and return 0, or return the seconds to wait.

        Prevents: many guesses at the same time that all see the counter before any of them failed. While attempts
        are under way they count as failures.
        """
        entry = self._entries.get(key)
        if entry is None:
            entry = self._add(key, Bucket())
        left = wait_s(entry.bucket, rule, now)
        if left == 0 and entry.in_flight and count(entry.bucket, rule) + entry.in_flight >= rule.free:
            left = 1
        if left:
            entry.suppressed += 1
            return left
        entry.in_flight += 1
        return 0

    def release(self, key: str) -> None:
        """Give the place back, whatever the outcome."""
        entry = self._entries.get(key)
        if entry is not None and entry.in_flight:
            entry.in_flight -= 1
            if not entry.in_flight and entry.bucket == Bucket():
                del self._entries[key]

    def fail(self, key: str, rule: Rule, now: datetime, member: bytes = b"") -> tuple[Bucket, int]:
        """Count a failure; return the counter and how many attempts were refused unseen since the last one."""
        entry = self._entries.get(key) or self._add(key, Bucket())
        entry.bucket = after_failure(entry.bucket, rule, now, member)
        suppressed, entry.suppressed = entry.suppressed, 0
        self._entries.move_to_end(key)
        return entry.bucket, suppressed

    def clear(self, key: str) -> bool:
        """Forget the failures after a success; tell whether there was anything to forget."""
        entry = self._entries.get(key)
        if entry is None or entry.bucket == Bucket():
            return False
        entry.bucket = Bucket()
        entry.suppressed = 0
        return True

    def overflow(self) -> list[str]:
        """Drop the least recently failed counters beyond the capacity and return their keys."""
        dropped = []
        for key in list(self._entries)[: max(0, len(self._entries) - self._capacity)]:
            if not self._entries[key].in_flight:
                del self._entries[key]
                dropped.append(key)
        return dropped

    def _add(self, key: str, bucket: Bucket) -> _Entry:
        entry = self._entries[key] = _Entry(bucket)
        return entry
