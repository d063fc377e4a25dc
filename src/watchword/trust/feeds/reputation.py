"""What the feeds say of one address, now: a pure look-up in mapped tables, without I/O and without an exception."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol

from watchword.kernel import V4_BITS
from watchword.trust.addresses import read_address
from watchword.trust.feeds.index import FeedIndex, time_of, words_of
from watchword.trust.feeds.intake import canonical, digest_of, guess_kind
from watchword.trust.feeds.model import Indicator, IndicatorKind, Meaning, Refusal, decayed
from watchword.trust.feeds.settings import FeedSettings
from watchword.trust.model import Standing
from watchword.trust.observation import NO_TRAITS, Finding, NetworkTraits

REPUTATION: Final = "reputation"
# The most that lists may say, in natural log-odds. 55% of takeovers come from listed addresses (45% from addresses on
# no list) and a few per cent of ordinary sign-ins do: a ratio of about twenty, whose logarithm is 3. Feeds copy from
# one another, so the surest of them counts and their voices do not add up. Source: docs/adr/0053.
MOST_LOG_ODDS: Final = 3.0
_REMEMBERED: Final = 16_384
_LONGEST_ADDRESS: Final = 45
_AGAINST: Final = frozenset({Meaning.BLOCK, Meaning.SUSPICIOUS})
_CLEAN: Final = Finding(REPUTATION, 0.0, "the address is on no feed's list")
_NO_FEEDS: Final = Finding(REPUTATION, 0.0, "unknown: there are no feeds", is_known=False)
_WHOLE: Final = 100.0


@dataclass(frozen=True, slots=True)
class Hit:
    """One feed's word on one address.

    Attributes:
        confidence: 0 to 100, after decay.
        indicator: as it stands in the table, with its confidence before decay.
        is_strong: whether the confidence is enough for what the feed means.
    """

    feed: str
    meaning: Meaning
    confidence: float
    indicator: Indicator
    is_strong: bool

    @property
    def network(self) -> str:
        """The listed network, or the name's digest in hexadecimal."""
        return words_of(self.indicator.family, self.indicator.start, self.indicator.length)

    @property
    def first_seen(self) -> datetime | None:
        """When the feed, or we in it, first saw it; nothing for unknown."""
        return time_of(self.indicator.first_seen)

    @property
    def expires_at(self) -> datetime | None:
        """When it stops to count; nothing for "when the feed is stale"."""
        return time_of(self.indicator.until)


@dataclass(frozen=True, slots=True)
class ReputationVerdict:
    """What all feeds together say of one address.

    Attributes:
        hits: one for each feed that lists it, the surest first.
        confidence: that the address is one of an attacker, 0 to 100.
        traits: what its network is.
        standing: what lists would say, had the feeds' strong entries been put on them; nothing where there are none.
        finding: the same as evidence in log-odds, never above `MOST_LOG_ODDS`.
    """

    hits: tuple[Hit, ...] = ()
    confidence: float = 0.0
    traits: NetworkTraits = NO_TRAITS
    finding: Finding = _CLEAN
    standing: Standing | None = None

    @property
    def feeds(self) -> tuple[str, ...]:
        """Name the feeds that list it, the surest first."""
        return tuple(hit.feed for hit in self.hits)

    @property
    def is_blocked(self) -> bool:
        """Whether a feed that means `block` is sure enough."""
        return self.standing is not None and self.standing.blocked

    @property
    def is_suspicious(self) -> bool:
        """Whether a feed that means `block` or `suspicious` is sure enough."""
        return self.standing is not None


UNKNOWN: Final = ReputationVerdict(finding=_NO_FEEDS)
_NOT_LISTED: Final = ReputationVerdict()
_UNREADABLE: Final = ReputationVerdict(
    finding=Finding(REPUTATION, 0.0, "unknown: a table of a feed cannot be read", is_known=False)
)


class TraitsSource(Protocol):
    """A database of what networks are."""

    def traits_of(self, bits: int, number: int) -> NetworkTraits:
        """Return what is known; never raises."""
        ...

    @property
    def problem(self) -> str | None:
        """Return the last failure of a look-up, or nothing."""
        ...


