"""Own the AuthZEN Authorization API 1.0: questions of enforcement points that are not ours, answered and journaled.

Publishes `AuthzenApp` and what it is made of. Refuses callers without a key, and to let a caller say otherwise what
Watchword knows of a user, a resource or a file of entities.
"""

from watchword.enforcement.authzen.callers import Caller, Callers, hash_of, new_key
from watchword.enforcement.authzen.errors import AuthzenError, EntitiesFileError
from watchword.enforcement.authzen.filed import EntitiesFile
from watchword.enforcement.authzen.known import Knowledge
from watchword.enforcement.authzen.openapi import openapi
from watchword.enforcement.authzen.paging import Pages
from watchword.enforcement.authzen.ports import Candidates, People
from watchword.enforcement.authzen.routes import SLACK, AuthzenApp
from watchword.enforcement.authzen.service import Authzen, Sources
from watchword.enforcement.authzen.settings import AuthzenSettings, CallerSettings, Told

__all__ = [
    "SLACK",
    "Authzen",
    "AuthzenApp",
    "AuthzenError",
    "AuthzenSettings",
    "Caller",
    "CallerSettings",
    "Callers",
    "Candidates",
    "EntitiesFile",
    "EntitiesFileError",
    "Knowledge",
    "Pages",
    "People",
    "Sources",
    "Told",
    "hash_of",
    "new_key",
    "openapi",
]
