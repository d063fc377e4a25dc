"""Own the policy language: loading, checking and evaluating Cedar policies, and keeping the last good set in force.

Publishes `PolicySet`, `PolicySource`, requests, answers and Cedar's values. Refuses to know people, sessions, devices.
"""

from watchword.policy.engine import PolicySet
from watchword.policy.errors import MalformedValueError, PolicyError, PolicyLoadError, Problem
from watchword.policy.explain import Clause, Explanation, Trace
from watchword.policy.extension import Datetime, Decimal, Duration, Ip, decimal, duration, instant, ip, moment
from watchword.policy.load import DEFAULT_DIRECTORY, DEFAULT_SCHEMA
from watchword.policy.model import (
    Effect,
    Entity,
    EntityUid,
    PolicyAnswer,
    PolicyRef,
    PolicyRequest,
    Value,
    set_of,
)
from watchword.policy.schema import EntityType, Record, Reference, Scalar, Schema, SetOf, Type, parse_schema
from watchword.policy.source import PolicySource
from watchword.policy.verdict import verdict_of

__all__ = [
    "DEFAULT_DIRECTORY",
    "DEFAULT_SCHEMA",
    "Clause",
    "Datetime",
    "Decimal",
    "Duration",
    "Effect",
    "Entity",
    "EntityType",
    "EntityUid",
    "Explanation",
    "Ip",
    "MalformedValueError",
    "PolicyAnswer",
    "PolicyError",
    "PolicyLoadError",
    "PolicyRef",
    "PolicyRequest",
    "PolicySet",
    "PolicySource",
    "Problem",
    "Record",
    "Reference",
    "Scalar",
    "Schema",
    "SetOf",
    "Trace",
    "Type",
    "Value",
    "decimal",
    "duration",
    "instant",
    "ip",
    "moment",
    "parse_schema",
    "set_of",
    "verdict_of",
]
