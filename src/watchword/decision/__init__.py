"""Own the policy decision point: the verification procedure, its facts in memory, the release of its answers.

Publishes `DecisionPoint`, `Decision` and what they are made of. Refuses whenever anything it needs is missing.
"""

from watchword.decision.behaviour import peers_of
from watchword.decision.errors import DecisionError
from watchword.decision.facts import FactBase
from watchword.decision.lasting import Lasting
from watchword.decision.model import AccessRequest, Application, Decision, Fact, Permit, ResourceRule, StepUp
from watchword.decision.procedure import Procedure
from watchword.decision.recognition import posture_of
from watchword.decision.service import DecisionPoint
from watchword.decision.settings import ApplicationSettings, DecisionSettings, ResourceSettings, applications
from watchword.decision.sources import Sources
from watchword.decision.vocabulary import entities_of_applications, entities_of_user

__all__ = [
    "AccessRequest",
    "Application",
    "ApplicationSettings",
    "Decision",
    "DecisionError",
    "DecisionPoint",
    "DecisionSettings",
    "Fact",
    "FactBase",
    "Lasting",
    "Permit",
    "Procedure",
    "ResourceRule",
    "ResourceSettings",
    "Sources",
    "StepUp",
    "applications",
    "entities_of_applications",
    "entities_of_user",
    "peers_of",
    "posture_of",
]
