"""Thresholds from what mistakes cost: at each risk the answer with the least expected cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from types import MappingProxyType

from watchword.kernel import Sensitivity
from watchword.trust.model import Thresholds


@dataclass(frozen=True, slots=True)
class Costs:
    """What it costs to be wrong, in any unit; only their ratios count.

    Attributes:
        takeover: an attacker is let in.
        step_up: the owner is asked for a second factor.
        denial: the owner is refused.
        pass_rate: the share of attackers who pass the second factor as well.
    """

    takeover: float
    step_up: float = 1.0
    denial: float = 50.0
    pass_rate: float = 0.05

    def __post_init__(self) -> None:
        """Refuse costs under which no answer would ever be best."""
        if not 0.0 < self.step_up < self.denial or not self.takeover > 0.0 or not 0.0 < self.pass_rate < 1.0:
            raise ValueError("costs must satisfy 0 < step_up < denial, 0 < takeover, 0 < pass_rate < 1")


# The owner's second factor costs half a minute; a refusal costs a call to the help desk. What a takeover costs grows
# by the sensitivity of what is behind the door; these figures are a start, and every organisation has its own.
SHIPPED_COSTS: Mapping[Sensitivity, Costs] = MappingProxyType(
    {
        Sensitivity.PUBLIC: Costs(takeover=3.0),
        Sensitivity.INTERNAL: Costs(takeover=20.0, denial=20.0),
        Sensitivity.CONFIDENTIAL: Costs(takeover=60.0, denial=20.0),
        Sensitivity.RESTRICTED: Costs(takeover=200.0, denial=20.0),
    }
)


def thresholds_from(costs: Costs) -> Thresholds:
    """Return from which risk (the probability in hundredths) to step up and to deny.

    With p the probability that somebody else acts, allowing costs p T, stepping up (1 - p) s + p r T, denying
    (1 - p) d: step up from p / (1 - p) = s / ((1 - r) T), deny from p / (1 - p) = (d - s) / (r T). If denying is
    cheaper than stepping up wherever stepping up is cheaper than allowing, both begin where denying beats allowing.

    Source: Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI 2001, section 2.
    """
    step_up = costs.step_up / ((1 - costs.pass_rate) * costs.takeover)
    deny = (costs.denial - costs.step_up) / (costs.pass_rate * costs.takeover)
    if deny < step_up:
        step_up = deny = costs.denial / costs.takeover
    return Thresholds(_risk(step_up), _risk(deny))


def thresholds_by_sensitivity(costs: Mapping[Sensitivity, Costs] = SHIPPED_COSTS) -> Mapping[Sensitivity, Thresholds]:
    """Return the thresholds of every sensitivity that has costs; one that has none is refused by `level`."""
    return MappingProxyType({sensitivity: thresholds_from(given) for sensitivity, given in costs.items()})


def _risk(odds: float) -> int:
    return max(1, min(100, ceil(100 * odds / (1 + odds))))