@dataclass(frozen=True, slots=True)
class FeedInForce:
    """One feed's table and until when it counts.

    Attributes:
        confirmed: minute of the last good answer; entries without a time of their own are as old as that.
        stale_at: minute from which it contributes nothing.
    """

    settings: FeedSettings
    index: FeedIndex
    confirmed: int
    stale_at: int


class Reputation:
    """The feeds in force; replaced one by one, each at once.

    Args:
        traits: databases of the operator, asked when no feed answers.
    """

    def __init__(self, traits: Sequence[TraitsSource] = ()) -> None:
        self._traits = tuple(traits)
        self._feeds: tuple[FeedInForce, ...] = ()
        self._minute = -1
        self._known: dict[str, ReputationVerdict] = {}
        self._versions: Mapping[str, str] = MappingProxyType({})

    def put(self, feed: FeedInForce) -> None:
        """Put a feed in force in place of its former table."""
        self._replace((*self._without(feed.settings.name), feed))

    def drop(self, name: str) -> None:
        """Take a feed out of force."""
        self._replace(self._without(name))

    def _without(self, name: str) -> tuple[FeedInForce, ...]:
        return tuple(each for each in self._feeds if each.settings.name != name)

    def _replace(self, feeds: Sequence[FeedInForce]) -> None:
        self._feeds = tuple(sorted(feeds, key=lambda each: each.settings.name))
        self._versions = MappingProxyType({each.settings.name: each.index.digest[:12] for each in self._feeds})
        self._known = {}

    @property
    def feeds(self) -> tuple[FeedInForce, ...]:
        """Every feed that has a table, stale ones too."""
        return self._feeds

    def versions(self) -> Mapping[str, str]:
        """Return the version of each feed's data, for whoever records what was read."""
        return self._versions

    @property
    def problems(self) -> tuple[str, ...]:
        """Tell which databases failed at a look-up since they were opened."""
        return tuple(source.problem for source in self._traits if source.problem)

    def of(self, address: str, now: datetime) -> ReputationVerdict:
        """Say what the feeds hold of an address; never raises.

        A verdict holds for one minute: it depends on the address, the minute and the feeds in force, and on nothing
        else, so that the same question has the same answer to the bit.
        """
        if not self._feeds and not self._traits:
            return UNKNOWN
        # Prevents: a huge header filling the memory.
        if len(address) > _LONGEST_ADDRESS:
            return _NOT_LISTED
        minute = int(now.timestamp()) // 60
        if minute != self._minute or len(self._known) >= _REMEMBERED:
            self._minute, self._known = minute, {}
        found = self._known.get(address)
        if found is None:
            try:
                found = self._judge(address, minute)
            except Exception:  # noqa: BLE001  # whatever stands in a table, a decision must not fail on it
                found = _UNREADABLE
            self._known[address] = found
        return found

    def of_name(self, kind: IndicatorKind, name: str, now: datetime) -> tuple[Hit, ...]:
        """Say which feeds list a domain, a URL or the hash of a file, the surest first."""
        written = canonical(kind, name)
        if isinstance(written, Refusal):
            return ()  # no feed can hold it
        minute, digest = int(now.timestamp()) // 60, digest_of(kind, written)
        hits = [
            _hit(each, found, minute)
            for each in self._feeds
            if minute < each.stale_at and (found := each.index.named(digest, minute))
        ]
        return tuple(sorted(hits, key=_surest_first))

    def about(self, value: str, now: datetime) -> tuple[Hit, ...]:
        """Say which feeds list an address, a domain, a URL or the hash of a file, the surest first."""
        kind = guess_kind(value)
        return self.of(value, now).hits if kind is IndicatorKind.ADDRESS else self.of_name(kind, value, now)

    def joined(self, standing: Standing, address: str, now: datetime) -> Standing:
        """Add what the feeds say to what the lists of administrators and files say.

        What people of the organisation listed stands: an allowed network is not blocked or doubted by a stranger.

        # Prevents: whoever can get an address onto a public list shutting the organisation's own office out.
        """
        if standing.allowed or standing.blocked or not self._feeds:
            return standing
        own = self.of(address, now).standing
        return standing if own is None or (standing.suspicious and not own.blocked) else own

    def _judge(self, address: str, minute: int) -> ReputationVerdict:
        read = read_address(address)
        if not read.bits:
            return _NOT_LISTED
        keys = [(read.bits, read.number)]
        # Prevents: walking around a listed IPv4 network inside 6to4, Teredo or NAT64.
        if read.embedded is not None:
            keys.append((V4_BITS, read.embedded))
        hits: list[Hit] = []
        stale: list[str] = []
        for feed in self._feeds:
            if minute >= feed.stale_at:
                stale.append(feed.settings.name)
                continue
            for bits, number in keys:
                around = feed.index.around(bits, number, minute)
                if around:
                    # Prevents: a weak or faded entry for one address hiding a sure one for the network around it.
                    hits.append(max((_hit(feed, row, minute) for row in around), key=_confidence))
        traits = self._traits_of(keys, hits)
        if not hits:
            finding = _stale(stale) if stale else _CLEAN if self._feeds else _NO_FEEDS
            is_plain = finding is _CLEAN and traits == NO_TRAITS
            return _NOT_LISTED if is_plain else ReputationVerdict(traits=traits, finding=finding)
        hits.sort(key=_surest_first)
        against = [hit for hit in hits if hit.meaning in _AGAINST]
        confidence = against[0].confidence if against else 0.0
        return ReputationVerdict(tuple(hits), confidence, traits, _finding(against, stale), _standing(against))

    def _traits_of(self, keys: Sequence[tuple[int, int]], hits: Sequence[Hit]) -> NetworkTraits:
        meanings = {hit.meaning for hit in hits if hit.is_strong}
        known = [source.traits_of(bits, number) for source in self._traits for bits, number in keys]
        return NetworkTraits(
            is_hosting=Meaning.HOSTING in meanings or any(each.is_hosting for each in known),
            is_vpn=Meaning.VPN in meanings or any(each.is_vpn for each in known),
            is_tor=Meaning.TOR in meanings or any(each.is_tor for each in known),
            is_mobile=Meaning.MOBILE in meanings or any(each.is_mobile for each in known),
        )


