"""Behaviour: baselines folded online from verified outcomes, and one calibrated score with named contributions.

Publishes `BehaviourProfile`, `Population`, `learn`, `score`, `Score`, `Model`; all names below are stable, and so are
their signatures: new parameters will be keyword-only with defaults. Not stable: the constants of the shipped model,
the fields of `BehaviourProfile` and `Population` (treat both as closed; `dump`/`parse` carry them), the list of
indicators (it grows). Refuses to learn from anything but verified outcomes, to decide by time of day alone, and to
fail on what a client sent.
"""

from watchword.trust.behaviour.chains import SEPARATOR, Paths, paths_of
from watchword.trust.behaviour.codec import dump, dump_population, parse, parse_population, population_parts
from watchword.trust.behaviour.costs import SHIPPED_COSTS, Costs, thresholds_by_sensitivity, thresholds_from
from watchword.trust.behaviour.excerpt import Excerpt, ExcerptError, excerpt, restored
from watchword.trust.behaviour.freeman import PUBLISHED, Freeman, Reading, read, score_reading
from watchword.trust.behaviour.freeman_codec import dump_sign_ins, everybody_parts, parse_everybody, parse_sign_ins
from watchword.trust.behaviour.freeman_counts import Everybody, SignIns, Values, learn_sign_in, values_of
from watchword.trust.behaviour.given import authentication, posture
from watchword.trust.behaviour.learning import Lesson, learn
from watchword.trust.behaviour.model import Calibration, Isotonic, Model, Platt, sigmoid
from watchword.trust.behaviour.population import Population, merge_populations
from watchword.trust.behaviour.profile import BehaviourProfile, merge
from watchword.trust.behaviour.score import Score, Term, score

__all__ = [
    "PUBLISHED",
    "SEPARATOR",
    "SHIPPED_COSTS",
    "BehaviourProfile",
    "Calibration",
    "Costs",
    "Everybody",
    "Excerpt",
    "ExcerptError",
    "Freeman",
    "Isotonic",
    "Lesson",
    "Model",
    "Paths",
    "Platt",
    "Population",
    "Reading",
    "Score",
    "SignIns",
    "Term",
    "Values",
    "authentication",
    "dump",
    "dump_population",
    "dump_sign_ins",
    "everybody_parts",
    "excerpt",
    "learn",
    "learn_sign_in",
    "merge",
    "merge_populations",
    "parse",
    "parse_everybody",
    "parse_population",
    "parse_sign_ins",
    "paths_of",
    "population_parts",
    "posture",
    "read",
    "restored",
    "score",
    "score_reading",
    "sigmoid",
    "thresholds_by_sensitivity",
    "thresholds_from",
    "values_of",
]
