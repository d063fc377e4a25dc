"""One feed of the configuration: where it is, how it is read, what it means and how long that holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from watchword.kernel.settings import setting
from watchword.outbound import check_url
from watchword.trust.feeds.coverage import HALF_PERCENT
from watchword.trust.feeds.model import IndicatorKind, Meaning

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_WHOLE = 100
_SHORTEST_MIN, _LONGEST_MIN = 1.0, 10_080.0
_LONGEST_DAYS = 3_650.0
_MOST_ENTRIES, _MOST_MB = 5_000_000, 1_024
# What nobody lists by mistake: 93 million addresses, about six times a /8. Ours; lists of whole countries are larger.
_MOST_PERCENT: Final[Mapping[Meaning, float]] = MappingProxyType({Meaning.BLOCK: 3.0, Meaning.SUSPICIOUS: 3.0})
_COLUMNS: Final = frozenset({"value", "confidence", "first_seen", "last_seen", "valid_until"})
# How fast a listing loses its weight: addresses change hands within weeks, a file's content never.
HALF_LIFE_DAYS: Mapping[IndicatorKind, float] = MappingProxyType(
    {
        IndicatorKind.ADDRESS: 14.0,
        IndicatorKind.DOMAIN: 60.0,
        IndicatorKind.URL: 30.0,
        IndicatorKind.FILE: 365.0,
    }
)


class FeedFormat(StrEnum):
    """How a feed is written, and by which protocol it comes."""

    PLAIN = "plain"
    CSV = "csv"
    MISP = "misp"
    MISP_FEED = "misp-feed"
    STIX = "stix"
    TAXII = "taxii"


class FeedAuth(StrEnum):
    """How the credential is shown to the server."""

    NONE = "none"
    BASIC = "basic"
    BEARER = "bearer"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """One feed of threat intelligence, or of what networks are."""

    name: str = setting("Its name in reasons, events and commands: small letters, digits and dashes, at most 40.")
    format: FeedFormat = setting(
        "`plain`, `csv`, `misp`, `misp-feed` (a folder of MISP events), `stix` (a bundle) or `taxii` (a TAXII 2.1 "
        "server)."
    )
    url: str = setting(
        "https address; for `taxii` of the discovery, the API root or a collection, for `misp-feed` of the folder.",
        default="",
    )
    file: str = setting("Path of a file on this machine, instead of `url`.", default="")
    collection: str = setting("For `taxii`: id, alias or title of the collection.", default="")
    meaning: Meaning = setting(
        "What its entries mean: `block`, `suspicious`, `hosting`, `vpn`, `tor` or `mobile`.", default=Meaning.SUSPICIOUS
    )
    every_min: float = setting("Minutes between two looks, 1 to 10080.", default=60.0)
    stale_periods: int = setting(
        "After so many periods without a good answer the feed is stale and contributes nothing, 1 to 100.", default=3
    )
    confidence: int = setting(
        "How far the feed is believed, 1 to 100; an entry's own confidence is taken as a share of it.", default=75
    )
    min_confidence: int = setting(
        "What being listed means holds while the confidence, after decay, is at least this, 1 to 100.", default=30
    )
    expiry_days: float = setting("Days after which an entry without an end of its own counts no more.", default=30.0)
    half_life_days: float = setting(
        "Days in which an entry loses half its confidence; 0 means by kind: addresses 14, URLs 30, domains 60, "
        "files 365.",
        default=0.0,
    )
    columns: Mapping[str, str] = setting(
        "For `csv`: the column, by its name or its number from 1, of `value` and, where there are, of `confidence`, "
        "`first_seen`, `last_seen` and `valid_until`.",
        factory=dict,
    )
    delimiter: str = setting("For `csv`: what stands between two columns.", default=",")
    auth: FeedAuth = setting("`none`, `basic` (user:password), `bearer` or `header`.", default=FeedAuth.NONE)
    auth_header: str = setting("For `auth = header`: the name of the header.", default="Authorization")
    credential_variable: str = setting("Environment variable that holds the credential.", default="")
    credential_file: str = setting("File that holds the credential, instead of a variable.", default="")
    ca_file: str = setting("Certificates in PEM to trust instead of the system's; empty means those.", default="")
    allow_private: bool = setting(
        "Let the address, or where it redirects to, lie in a private network or on this machine.", default=False
    )
    max_entries: int = setting("A feed with more entries is refused, 1 to 5000000.", default=1_000_000)
    max_percent: float = setting(
        "A feed that covers more per cent of the Internet's addresses in use, of IPv4 or of IPv6, is refused, at most "
        "50; 0 means by meaning: 3 for `block` and `suspicious`, 50 for the others.",
        default=0.0,
    )
    max_mb: int = setting("A feed of more megabytes is refused, 1 to 1024.", default=64)

    def __post_init__(self) -> None:
        """Refuse what could never be followed, before anything starts.

        Raises:
            ValueError: a name, address, number, column or credential cannot be meant.
        """
        if not _NAME.fullmatch(self.name):
            raise ValueError("a feed's name is made of small letters, digits and dashes, at most 40")
        if bool(self.url) == bool(self.file):
            raise ValueError(f"the feed `{self.name}` needs either `url` or `file`")
        if self.url:
            check_url(self.url)
        if self.format in {FeedFormat.TAXII, FeedFormat.MISP_FEED} and not self.url:
            raise ValueError(f"the feed `{self.name}` needs a `url`: `{self.format}` is on a server")
        self._check_numbers()
        self._check_columns()
        self._check_credential()

    def half_life_min(self, kind: IndicatorKind) -> float:
        """Return the minutes in which an entry of this kind loses half its confidence."""
        return (self.half_life_days or HALF_LIFE_DAYS[kind]) * 1440

    @property
    def most_percent(self) -> float:
        """Return how much of the Internet the feed may cover."""
        return self.max_percent or _MOST_PERCENT.get(self.meaning, HALF_PERCENT)

    def _check_numbers(self) -> None:
        bounds = (
            ("every_min", self.every_min, _SHORTEST_MIN, _LONGEST_MIN),
            ("stale_periods", self.stale_periods, 1, _WHOLE),
            ("confidence", self.confidence, 1, _WHOLE),
            ("min_confidence", self.min_confidence, 1, _WHOLE),
            ("expiry_days", self.expiry_days, 1 / 24, _LONGEST_DAYS),
            ("half_life_days", self.half_life_days or 1, 1 / 24, _LONGEST_DAYS),
            ("max_entries", self.max_entries, 1, _MOST_ENTRIES),
            ("max_percent", self.max_percent, 0, HALF_PERCENT),
            ("max_mb", self.max_mb, 1, _MOST_MB),
        )
        for name, value, least, most in bounds:
            if not least <= value <= most:
                raise ValueError(f"`{name}` of the feed `{self.name}` must lie between {least:.4g} and {most:.8g}")

    def _check_columns(self) -> None:
        if self.format is FeedFormat.CSV:
            if "value" not in self.columns or not self.columns.keys() <= _COLUMNS:
                raise ValueError(f"`columns` of the feed `{self.name}` needs `value`, and knows {sorted(_COLUMNS)}")
            if any(not column or column == "0" for column in self.columns.values()):
                raise ValueError(f"`columns` of the feed `{self.name}` are names, or numbers from 1")
            if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
                raise ValueError(f"`delimiter` of the feed `{self.name}` is one character")
        elif self.columns:
            raise ValueError(f"the feed `{self.name}` has `columns` but is no `csv`")

    def _check_credential(self) -> None:
        given = bool(self.credential_variable) + bool(self.credential_file)
        if given != (self.auth is not FeedAuth.NONE):
            raise ValueError(
                f"the feed `{self.name}` needs `auth` together with `credential_variable` or `credential_file`"
            )
        if self.credential_variable and not _VARIABLE.fullmatch(self.credential_variable):
            raise ValueError(f"`credential_variable` of the feed `{self.name}` is the name of a variable")
        if not _HEADER.fullmatch(self.auth_header):
            raise ValueError(f"`auth_header` of the feed `{self.name}` is the name of a header")
