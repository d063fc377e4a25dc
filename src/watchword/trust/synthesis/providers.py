"""Who connects people to the internet: the names and numbers are real, every address is invented.

Each provider gets blocks of the IPv4 space of its own here, whoever owns them in truth, so that one address always
belongs to one provider and one city. Do not look these addresses up in a database of the real internet.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from enum import StrEnum

from watchword.trust.synthesis.geography import DATA


class Line(StrEnum):
    """How an address reaches the internet."""

    FIXED = "fixed"
    MOBILE = "mobile"
    HOSTING = "hosting"
    VPN = "vpn"
    TOR = "tor"


@dataclass(frozen=True, slots=True)
class Provider:
    """One autonomous system.

    Attributes:
        number: its place in `PROVIDERS`; its addresses follow from it.
        country: where it serves; the empty text for everywhere.
        weight: share of its kind in its country.
    """

    number: int
    asn: int
    organisation: str
    country: str
    line: Line
    weight: float


def _read() -> tuple[Provider, ...]:
    """Read the table.

    Source for number and name: the public registry of autonomous systems. Shares are rough, from the operators' own
    publications of subscribers; what matters is that one or two operators of a country serve most of its people.
    """
    with (DATA / "providers.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(
            Provider(
                number, int(row["asn"]), row["organisation"], row["country"], Line(row["line"]), float(row["weight"])
            )
            for number, row in enumerate(csv.DictReader(lines))
        )


PROVIDERS = _read()
