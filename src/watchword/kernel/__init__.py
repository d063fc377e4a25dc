"""Own the grammar every room shares: identifiers, clock, randomness, errors, events, the access vocabulary.

Publishes plain values and protocols. Refuses input, output and third-party imports.
"""

from watchword.kernel.access import (
    Acr,
    Answer,
    Obligation,
    Reason,
    RiskLevel,
    Sensitivity,
)
from watchword.kernel.clock import Clock, FrozenClock, SystemClock
from watchword.kernel.entropy import Entropy, SystemEntropy
from watchword.kernel.errors import ConfigurationError, NotFoundError, WatchwordError
from watchword.kernel.events import Event, EventType, Visibility, event_types
from watchword.kernel.ids import (
    AuthenticatorId,
    DecisionId,
    DeviceId,
    EventId,
    GroupId,
    Id,
    KeyId,
    SessionId,
    UserId,
)
from watchword.kernel.secret import Secret

__all__ = [
    "Acr",
    "Answer",
    "AuthenticatorId",
    "Clock",
    "ConfigurationError",
    "DecisionId",
    "DeviceId",
    "Entropy",
    "Event",
    "EventId",
    "EventType",
    "FrozenClock",
    "GroupId",
    "Id",
    "KeyId",
    "NotFoundError",
    "Obligation",
    "Reason",
    "RiskLevel",
    "Secret",
    "Sensitivity",
    "SessionId",
    "SystemClock",
    "SystemEntropy",
    "UserId",
    "Visibility",
    "WatchwordError",
    "event_types",
]
