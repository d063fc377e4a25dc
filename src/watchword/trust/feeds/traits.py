"""What an operator's own database says of networks: hosting, VPN, Tor, mobile.

Source: the record layouts of GeoIP2 Anonymous IP, Anonymous Plus, Connection Type, Enterprise and Insights as MaxMind
documents them; a record may hold its flags at the top or below `traits`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from watchword.trust.mmdb import OperatorDatabase
from watchword.trust.observation import NO_TRAITS, NetworkTraits

_REMEMBERED: Final = 16_384
_HOSTING: Final = ("is_hosting_provider",)
# A residential proxy hides who asks as a VPN does.
_VPN: Final = ("is_anonymous_vpn", "is_public_proxy", "is_residential_proxy", "is_anonymous_proxy")
_TOR: Final = ("is_tor_exit_node",)


class TraitsDatabase:
    """One database, opened and probed; a look-up of a new address takes up to 90 us and is remembered.

    Raises:
        PlaceDataError: the file is missing, cut off, damaged, or no such database.
    """

    def __init__(self, path: Path) -> None:
        self._database = OperatorDatabase(path, _read)
        self.traits_of = lru_cache(maxsize=_REMEMBERED)(self._look_up)

    @property
    def source(self) -> str:
        """Its type and build time."""
        return self._database.source

    @property
    def problem(self) -> str | None:
        """The last failure of a look-up, or nothing."""
        return self._database.problem

    def _look_up(self, bits: int, number: int) -> NetworkTraits:
        found = self._database.find(bits, number)
        return NetworkTraits(**found) if found else NO_TRAITS


def open_traits(paths: Sequence[str]) -> tuple[TraitsDatabase, ...]:
    """Open every database.

    Raises:
        PlaceDataError: one of them is missing or damaged.
    """
    return tuple(TraitsDatabase(Path(path)) for path in paths)


def _read(record: dict[str, Any]) -> dict[str, Any]:
    held = record.get("traits")
    flags: Mapping[str, Any] = held if isinstance(held, dict) else record
    connection, user = flags.get("connection_type"), flags.get("user_type")
    return {
        "is_hosting": _any(flags, _HOSTING) or user == "hosting",
        "is_vpn": _any(flags, _VPN),
        "is_tor": _any(flags, _TOR),
        "is_mobile": connection == "Cellular" or user == "cellular",
    }


def _any(flags: Mapping[str, Any], names: Sequence[str]) -> bool:
    return any(flags.get(name) is True for name in names)
