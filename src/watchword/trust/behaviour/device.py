"""The device key: the best witness there is when it is known, and no witness at all when none is shown."""

from __future__ import annotations

from math import log

from watchword.trust.behaviour.chains import NO_DEVICE, Path
from watchword.trust.behaviour.comparison import Comparison
from watchword.trust.behaviour.likelihood import First
from watchword.trust.behaviour.novelty import rate_of_new
from watchword.trust.behaviour.profile import is_new

# What an attacker shows: mostly nothing; a key made for the occasion; seldom the stolen key of this very user.
_NONE, _NEW, _KNOWN = 0.84, 0.14, 0.02
_M = 1.5
_USUALLY_NONE = 0.3  # of everybody's events, before anything is known
_USUALLY_NEW = First("new_device", 0.05, 0.05, _NEW)
_NEW_WORDS = "this device was not seen with this account before"
_UNSETTLED_WORDS = "this device was not yet proven with this account on a second day"
_NONE_WORDS = "no device key was shown, and this account usually shows one"
_TELLING = 1.0


def device_evidence(path: Path, held: Comparison, doubted: int = 0) -> tuple[str, float, str]:
    """Return `device` or `new_device`, with log P_A - log P_u of: no key, a key of this user, a new key.

    The first key of an account is new by necessity and says nothing.

    Args:
        doubted: up to this weight, a key that a single day taught still counts as new.
    """
    profile, population, one, own_one = held
    key = path[1]
    own, all_own = profile.totals.get(key, 0), profile.under.get("d", 0)
    if key == NO_DEVICE:
        others, all_others = population.totals.get(key, 0) - own, population.under.get("d", 0) - all_own
        usual = (max(0, others) + one * _USUALLY_NONE) / (max(0, all_others) + one)
        value = log(_NONE * (all_own + _M * own_one) / (own + _M * own_one * usual))
        return "device", value, _NONE_WORDS if value > _TELLING else ""
    if not is_new(own, doubted):
        known = all_own - profile.totals.get(NO_DEVICE, 0)
        return "device", log(_KNOWN * (all_own + _M * own_one) / known), ""
    if not all_own:
        return "new_device", 0.0, ""
    rate = rate_of_new("d", 1, _USUALLY_NEW, held)
    return "new_device", log(_NEW / rate), _UNSETTLED_WORDS if own else _NEW_WORDS
