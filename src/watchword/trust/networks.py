"""Lists of networks in memory: parse them, and find what covers an address in time that no list's length changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from watchword.kernel import V4_BITS, V6_BITS
from watchword.trust.addresses import read_address
from watchword.trust.errors import NetworkMalformedError, NetworkTooBroadError, PlaceDataError
from watchword.trust.model import NetworkList, Standing

# Broader than any one organisation's allocation: a typing error rather than an intent.
_BROADEST = {4: 8, 6: 19}
_LONGEST = 64
_MAX_FILE_BYTES = 64 << 20
_LONGEST_LINE = 400
_UNLISTED = Standing()

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Entry:
    """One listing.

    Attributes:
        source: `admin`, or `file:NAME` for what a file lists.
        expires_at: when it stops to count; nothing means never.
    """

    reason: str = ""
    source: str = "admin"
    expires_at: datetime | None = None


def parse_network(text: str, *, allow_broad: bool = False) -> Network:
    """Read one network or address; host bits are cut off, and IPv4 inside IPv6 (`::ffff:`) becomes IPv4.

    Raises:
        NetworkMalformedError: it is neither.
        NetworkTooBroadError: it covers a large part of the internet and `allow_broad` does not say that this is meant.
    """
    text = text.strip()
    try:
        # A scope (`fe80::1%eth0`) belongs to one machine's interface; cut, so that it is refused as malformed.
        network = ip_network("" if "%" in text else text[: _LONGEST + 1], strict=False)
    except ValueError:
        raise NetworkMalformedError(
            f"`{text[:_LONGEST]}` is no network", hint="write it as 192.0.2.0/24 or 2001:db8::/32"
        ) from None
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped and network.prefixlen >= V6_BITS - V4_BITS:
        network = IPv4Network((mapped, network.prefixlen - (V6_BITS - V4_BITS)))
    # Prevents: one slip of the hand (0.0.0.0/0) locking everybody out, or letting everybody count as allowed.
    if network.prefixlen < _BROADEST[network.version] and not allow_broad:
        raise NetworkTooBroadError(
            f"`{network}` covers too much",
            hint=f"list /{_BROADEST[network.version]} or narrower, or say explicitly that you mean it",
        )
    return network


def read_list(path: Path, *, allow_broad: bool = False) -> Iterator[Network]:
    """Yield the networks of a plain list: one a line, `#` and `;` begin a comment.

    Raises:
        PlaceDataError: the file cannot be read, is too large, or a line is no network; nothing of it is used then.
    """
    try:
        # Prevents: a pipe that nobody writes into, or a device without an end, holding the start.
        if path.exists() and not path.is_file():
            raise PlaceDataError(f"the list `{path}` is no file")
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            raise PlaceDataError(f"the list `{path}` is larger than {_MAX_FILE_BYTES >> 20} MB")
        text = content.decode("utf-8-sig")  # editors on Windows put a mark before it
    except (OSError, UnicodeDecodeError) as error:
        raise PlaceDataError(f"the list `{path}` cannot be read", hint=str(error)) from error
    for number, line in enumerate(text.splitlines(), start=1):
        words = line[:_LONGEST_LINE].split("#", 1)[0].split(";", 1)[0].split()
        if not words:
            continue
        try:
            yield parse_network(words[0], allow_broad=allow_broad)
        except (NetworkMalformedError, NetworkTooBroadError) as error:
            raise PlaceDataError(f"line {number} of `{path}`: {error.message}", hint=error.hint) from error


class PrefixTable:
    """Networks to entries; a look-up costs one dictionary probe for each prefix length in use."""

    def __init__(self) -> None:
        self._by_length: dict[int, dict[int, dict[int, Entry]]] = {V4_BITS: {}, V6_BITS: {}}

    def put(self, network: Network, entry: Entry) -> None:
        """Add or replace."""
        bits = network.max_prefixlen
        table = self._by_length[bits]
        if network.prefixlen not in table:
            # Longest first, so that the first hit is the most specific.
            table[network.prefixlen] = {}
            self._by_length[bits] = dict(sorted(table.items(), reverse=True))
        key = int(network.network_address) >> (bits - network.prefixlen)
        self._by_length[bits][network.prefixlen][key] = entry

    def drop(self, network: Network) -> None:
        """Remove, if it is there."""
        bits = network.max_prefixlen
        entries = self._by_length[bits].get(network.prefixlen, {})
        entries.pop(int(network.network_address) >> (bits - network.prefixlen), None)
        if not entries:
            self._by_length[bits].pop(network.prefixlen, None)

    def find(self, bits: int, number: int, now: datetime) -> tuple[int, Entry] | None:
        """Return the prefix length and entry of the most specific network that covers the address and is in force."""
        for length, entries in self._by_length[bits].items():
            entry = entries.get(number >> (bits - length))
            if entry is not None and (entry.expires_at is None or now < entry.expires_at):
                return length, entry
        return None

    def __len__(self) -> int:
        return sum(len(entries) for table in self._by_length.values() for entries in table.values())


class NetworkTables:
    """The three lists, each by source, and the rule that joins them.

    An address is blocked (or suspicious) by its most specific entry unless an entry of the allow list is more
    specific still; at equal length the block wins.
    """

    def __init__(self) -> None:
        self._tables: dict[NetworkList, dict[str, PrefixTable]] = {kind: {} for kind in NetworkList}

    def put(self, kind: NetworkList, network: Network, entry: Entry) -> None:
        """Add or replace one entry of its source."""
        self._tables[kind].setdefault(entry.source, PrefixTable()).put(network, entry)

    def drop(self, kind: NetworkList, network: Network, source: str = "admin") -> None:
        """Remove one entry of a source, if it is there."""
        if source in self._tables[kind]:
            self._tables[kind][source].drop(network)

    def replace(self, kind: NetworkList, source: str, table: PrefixTable) -> None:
        """Put a whole source in place of what it listed before."""
        self._tables[kind][source] = table

    def standing(self, ip: str, now: datetime) -> Standing:
        """Say what the lists hold against or for an address; a malformed one is suspicious."""
        address = read_address(ip)
        if not address.bits:
            return Standing(suspicious=True, reason="the address cannot be read")
        allowed = self._find(NetworkList.ALLOW, address.bits, address.number, now)
        blocked = self._find(NetworkList.BLOCK, address.bits, address.number, now)
        doubted = self._find(NetworkList.SUSPICIOUS, address.bits, address.number, now)
        if allowed is None and blocked is None and doubted is None and address.embedded is None:
            return _UNLISTED
        is_allowed = allowed is not None and (blocked is None or allowed[0] > blocked[0])
        is_blocked = blocked is not None and not is_allowed
        is_doubted = doubted is not None and (allowed is None or doubted[0] >= allowed[0])
        if address.embedded is not None:
            # Prevents: walking around a listed IPv4 network inside 6to4, Teredo or NAT64. What is inside can only
            # count against the request: an address that merely embeds an allowed one is not allowed by that.
            inner_block = self._find(NetworkList.BLOCK, V4_BITS, address.embedded, now)
            inner_doubt = self._find(NetworkList.SUSPICIOUS, V4_BITS, address.embedded, now)
            blocked, is_blocked = (inner_block, True) if inner_block and not is_blocked else (blocked, is_blocked)
            doubted, is_doubted = (inner_doubt, True) if inner_doubt and not is_doubted else (doubted, is_doubted)
        decisive = (
            (blocked if is_blocked else None) or (doubted if is_doubted else None) or (allowed if is_allowed else None)
        )
        return Standing(
            blocked=is_blocked,
            allowed=is_allowed and not is_blocked,
            suspicious=is_doubted,
            reason=decisive[1].reason if decisive else "",
            expires_at=decisive[1].expires_at if decisive else None,
        )

    def _find(self, kind: NetworkList, bits: int, number: int, now: datetime) -> tuple[int, Entry] | None:
        best: tuple[int, Entry] | None = None
        for table in self._tables[kind].values():
            found = table.find(bits, number, now)
            if found is not None and (best is None or found[0] > best[0]):
                best = found
        return best
