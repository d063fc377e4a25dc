"""What is asked of the synthesiser, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from watchword.trust.errors import TrustError

DAY_S = 86_400
YEAR_DAYS = 365
MONDAY = 1_767_571_200.0  # 2026-01-05T00:00:00Z
_STARTS = 1_640_995_200.0, 4_102_444_800.0  # 2022 to 2100: browsers came out at another pace before
_MOST_USERS = 100_000  # each takes about 17 KB of memory
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
    SPRAY = "spray"
    STUFFING = "stuffing"
    MFA_BOMBING = "mfa_bombing"
    TOKEN_REPLAY = "token_replay"  # noqa: S105  # a name, not a token
    SESSION_HIJACK = "session_hijack"
    SLOW_EXFILTRATION = "slow_exfiltration"
    INSIDER = "insider"
    LATERAL_MOVEMENT = "lateral_movement"


CAMPAIGNS = frozenset({Attacker.SPRAY, Attacker.STUFFING})
WITHIN = frozenset({Attacker.SLOW_EXFILTRATION, Attacker.INSIDER, Attacker.LATERAL_MOVEMENT})


@dataclass(frozen=True, slots=True)
class OrganisationSpec:
    """How much traffic of what kind.

    Attributes:
        days: from `start` on; people have no past before it.
        attackers: names of `Attacker`; nothing means all that fit the profile. Nobody moves through a public service
            from within, and its customers have no peers.
        incidents: attacks of each attacker over the whole time; nothing means one for each ten users, and one for
            each hundred where one attack tries many accounts.
        quiet_days: days at the beginning in which nobody attacks; nothing means a quarter of all.
        start: seconds since 1970, UTC; midnight of the first day.
        requests_a_session: on average, at work; a public service has a fifth of it.

    Raises:
        SpecificationError: a number is out of range, or an attacker is unknown.
    """

    users: int = 200
    days: int = 90
    profile: Profile = Profile.WORKFORCE
    attackers: tuple[str, ...] | None = None
    incidents: int | None = None
    quiet_days: int | None = None
    start: float = MONDAY
    requests_a_session: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what would never end, fill the memory, or silently leave an attacker out."""
        _check("users", self.users, 1, _MOST_USERS)
        _check("days", self.days, 1, _MOST_DAYS)
        _check("start", self.start, *_STARTS)
        _check("requests_a_session", self.requests_a_session, 0.0, _MOST_REQUESTS)
        _check("incidents", self.incidents or 0, 0, _MOST_INCIDENTS)
        _check("quiet_days", self.first_attack_day, 0, self.days)
        if self.profile not in tuple(Profile):
            raise SpecificationError(f"there is no profile `{self.profile}`", hint=_one_of(Profile))
        for name in self.attackers or ():
            if name not in tuple(Attacker):
                raise SpecificationError(f"there is no attacker `{name}`", hint=_one_of(Attacker))
            if self.profile == Profile.PUBLIC and name in WITHIN:
                raise SpecificationError(
                    f"the attacker `{name}` works within an organisation", hint="ask for the profile `workforce`"
                )

    @property
    def chosen(self) -> tuple[Attacker, ...]:
        """Who attacks, each once, in the order of `Attacker`."""
        if self.attackers is not None:
            return tuple(one for one in Attacker if one in self.attackers)
        return tuple(one for one in Attacker if self.profile == Profile.WORKFORCE or one not in WITHIN)

    def attacks(self, attacker: Attacker) -> int:
        """How many attacks an attacker makes."""
        if self.incidents is not None:
            return self.incidents
        return max(1, self.users // (100 if attacker in CAMPAIGNS else 10))

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
