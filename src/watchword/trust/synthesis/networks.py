"""Networks and addresses: which /24 or /48 a line is in, and what a database of places makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from zlib import crc32

from watchword.trust.model import Place
from watchword.trust.observation import NetworkTraits
from watchword.trust.synthesis.draws import Chance, Choice, choice_of, mixed
from watchword.trust.synthesis.geography import BY_COUNTRY, CITIES, City
from watchword.trust.synthesis.locating import locate
from watchword.trust.synthesis.providers import PROVIDERS, Line, Provider

HERE = 48  # networks a provider has in one city
_BLOCK = 4_096  # networks a provider has: a /12
_FIRST = 20 << 16  # 20.0.0.0, as a count of /24s: from here up to 95.255.255.0 nothing is special
_HOSTS = 254
V6_SHARE = 0.3  # of households; an assumption
_TRAITS = {
    Line.FIXED: NetworkTraits(),
    Line.MOBILE: NetworkTraits(is_mobile=True),
    Line.HOSTING: NetworkTraits(is_hosting=True),
    Line.VPN: NetworkTraits(is_hosting=True, is_vpn=True),
    Line.TOR: NetworkTraits(is_hosting=True, is_tor=True),
}
_SHARED = NetworkTraits(is_shared=True)
# How many of 10,000 networks that people use are on somebody's list all the same; an assumption.
_LISTED_TOR = 9_000
_LISTED_HOSTING = 600
_LISTED_MOBILE = 100
_LISTED = 30


@dataclass(frozen=True, slots=True)
class Network:
    """One /24 or /48.

    Attributes:
        text: as an observation has it.
        prefix: what stands before the host's part of an address.
        place: where a database puts it, which is not always where it is.
    """

    text: str
    prefix: str
    is_v6: bool
    place: Place
    traits: NetworkTraits

    def address(self, host: int) -> str:
        """Return one of its addresses."""
        if not self.is_v6:
            return f"{self.prefix}{1 + host % _HOSTS}"
        # A household's /64 in the /48, and an interface identifier that changes (RFC 8981).
        return (
            f"{self.prefix}:{host & 0xFFFF:x}:{host >> 16 & 0xFFFF:x}:{host >> 32 & 0xFFFF:x}:{host >> 48 & 0xFFFF:x}"
        )


@lru_cache(maxsize=16_384)
def network_of(provider: int, city: int, slot: int, *, is_v6: bool = False, is_shared: bool = False) -> Network:
    """Return a network of a provider in a city; the same arguments name the same network in every run."""
    line = PROVIDERS[provider]
    within = (_city_rank(line, city) * HERE + slot % HERE) % _BLOCK
    number = _FIRST + provider * _BLOCK + within
    text = f"{number >> 16}.{number >> 8 & 255}.{number & 255}"
    prefix, full = f"{text}.", f"{text}.0/24"
    if is_v6:  # 2a00::/12 belongs to the RIPE NCC; which part of it does not matter here
        prefix = f"2a{provider & 255:02x}:{within:x}:{city:x}"
        full = f"{prefix}::/48"
        prefix += ":0"
    traits = _SHARED if is_shared else _TRAITS[line.line]
    return Network(full, prefix, is_v6, locate(line, CITIES[city], number), traits)


def _city_rank(provider: Provider, city: int) -> int:
    if not provider.country:
        return city
    return BY_COUNTRY[provider.country].index(CITIES[city])


@cache
def providers_in(country: str, line: Line) -> Choice[Provider]:
    """Return who offers such lines there; hosting, VPN and Tor are offered everywhere by the same."""
    found = [one for one in PROVIDERS if one.line is line and one.country in {"", country}]
    return choice_of(found, [one.weight for one in found])


def is_listed(network: str, traits: NetworkTraits) -> bool:
    """Tell whether a network that honest people use is on a public list."""
    share = _LISTED_MOBILE if traits.is_mobile else _LISTED
    if traits.is_hosting:
        share = _LISTED_TOR if traits.is_tor else _LISTED_HOSTING
    return crc32(network.encode()) % 10_000 < share


@dataclass(frozen=True, slots=True)
class Where:
    """An address in use at some time."""

    network: Network
    ip: str


@dataclass(frozen=True, slots=True)
class Access:
    """One line that somebody uses again and again: an office, a household, a subscription.

    Attributes:
        lease_days: how long an address stays; a household's changes daily to yearly, by provider and contract.
        spread: over how many neighbouring networks the provider hands addresses out.
        seed: makes it different from its neighbours.
    """

    provider: int
    city: int
    slot: int
    seed: int
    lease_days: float = 90.0
    spread: int = 1
    is_v6: bool = False
    is_shared: bool = False

    def at(self, at: float) -> Where:
        """Return the address that the line has at a time."""
        lease = int(at / (self.lease_days * 86_400) + (self.seed & 1023) / 1024)
        chance = mixed(self.seed, lease)
        slot = self.slot + (chance >> 40) % self.spread if self.spread > 1 else self.slot
        network = network_of(self.provider, self.city, slot, is_v6=self.is_v6, is_shared=self.is_shared)
        if not self.is_v6:
            return Where(network, network.address(chance >> 8))
        # The household keeps its prefix; the device's own part of the address changes each day.
        return Where(network, network.address((self.seed & 0xFFFF) | (mixed(chance, int(at / 86_400)) >> 16 << 16)))


def draw_access(chance: Chance, city: City, line: Line, **changes: object) -> Access:
    """Draw a line of somebody in a city."""
    provider = providers_in(city.country, line).draw(chance)
    return _access(chance, provider, city, **changes)


def _access(chance: Chance, provider: Provider, city: City, **changes: object) -> Access:
    return Access(
        provider.number,
        city.number,
        chance.randrange(HERE),
        chance.getrandbits(48),
        **changes,  # type: ignore[arg-type]
    )
