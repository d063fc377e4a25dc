"""Watch what only shows over time: sprays, floods of prompts, sessions in two hands, volumes, walks through the house.

Publishes `Detectors`, which takes one observation after another, and the names of what it finds. Refuses to let
anybody's floods deny somebody else, and to learn from what was denied, save that it failed.
"""

from watchword.trust.detectors.limits import Limits
from watchword.trust.detectors.stream import INFLICTED, NO_FINDINGS, VERSION, WITHIN, Detectors, Row

__all__ = [
    "INFLICTED",
    "NO_FINDINGS",
    "VERSION",
    "WITHIN",
    "Detectors",
    "Limits",
    "Row",
]
