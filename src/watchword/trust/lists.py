"""The use cases of network lists: keep them, change them, answer from memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

from watchword.kernel import Clock, Entropy, Event
from watchword.storage import Database, UnitOfWork
from watchword.trust import store
from watchword.trust.errors import NetworkMalformedError, NetworkNotListedError
from watchword.trust.events import NETWORK_LISTED, NETWORK_UNLISTED
from watchword.trust.feeds import Reputation
from watchword.trust.model import NetworkList, Standing
from watchword.trust.networks import Entry, NetworkTables, PrefixTable, parse_network, read_list
from watchword.trust.settings import NetworkFileSettings

_LONGEST_REASON = 400
# Expired entries stay listed this long, so that people can see what was.
_KEEP_EXPIRED = timedelta(days=30)


class NetworkLists:
    """What the lists say, in memory, kept fresh by committed events.

    Args:
        reputation: what the feeds say, where there are any.
    """

    def __init__(self, database: Database, reputation: Reputation | None = None) -> None:
        self._database = database
        self._reputation = reputation
        self._tables = NetworkTables()
        self._files: tuple[NetworkFileSettings, ...] = ()

    async def load(self, files: Sequence[NetworkFileSettings] = ()) -> None:
        """Read every persisted entry and every file; what was in memory before is replaced as a whole.

        Raises:
            PlaceDataError: a file cannot be read or holds something else; nothing changes then.
        """
        tables = NetworkTables()
        for file in files:
            path = Path(file.path)
            entry = Entry(file.reason, f"file:{path.name}")
            table = PrefixTable()
            for network in read_list(path, allow_broad=file.allow_broad):
                table.put(network, entry)
            tables.replace(file.kind, f"file:{path}", table)
        async with self._database.read() as connection:
            for listing in await store.all_networks(connection):
                tables.put(
                    listing.kind, ip_network(listing.network), Entry(listing.reason, "admin", listing.expires_at)
                )
        self._tables = tables

    async def observe(self, events: Sequence[Event]) -> None:
        """Follow committed changes; the same event twice does no harm."""
        for event in events:
            if event.type == NETWORK_LISTED.name:
                expires = event.data.get("expires_at")
                entry = Entry(
                    str(event.data["reason"]),
                    "admin",
                    datetime.fromisoformat(expires) if isinstance(expires, str) else None,
                )
                self._tables.put(_kind(event), ip_network(str(event.data["network"])), entry)
            elif event.type == NETWORK_UNLISTED.name:
                self._tables.drop(_kind(event), ip_network(str(event.data["network"])))

    def standing(self, ip: str, now: datetime) -> Standing:
        """Say what the lists and feeds hold for or against an address; no I/O, never raises on an address."""
        standing = self._tables.standing(ip, now)
        return standing if self._reputation is None else self._reputation.joined(standing, ip, now)


def _kind(event: Event) -> NetworkList:
    return NetworkList(str(event.data["list"]))


class NetworkListing:
    """Change the lists; each act is one unit of work with its event."""

    def __init__(self, database: Database, clock: Clock, entropy: Entropy) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy

    async def add(
        self,
        kind: NetworkList,
        network: str,
        *,
        reason: str,
        actor: str,
        expires_at: datetime | None = None,
        allow_broad: bool = False,
    ) -> store.Listing:
        """Put a network on a list, or replace its entry.

        Raises:
            NetworkMalformedError: not a network, or it would have expired already.
            NetworkTooBroadError: it covers a large part of the internet; `allow_broad` says that this is meant.
        """
        now = self._clock.now()
        parsed = parse_network(network, allow_broad=allow_broad)
        if expires_at is not None and expires_at <= now:
            raise NetworkMalformedError("the listing would have expired already", hint="give a time in the future")
        listing = store.Listing(kind, str(parsed), reason.strip()[:_LONGEST_REASON], actor, now, expires_at)
        async with self._database.work() as work:
            await store.drop_expired(work.connection, now - _KEEP_EXPIRED)
            await store.put_network(work.connection, listing)
            work.emit(
                NETWORK_LISTED.at(
                    now,
                    self._entropy,
                    actor=actor,
                    subject=_subject(listing.network),
                    list=kind.value,
                    network=listing.network,
                    reason=listing.reason,
                    expires_at=expires_at.isoformat() if expires_at else None,
                )
            )
        return listing

    async def remove(self, kind: NetworkList, network: str, *, actor: str) -> None:
        """Take a network off a list.

        Raises:
            NetworkMalformedError: not a network.
            NetworkNotListedError: it is not on that list.
        """
        parsed = str(parse_network(network, allow_broad=True))
        async with self._database.work() as work:
            await self._remove(work, kind, parsed, actor)

    async def _remove(self, work: UnitOfWork, kind: NetworkList, network: str, actor: str) -> None:
        if not await store.drop_network(work.connection, kind, network):
            raise NetworkNotListedError(
                f"`{network}` is not on the {kind.value} list", hint="networks of a file are removed in the file"
            )
        work.emit(
            NETWORK_UNLISTED.at(
                self._clock.now(),
                self._entropy,
                actor=actor,
                subject=_subject(network),
                list=kind.value,
                network=network,
            )
        )

    async def entries(self) -> Sequence[store.Listing]:
        """Return every persisted entry, expired ones too, oldest first."""
        async with self._database.read() as connection:
            return await store.all_networks(connection)


def _subject(network: str) -> str:
    return f"net_{network}"
