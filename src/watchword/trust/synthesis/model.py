"""What is asked of the synthesiser, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from watchword.trust.errors import TrustError
from watchword.trust.observation import Observation

DAY_S = 86_400
MONDAY = 1_767_571_200.0  # 2026-01-05T00:00:00Z
_MOST_USERS = 1_000_000
_MOST_DAYS = 3_660
_MOST_INCIDENTS = 100_000
_MOST_REQUESTS = 1_000.0


class SpecificationError(TrustError):
    """The traffic that was asked for cannot be made."""

    code = "trust.specification"
    status = 422


class Profile(StrEnum):
    """Whose traffic it is."""

    WORKFORCE = "workforce"  # people of one organisation at work, who sign in nearly every working day
    PUBLIC = "public"  # customers of a public service, most of whom sign in twice a year


class Attacker(StrEnum):
    """Who attacks; each is written in a module of its own, from the literature named there."""

    NAIVE = "naive"
    VPN = "vpn"
    TARGETED = "targeted"
    VERY_TARGETED = "very_targeted"


@dataclass(frozen=True, slots=True)
class Labelled:
    """An observation, and what no scorer may see: who made it.

    Attributes:
        attacker: the attacker's name, or nothing for the account's owner at their own work.
        incident: joins the observations of one attack; the empty text for the owner's.
        is_listed: the address was on a public list of attacking addresses when it was used.
    """

    observation: Observation
    attacker: str | None = None
    incident: str = ""
    is_listed: bool = False


@dataclass(frozen=True, slots=True)
class OrganisationSpec:
    """How much traffic of what kind.

    Attributes:
        days: from `start` on; people have no past before it.
        attackers: names of `Attacker`.
        incidents: attacks of each attacker over the whole time; nothing means one for each ten users.
        quiet_days: days at the beginning in which nobody attacks; nothing means a quarter of all.
        start: seconds since 1970, UTC.
        requests_a_session: on average, at work; a public service has a fifth of it.

    Raises:
        SpecificationError: a number is out of range, or an attacker is unknown.
    """

    users: int = 200
    days: int = 90
    profile: Profile = Profile.WORKFORCE
    attackers: tuple[str, ...] = tuple(Attacker)
    incidents: int | None = None
    quiet_days: int | None = None
    start: float = MONDAY
    requests_a_session: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what would never end, fill the memory, or silently leave an attacker out."""
        _check("users", self.users, 1, _MOST_USERS)
        _check("days", self.days, 1, _MOST_DAYS)
        _check("requests_a_session", self.requests_a_session, 0.0, _MOST_REQUESTS)
        _check("incidents", self.attacks, 0, _MOST_INCIDENTS)
        _check("quiet_days", self.first_attack_day, 0, self.days)
        if self.profile not in tuple(Profile):
            raise SpecificationError(f"there is no profile `{self.profile}`", hint=_one_of(Profile))
        for name in self.attackers:
            if name not in tuple(Attacker):
                raise SpecificationError(f"there is no attacker `{name}`", hint=_one_of(Attacker))

    @property
    def attacks(self) -> int:
        """How many attacks each attacker makes."""
        return max(1, self.users // 10) if self.incidents is None else self.incidents

    @property
    def first_attack_day(self) -> int:
        """The first day on which anybody attacks."""
        return self.days // 4 if self.quiet_days is None else self.quiet_days

    @property
    def end(self) -> float:
        """The first second after the last day."""
        return self.start + self.days * DAY_S


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise SpecificationError(f"`{name}` must lie between {least} and {most}", hint=f"it is {value}")


def _one_of(names: type[StrEnum]) -> str:
    return "one of " + ", ".join(name.value for name in names)
