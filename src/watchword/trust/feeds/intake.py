"""Take entries in one by one: say what each value is, refuse by name what nobody can mean, and count."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final

from watchword.kernel import V4_BITS, V6_BITS
from watchword.trust.addresses import AddressKind, kind_within, read_address
from watchword.trust.feeds.errors import FeedMalformedError, FeedTooLargeError
from watchword.trust.feeds.model import NEVER, Family, Indicator, IndicatorKind, Refusal

# Broader than any one organisation's allocation, as in the lists of administrators.
_BROADEST: Final = {V4_BITS: 8, V6_BITS: 19}
_LONGEST_VALUE: Final = 2_000
_LONGEST_NAME: Final = 253
_LONGEST_TIME: Final = 40
_MAPPED: Final = 0xFFFF
_V4_MASK: Final = 0xFFFFFFFF
_MILLISECONDS: Final = 1e11
# A file whose every tenth entry cannot be read is another file: a page that asks to sign in, a page of an error.
_GARBAGE_SHARE: Final = 10
# Times this far ahead of our clock are of a clock that runs ahead; the entry counts as of now.
_AHEAD_MIN: Final = 24 * 60
_MOST_CONFIDENT: Final = 100
_DOMAIN = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])\.?", re.ASCII)
_URL = re.compile(r"(?:https?|ftp)://[\x21-\x7e]+", re.ASCII | re.IGNORECASE)
_DIGEST = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128}", re.ASCII)
_LETTER = re.compile(r"[^\W\d_]")
_TUNNELS: Final = {AddressKind.SIX_TO_FOUR, AddressKind.TEREDO, AddressKind.NAT64}

Network = tuple[Family, int, int]


def read_network(text: str) -> Network | Refusal:
    """Read a network or an address; host bits are cut off, and `::ffff:` becomes IPv4.

    Refuses what is too broad for any one meaning, and every network that touches a special range.
    """
    if len(text) > _LONGEST_NAME:
        return Refusal.TOO_LONG
    address, slash, tail = text.partition("/")
    try:
        if ":" in address:
            bits, number = V6_BITS, int.from_bytes(inet_pton(AF_INET6, address))
        else:
            bits, number = V4_BITS, int.from_bytes(inet_pton(AF_INET, address))
        length = int(tail) if slash and tail.isascii() and tail.isdecimal() else bits
        if slash and not (tail.isascii() and tail.isdecimal()):  # a mask, such as 1.2.3.0/255.255.255.0
            length = ip_network(text, strict=False).prefixlen
    except (OSError, ValueError):
        return Refusal.MALFORMED
    if not 0 <= length <= bits:
        return Refusal.MALFORMED
    if bits == V6_BITS and number >> V4_BITS == _MAPPED and length >= V6_BITS - V4_BITS:
        bits, number, length = V4_BITS, number & _V4_MASK, length - (V6_BITS - V4_BITS)
    # Prevents: one entry of a poisoned or mistyped feed (0.0.0.0/0) standing for the whole Internet.
    if length < _BROADEST[bits]:
        return Refusal.TOO_BROAD
    start = number >> (bits - length) << (bits - length)
    kind = kind_within(bits, start, length)
    # Prevents: a feed that lists 10.0.0.0/8 or 127.0.0.1 shutting out the organisation's own machines.
    if kind is not AddressKind.PUBLIC:
        return Refusal.TUNNEL if kind in _TUNNELS else Refusal(kind.value)
    return Family(bits), start, length


def digest_of(kind: IndicatorKind, name: str) -> int:
    """Return the 128 bits that stand for a name; the kind is part of it."""
    hashed = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16, person=kind.value.encode())
    return int.from_bytes(hashed.digest())


def canonical(kind: IndicatorKind, text: str) -> str | Refusal:
    """Write a name in the one form in which it is looked up."""
    if len(text) > _LONGEST_VALUE:
        return Refusal.TOO_LONG
    if kind is IndicatorKind.URL:
        return _canonical_url(text) if _URL.fullmatch(text) else Refusal.MALFORMED
    name = text.lower()
    if kind is IndicatorKind.DOMAIN:
        is_right = len(name) <= _LONGEST_NAME and _DOMAIN.fullmatch(name) and not name.rstrip(".").isdecimal()
        return name.rstrip(".") if is_right else Refusal.MALFORMED
    return name if _DIGEST.fullmatch(name) else Refusal.MALFORMED


def _canonical_url(text: str) -> str:
    scheme, _, rest = text.partition("://")
    cut = min((at for at in (rest.find(mark) for mark in "/?#") if at >= 0), default=len(rest))
    return f"{scheme.lower()}://{rest[:cut].lower()}{rest[cut:].partition('#')[0] or '/'}"


def guess_kind(text: str) -> IndicatorKind:
    """Say what a value seems to be; an address where nothing else fits, so that it is refused as one."""
    if text[-1:].isdecimal() and "." in text:  # the quick way for what most lists hold
        return IndicatorKind.URL if "://" in text else IndicatorKind.ADDRESS
    if "://" in text:
        return IndicatorKind.URL
    if _DIGEST.fullmatch(text.lower()):
        return IndicatorKind.FILE
    is_address = ":" in text or "/" in text or not _LETTER.search(text)
    return IndicatorKind.ADDRESS if is_address else IndicatorKind.DOMAIN


def is_asked_about(text: str) -> bool:
    """Tell whether a value is one that feeds can be asked about: one address, a domain, a URL or the hash of a file."""
    kind = guess_kind(text)
    if kind is IndicatorKind.ADDRESS:
        return read_address(text).bits > 0
    return not isinstance(canonical(kind, text), Refusal)


def minute_of(value: object) -> int | None:
    """Read a time as ISO 8601 or as seconds (or milliseconds) since 1970; minutes since 1970, nothing if it is none."""
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, str) and (len(value) > _LONGEST_TIME or not value.strip()):
            return None
        seconds = float(value) if isinstance(value, int | float) else _seconds(str(value))
    except (ValueError, OverflowError):
        return None
    seconds = seconds / 1000 if abs(seconds) > _MILLISECONDS else seconds
    return int(seconds // 60) if 0 <= seconds < NEVER * 60 else None


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True, slots=True)
class Vouched:
    """What a source says of one value beside the value.

    Attributes:
        confidence: 0 to 100; nothing where the source says nothing.
        first_seen: minutes since 1970, like the other two; nothing for unknown.
        until: nothing means that the source sets no end.
    """

    confidence: float | None = None
    first_seen: int | None = None
    seen: int | None = None
    until: int | None = None


SILENT: Final = Vouched()


@dataclass
class Intake:
    """Collect what is right of one feed; one for each run.

    Args:
        now: minutes since 1970.
        confidence: of the whole feed, 1 to 100.
        expiry_min: minutes after which an entry without an end counts no more.
        most: entries at most; one more refuses the feed.
    """

    now: int
    confidence: int
    expiry_min: int
    most: int
    refused: Counter[Refusal] = field(default_factory=Counter)
    examples: dict[Refusal, str] = field(default_factory=dict)
    rows: dict[tuple[Family, int, int], Indicator] = field(default_factory=dict)
    entries: int = 0

    def refuse(self, why: Refusal, text: str = "") -> None:
        """Count an entry that is not taken; the first of each kind is kept to be shown."""
        self._count()
        self.refused[why] += 1
        if why not in self.examples and text:
            self.examples[why] = "".join(letter if letter.isprintable() else "?" for letter in text[:80])

    def take(self, kind: IndicatorKind, text: str, vouched: Vouched = SILENT) -> None:
        """Take one value, or count why not."""
        found = _identity(kind, text)
        made = found if isinstance(found, Refusal) else self._dated(kind, found, vouched)
        if isinstance(made, Refusal):
            self.refuse(made, text)
            return
        self._count()
        key = (made.family, made.start, made.length)
        known = self.rows.get(key)
        self.rows[key] = made if known is None else _joined(known, made)

    def finish(self) -> list[Indicator]:
        """Return what was taken, sorted so that a network stands before every part of it.

        Raises:
            FeedMalformedError: so much could not be read that this is no such feed.
        """
        unread = self.refused[Refusal.MALFORMED] + self.refused[Refusal.TOO_LONG]
        if unread * _GARBAGE_SHARE > self.entries:
            raise FeedMalformedError(
                f"{unread} of {self.entries} entries cannot be read",
                hint="look at what the address gives: a page to sign in is no feed",
            )
        rows = [self.rows[key] for key in sorted(self.rows)]
        self.rows.clear()  # millions of them are held once
        return rows

    def _count(self) -> None:
        self.entries += 1
        # Prevents: a feed of ten million entries filling the memory.
        if self.entries > self.most:
            raise FeedTooLargeError(
                f"the feed has more than {self.most} entries", hint="set `max_entries` of the feed if that is meant"
            )

    def _dated(self, kind: IndicatorKind, found: Network, vouched: Vouched) -> Indicator | Refusal:
        if vouched is SILENT:  # the quick way for plain lists
            return Indicator(kind, *found, self.confidence, self.now, 0, NEVER)
        seen = vouched.seen or vouched.first_seen or 0
        # Prevents: an entry dated ahead, which would keep its whole weight until then.
        if seen > self.now + _AHEAD_MIN:
            return Refusal.FUTURE
        # What has neither a time nor an end is vouched for whenever the feed is, and ends when the feed is stale.
        until = vouched.until if vouched.until is not None else seen + self.expiry_min if seen else NEVER
        if until <= self.now:
            return Refusal.EXPIRED
        own = vouched.confidence
        share = 1.0 if own is None or own != own else min(max(own / _MOST_CONFIDENT, 0.0), 1.0)  # noqa: PLR0124  # NaN
        return Indicator(
            kind,
            *found,
            confidence=round(self.confidence * share),
            first_seen=min(vouched.first_seen or seen or self.now, self.now),
            seen=min(seen, self.now),
            until=min(until, NEVER),
        )


def _identity(kind: IndicatorKind, text: str) -> Network | Refusal:
    if kind is IndicatorKind.ADDRESS:
        return read_network(text)
    name = canonical(kind, text)
    return name if isinstance(name, Refusal) else (Family.NAMED, digest_of(kind, name), V6_BITS)


def _joined(one: Indicator, other: Indicator) -> Indicator:
    """Return the stronger of two entries for the same value, with the earliest first sight of both."""
    best = max(one, other, key=lambda each: (each.confidence, each.seen, each.until))
    return best._replace(first_seen=min(one.first_seen, other.first_seen), seen=max(one.seen, other.seen))
