"""This room's slice of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from types import MappingProxyType

from watchword.kernel import Sensitivity
from watchword.kernel.settings import setting
from watchword.trust.feeds.settings import FeedSettings
from watchword.trust.model import DEFAULT_THRESHOLDS, NetworkList, Thresholds, WorkingHours

_WEEK = range(1, 8)
_LEAST_HABITS, _MOST_HABITS = 10, 1_000_000

ADDITIVE = "additive"
TRUST_SCORE = "trust-score"
STATISTICAL = "statistical"
FREEMAN = "freeman"
PROFILES = (ADDITIVE, TRUST_SCORE, STATISTICAL, FREEMAN)
# Those that compare with what they have learned, and so need something to learn from.
LEARNING = (STATISTICAL, FREEMAN)
# Each feed costs every request a look-up of a microsecond, once a minute for each address.
_MOST_FEEDS = 64


@dataclass(frozen=True, slots=True)
class ThresholdSettings:
    """The thresholds for one sensitivity."""

    step_up: int = setting("Risk from which a second factor is asked for, 1 to 100.")
    deny: int = setting("Risk from which the answer is no, or approval, 1 to 100.")

    def __post_init__(self) -> None:
        """Hold the order."""
        Thresholds(self.step_up, self.deny)


@dataclass(frozen=True, slots=True)
class NetworkFileSettings:
    """A plain list of networks, one a line."""

    path: str = setting("Path of the file; `#` and `;` begin a comment.")
    kind: NetworkList = setting("`block`, `allow` or `suspicious`.")  # makes a field, not a value
    reason: str = setting("Why, for people.", default="listed by the operator")
    allow_broad: bool = setting("Accept networks that cover a large part of the internet.", default=False)


@dataclass(frozen=True, slots=True)
class TrustSettings:
    """What trust is computed from."""

    place_file: str = setting(
        "Table of address ranges made by `tools/places.py` from data of your own; empty means the shipped one.",
        default="",
    )
    city_file: str = setting("MaxMind or DB-IP city database (.mmdb) of your own; empty for none.", default="")
    asn_file: str = setting(
        "MaxMind, DB-IP or IPtoASN database of autonomous systems (.mmdb); empty for none.", default=""
    )
    networks: tuple[NetworkFileSettings, ...] = setting("Files with lists of networks.", default=())
    feeds: tuple[FeedSettings, ...] = setting("Feeds of threat intelligence, fetched on a schedule.", default=())
    traits_files: tuple[str, ...] = setting(
        "MaxMind-form databases of your own that say what networks are: Anonymous-IP, Enterprise and their like.",
        default=(),
    )
    working_days: tuple[int, ...] = setting("Working days, 1 for Monday to 7.", default=(1, 2, 3, 4, 5))
    working_from: str = setting("Working hours begin, in each user's own zone.", default="08:00")
    working_until: str = setting("Working hours end; before the beginning means past midnight.", default="18:00")
    profile: str = setting(
        "How trust is computed where an application does not say: `additive`, `trust-score`, `statistical` or "
        "`freeman`; the last two then hold at sign-in, too.",
        default=ADDITIVE,
    )
    learn_ahead: tuple[str, ...] = setting(
        "Profiles to learn for before any application uses them: `statistical`, `freeman`. A node learns for those in "
        "use by themselves, and for no others.",
        default=(),
    )
    habits_in_memory: int = setting(
        "How many users' habits are held in memory, for each profile that learns; those used least recently are read "
        "from storage when needed.",
        default=10_000,
    )
    thresholds: Mapping[str, ThresholdSettings] = setting(
        "Thresholds by sensitivity, over the defaults: public, internal, confidential, restricted.", factory=dict
    )

    def __post_init__(self) -> None:
        """Refuse days, hours and thresholds that cannot be meant."""
        if self.profile not in PROFILES:
            raise ValueError(f"no profile is called `{self.profile}`: use {', '.join(PROFILES)}")
        if not set(self.learn_ahead) <= set(LEARNING):
            raise ValueError(f"`learn_ahead` can name {' and '.join(LEARNING)}")
        if not _LEAST_HABITS <= self.habits_in_memory <= _MOST_HABITS:
            raise ValueError(f"`habits_in_memory` must lie between {_LEAST_HABITS} and {_MOST_HABITS}")
        if not set(self.working_days) <= set(_WEEK):
            raise ValueError("`working_days` are numbers from 1 (Monday) to 7")
        for value in (self.working_from, self.working_until):
            # The decision counts on it: between two turns of a minute nobody's hours begin or end.
            if time.fromisoformat(value) != time.fromisoformat(value).replace(second=0, microsecond=0):
                raise ValueError("working hours begin and end with a whole minute")
        names = [feed.name for feed in self.feeds]
        if len(set(names)) != len(names):
            raise ValueError("two feeds have the same name")
        if len(names) > _MOST_FEEDS:
            raise ValueError(f"there are more than {_MOST_FEEDS} feeds")
        self.risk_thresholds()

    def working_hours(self) -> WorkingHours:
        """Return the working hours as the model wants them."""
        return WorkingHours(
            frozenset(self.working_days), time.fromisoformat(self.working_from), time.fromisoformat(self.working_until)
        )

    def risk_thresholds(self) -> Mapping[Sensitivity, Thresholds]:
        """Return the defaults with what was configured over them."""
        unknown = self.thresholds.keys() - set(Sensitivity)
        if unknown:
            raise ValueError(f"no sensitivity is called `{min(unknown)}`")
        own = {Sensitivity(name): Thresholds(given.step_up, given.deny) for name, given in self.thresholds.items()}
        return MappingProxyType({**DEFAULT_THRESHOLDS, **own})
