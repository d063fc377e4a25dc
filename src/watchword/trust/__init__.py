"""Own context and trust: where a request comes from, what is usual for its user, how much risk follows.

Publishes `ContextSource`, `NetworkLists`, `TrustState` and the pure `assess`. Refuses to learn from anything but
verified outcomes, and to guess: what is not known is unknown, by name.
"""

from watchword.trust.addresses import AddressKind, network_of
from watchword.trust.agents import agent_of
from watchword.trust.attribution import Attribution, attributions
from watchword.trust.baseline import EMPTY_BASELINE, Baseline
from watchword.trust.context import ContextSource
from watchword.trust.countries import country_name, is_country
from watchword.trust.errors import (
    NetworkMalformedError,
    NetworkNotListedError,
    NetworkTooBroadError,
    PlaceDataError,
    TrustError,
)
from watchword.trust.habits import Habits
from watchword.trust.lists import NetworkListing, NetworkLists
from watchword.trust.model import (
    DEFAULT_THRESHOLDS,
    Assessment,
    Contribution,
    Evidence,
    NetworkList,
    Place,
    Sighting,
    Standing,
    Thresholds,
    Weighed,
    WorkingHours,
    level,
)
from watchword.trust.observation import Act, Agent, Finding, NetworkTraits, Observation
from watchword.trust.profiles import Profile, assess, profiles, trust_level
from watchword.trust.replay import Outcome, Replayed, replay
from watchword.trust.service import TrustState
from watchword.trust.settings import (
    ADDITIVE,
    FREEMAN,
    LEARNING,
    PROFILES,
    STATISTICAL,
    TRUST_SCORE,
    NetworkFileSettings,
    ThresholdSettings,
    TrustSettings,
)
from watchword.trust.situation import Known, KnownSignIns, Situation
from watchword.trust.store import Listing
from watchword.trust.usual import Usual, usual_for, usual_now, usual_of
from watchword.trust.wording import factor_words, indicator_words, share_words, told_of
from watchword.trust.worktime import LocalTime, clock_of, utc_offset_s

__all__ = [
    "ADDITIVE",
    "DEFAULT_THRESHOLDS",
    "EMPTY_BASELINE",
    "FREEMAN",
    "LEARNING",
    "PROFILES",
    "STATISTICAL",
    "TRUST_SCORE",
    "Act",
    "AddressKind",
    "Agent",
    "Assessment",
    "Attribution",
    "Baseline",
    "ContextSource",
    "Contribution",
    "Evidence",
    "Finding",
    "Habits",
    "Known",
    "KnownSignIns",
    "Listing",
    "LocalTime",
    "NetworkFileSettings",
    "NetworkList",
    "NetworkListing",
    "NetworkLists",
    "NetworkMalformedError",
    "NetworkNotListedError",
    "NetworkTooBroadError",
    "NetworkTraits",
    "Observation",
    "Outcome",
    "Place",
    "PlaceDataError",
    "Profile",
    "Replayed",
    "Sighting",
    "Situation",
    "Standing",
    "ThresholdSettings",
    "Thresholds",
    "TrustError",
    "TrustSettings",
    "TrustState",
    "Usual",
    "Weighed",
    "WorkingHours",
    "agent_of",
    "assess",
    "attributions",
    "clock_of",
    "country_name",
    "factor_words",
    "indicator_words",
    "is_country",
    "level",
    "network_of",
    "profiles",
    "replay",
    "share_words",
    "told_of",
    "trust_level",
    "usual_for",
    "usual_now",
    "usual_of",
    "utc_offset_s",
]