def _hit(feed: FeedInForce, row: Indicator, minute: int) -> Hit:
    settings = feed.settings
    age = minute - (row.seen or feed.confirmed)
    confidence = round(decayed(row.confidence, age, settings.half_life_min(row.kind)), 3)
    return Hit(settings.name, settings.meaning, confidence, row, is_strong=confidence >= settings.min_confidence)


def _standing(against: Sequence[Hit]) -> Standing | None:
    strong = [hit for hit in against if hit.is_strong]
    if not strong:
        return None
    decisive = next((hit for hit in strong if hit.meaning is Meaning.BLOCK), strong[0])
    return Standing(
        blocked=decisive.meaning is Meaning.BLOCK,
        suspicious=True,
        reason=f"feed {decisive.feed} lists {decisive.network}",
        expires_at=decisive.expires_at,
    )


def _finding(against: Sequence[Hit], stale: Sequence[str]) -> Finding:
    if not against:
        return _stale(stale) if stale else _CLEAN
    first = against[0]
    others = ", ".join(dict.fromkeys(hit.feed for hit in against[1:]))
    detail = f"listed by {first.feed}: {first.network}, confidence {first.confidence:.0f} of 100"
    if others:
        detail += f"; by {others} too"
    return Finding(REPUTATION, MOST_LOG_ODDS * first.confidence / _WHOLE, detail)


def _stale(names: Sequence[str]) -> Finding:
    words = f"unknown: {', '.join(names)} was not refreshed in time and does not count"
    return Finding(REPUTATION, 0.0, words, is_known=False)


def _confidence(hit: Hit) -> float:
    return hit.confidence


def _surest_first(hit: Hit) -> tuple[float, str]:
    return -hit.confidence, hit.feed
