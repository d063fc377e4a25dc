"""Behaviour: baselines folded online from verified outcomes, and one calibrated score with named contributions.

Publishes `BehaviourProfile`, `Population`, `learn`, `score`, `Score`, `Model`; all names below are stable, and so are
their signatures: new parameters will be keyword-only with defaults. Not stable: the constants of the shipped model,
the fields of `BehaviourProfile` and `Population` (treat both as closed; `dump`/`parse` carry them), the list of
indicators (it grows). Refuses to learn from anything but verified outcomes, to decide by time of day alone, and to
fail on what a client sent.
"""

from watchword.trust.behaviour.codec import dump, parse
from watchword.trust.behaviour.learning import Lesson, learn
from watchword.trust.behaviour.model import Calibration, Isotonic, Model, Platt, sigmoid
from watchword.trust.behaviour.population import Population
from watchword.trust.behaviour.profile import BehaviourProfile
from watchword.trust.behaviour.score import Score, Term, score

__all__ = [
    "BehaviourProfile",
    "Calibration",
    "Isotonic",
    "Lesson",
    "Model",
    "Platt",
    "Population",
    "Score",
    "Term",
    "dump",
    "learn",
    "parse",
    "score",
    "sigmoid",
]
