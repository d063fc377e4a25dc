"""What a single day taught is not believed yet: a value becomes a habit on the second day on which it was proven."""

from __future__ import annotations

from watchword.trust.behaviour.chains import NO_DEVICE, PLAIN, Paths, site_of
from watchword.trust.behaviour.comparison import Comparison
from watchword.trust.behaviour.likelihood import ENOUGH_EVENTS
from watchword.trust.behaviour.profile import A_DAY, is_new


def unsettled(paths: Paths, held: Comparison) -> int:
    """Return up to which weight it matters whether a value was learned on a single day; 0 where it never does.

    Every value is believed at once of an account with a short history, and beside what a stranger hardly has: the
    owner's device key, or a place in the owner's network, save where a network is anybody's to enter.

    # Prevents: whoever gets one second factor out of the owner being as usual from then on as a year of the owner's.
    """
    profile, own_one = held.profile, held.own_one
    most, weight_of = A_DAY * own_one, profile.totals.get
    device, site = paths.device[-1], site_of(paths.network)
    if device != NO_DEVICE and not is_new(weight_of(device, 0), most):
        return 0
    if profile.under.get("d", 0) < ENOUGH_EVENTS * own_one:
        return 0
    if site and paths.traits is PLAIN and not is_new(weight_of(site, 0), most):
        return 0
    return most
