"""The people of an organisation: where they live, what they work with, and when."""

from __future__ import annotations

from dataclasses import dataclass

from watchword.trust.synthesis.agents import Machine
from watchword.trust.synthesis.draws import Chance
from watchword.trust.synthesis.geography import City
from watchword.trust.synthesis.model import DAY_S
from watchword.trust.synthesis.networks import Access
from watchword.trust.synthesis.work import Role, Tastes

_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Device:
    """A machine of somebody's from some time on.

    Attributes:
        since: seconds since 1970; the next one of the list replaces it.
        key: the device key that it shows; the empty text if it was never enrolled.
    """

    since: float
    machine: Machine
    key: str


@dataclass(frozen=True, slots=True)
class Habits:
    """When and how somebody works.

    Attributes:
        start_h: local time at which the day begins, on average.
        spread_h: standard deviation of it.
        office_days: weekdays in the office, 0 for Monday; the others are spent at home.
        rest_share: chance of working on a day of rest.
        sessions: sign-ins on a working day beyond the first, on average.
        requests: in a session, on average.
        fails: chance that a sign-in begins with a mistyped password.
        has_second_factor: signs in with one, so that what is done then is verified.
        via_vpn: chance that a session outside the office goes through the organisation's VPN.
        via_detour: chance that it goes through a VPN service, a machine at a hoster, or Tor.
        by_program: share of a customer's visits that are made by a program of theirs.
        by_phone: share of a customer's visits that are made by phone.
        is_home_routed: abroad, the phone keeps an address of its home network, as roaming usually works.
    """

    start_h: float
    spread_h: float
    office_days: frozenset[int]
    rest_share: float
    sessions: float
    requests: float
    fails: float
    has_second_factor: bool
    via_vpn: float
    via_detour: float
    is_home_routed: bool
    by_phone: float = 0.0
    by_program: float = 0.0


@dataclass(frozen=True, slots=True)
class Person:
    """Everything that stays with somebody.

    Attributes:
        number: its remainder by the number of users is the seat; who takes a seat over has a higher one.
        since: seconds since 1970 at which the account begins.
        until: at which it ends; infinite for those who stay.
        household: the line at home; moving house changes it.
        moves_at: seconds since 1970; infinite for those who stay.
        office: nothing for those who work at home only.
        server: where their programs run, if not in the office.
        log_ins: for customers, sign-ins in a year; 0 for people at work.
    """

    number: int
    user: str
    since: float
    until: float
    role: Role
    home: City
    household: Access
    next_household: Access
    moves_at: float
    mobile: Access
    office: Access | None
    vpn: Access | None
    detour: Access | None
    server: Access | None
    computers: tuple[Device, ...]
    phones: tuple[Device, ...]
    habits: Habits
    tastes: Tastes
    log_ins: int = 0

    def is_there(self, at: float) -> bool:
        """Tell whether the account is in use at a time: it is a day old, and has not ended."""
        return self.since + DAY_S <= at < self.until

    def computer(self, at: float) -> Device:
        """Return the computer in use at a time."""
        return _in_use(self.computers, at)

    def phone(self, at: float) -> Device:
        """Return the phone in use at a time."""
        return _in_use(self.phones, at)

    def at_home(self, at: float) -> Access:
        """Return the line at home at a time."""
        return self.household if at < self.moves_at else self.next_household

    def usual_device(self, at: float) -> Device:
        """Return the machine that is used most; whoever has spoken with it once knows what it says of itself."""
        return self.phone(at) if self.habits.by_phone > _HALF else self.computer(at)


def _in_use(devices: tuple[Device, ...], at: float) -> Device:
    found = devices[0]
    for device in devices:
        if device.since <= at:
            found = device
    return found


def key_of(chance: Chance) -> str:
    """Draw a device key."""
    return f"dev_{chance.getrandbits(64):016x}"
