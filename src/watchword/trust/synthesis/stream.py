"""Join everybody's days into one stream, in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from operator import attrgetter, itemgetter

from watchword.trust.labelled import Labelled
from watchword.trust.synthesis.attackers import ATTACKS
from watchword.trust.synthesis.customers import Customer
from watchword.trust.synthesis.lives import Life, Moment
from watchword.trust.synthesis.model import DAY_S, Attacker, OrganisationSpec, Profile
from watchword.trust.synthesis.organisation import Organisation
from watchword.trust.synthesis.riders import Riders, Waiting, scene_of, starts_of
from watchword.trust.synthesis.workers import Worker

_AT = attrgetter("observation.at")
_EARLIER_S = 8 * DAY_S  # an attacker who chooses the right hour may find it days before, and in any zone


def generate(spec: OrganisationSpec, *, seed: int) -> Iterator[Labelled]:
    """Yield an organisation's traffic in order of time, each observation with its label.

    The same specification and seed give the same observations, to the bit. Memory grows with the number of users and
    not with the number of days: nobody is planned further ahead than their next working day or visit.
    """
    organisation = Organisation(spec, seed)
    life = Customer if spec.profile == Profile.PUBLIC else Worker
    lives = (_seat(organisation, number, life) for number in range(spec.users))
    honest = Riders(organisation).along(merge(*lives, key=itemgetter(0)))
    return merge(honest, *(_attacks(organisation, one) for one in spec.chosen if one in ATTACKS), key=_AT)


def _seat(organisation: Organisation, number: int, life: type[Life]) -> Iterator[Moment]:
    for person in organisation.seat(number):
        yield from life(person, organisation.spec, organisation.seed).moments()


def _attacks(organisation: Organisation, attacker: Attacker) -> Iterator[Labelled]:
    """Yield the attacks of one attacker, which may overlap, in order of time."""
    spec, waiting = organisation.spec, Waiting()
    for number, start in enumerate(starts_of(spec, organisation.seed, attacker)):
        yield from waiting.until(start - _EARLIER_S)
        waiting.put(ATTACKS[attacker](scene_of(organisation, attacker, number), max(start, spec.start + DAY_S)))
    yield from waiting.until(spec.end)
