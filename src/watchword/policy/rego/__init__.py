"""Own policies in Rego: reading a directory of them, evaluating them in a process of their own, asking a remote OPA.

Publishes `load_rego`, `RegoPolicies`, `document_of` and what a package says. Refuses all but a plain yes.
"""

from watchword.policy.rego.document import document_of
from watchword.policy.rego.model import Limits, Module, Outcome, Package, Rule, Said, Stand
from watchword.policy.rego.remote import RemoteOpa
from watchword.policy.rego.settings import OpaSettings
from watchword.policy.rego.source import PATTERNS, RegoPolicies, SourceError, load_rego

__all__ = [
    "PATTERNS",
    "Limits",
    "Module",
    "OpaSettings",
    "Outcome",
    "Package",
    "RegoPolicies",
    "RemoteOpa",
    "Rule",
    "Said",
    "SourceError",
    "Stand",
    "document_of",
    "load_rego",
]
