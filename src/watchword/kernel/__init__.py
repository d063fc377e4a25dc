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
from watchword.kernel.body_rules import (
    EXCLUDE,
    HIDDEN,
    Aggregate,
    Anonymise,
    BodyRules,
    Exclude,
    FieldRule,
    Generalise,
    GroupRule,
    Hash,
    Mask,
    Tokenize,
    body_rules,
    check_field,
    check_group,
    join,
    merge,
)
from watchword.kernel.clock import Clock, FrozenClock, SystemClock
from watchword.kernel.entropy import Entropy, SystemEntropy
from watchword.kernel.errors import ConfigurationError, NotFoundError, WatchwordError
from watchword.kernel.events import Event, EventType, Visibility, event_types
from watchword.kernel.field_paths import FieldPath, Step, StepKind, parse_path
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
from watchword.kernel.rules_wire import from_wire, to_wire, wire_bytes
from watchword.kernel.secret import Secret

__all__ = [
    "EXCLUDE",
    "HIDDEN",
    "Acr",
    "Aggregate",
    "Anonymise",
    "Answer",
    "AuthenticatorId",
    "BodyRules",
    "Clock",
    "ConfigurationError",
    "DecisionId",
    "DeviceId",
    "Entropy",
    "Event",
    "EventId",
    "EventType",
    "Exclude",
    "FieldPath",
    "FieldRule",
    "FrozenClock",
    "Generalise",
    "GroupId",
    "GroupRule",
    "Hash",
    "Id",
    "KeyId",
    "Mask",
    "NotFoundError",
    "Obligation",
    "Reason",
    "RiskLevel",
    "Secret",
    "Sensitivity",
    "SessionId",
    "Step",
    "StepKind",
    "SystemClock",
    "SystemEntropy",
    "Tokenize",
    "UserId",
    "Visibility",
    "WatchwordError",
    "body_rules",
    "check_field",
    "check_group",
    "event_types",
    "from_wire",
    "join",
    "merge",
    "parse_path",
    "to_wire",
    "wire_bytes",
]
