"""Own synthetic traffic: organisations whose people work, travel and mistype, and the attackers among them.

Publishes `generate`, what it is asked with and what it yields. Refuses to know anything of how traffic is scored.
"""

from watchword.trust.labelled import Labelled, LineMalformedError, decode, encode
from watchword.trust.synthesis.model import Attacker, OrganisationSpec, Profile, SpecificationError
from watchword.trust.synthesis.stream import generate

__all__ = [
    "Attacker",
    "Labelled",
    "LineMalformedError",
    "OrganisationSpec",
    "Profile",
    "SpecificationError",
    "decode",
    "encode",
    "generate",
]
