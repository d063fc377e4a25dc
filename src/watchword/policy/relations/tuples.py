"""Tuples: `object relation user`, each read from text with care, because whoever writes one gives access.

Source: the OpenFGA documentation, "Relationship tuples"; the patterns of its protocol (object, relation, user).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final, NamedTuple, NoReturn
from urllib.parse import quote

from watchword.policy.relations.conditions import CompiledCondition
from watchword.policy.relations.errors import RelationConditionError, RelationMalformedError, RelationUnknownError
from watchword.policy.relations.model import RelationModel, Restriction, direct_of
from watchword.policy.text import nearest

_LONGEST_OBJECT: Final = 256
_MOST_CONTEXT: Final = 4096
# Half of a pair of surrogates is refused as well: no database and no hash takes one.
_OBJECT: Final = re.compile(r"([^:#@*\s\x00-\x1f\x7f\ud800-\udfff]{1,254}):([^#:*\s\x00-\x1f\x7f\ud800-\udfff]+)")
_RELATION: Final = re.compile(r"[^:#@*\s\x00-\x1f\x7f\ud800-\udfff]{1,50}")
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
# What may stand in an identifier as it is; anything else that a name may hold is percent-encoded.
_PLAIN: Final = "-._~!$&'()+,;=@/"


class Object(NamedTuple):
    """An object, `document:budget`."""

    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type}:{self.id}"


class Subject(NamedTuple):
    """Who is related: `user:anne`, everybody of a type (`user:*`), or a userset (`group:staff#member`)."""

    type: str
    id: str
    relation: str = ""

    def __str__(self) -> str:
        return f"{self.type}:{self.id}#{self.relation}" if self.relation else f"{self.type}:{self.id}"

    @property
    def is_wildcard(self) -> bool:
        """Everybody of the type."""
        return self.id == "*"


@dataclass(frozen=True, slots=True)
class RelationTuple:
    """`subject` is `relation` of `object`, perhaps under a condition.

    Attributes:
        context: what the tuple fixes of the condition's parameters; JSON values.
    """

    object: Object
    relation: str
    subject: Subject
    condition: str = ""
    context: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    def __str__(self) -> str:
        return f"{self.object}#{self.relation}@{self.subject}"

    @property
    def key(self) -> str:
        """Name the tuple; its condition does not count, so that one tuple has one condition at most."""
        return sha256(str(self).encode()).hexdigest()


def name_in(text: str) -> str:
    """Write any name, such as that of a group, as an object's identifier; two names never share one."""
    return quote(text, safe=_PLAIN) or "%"


def read_object(text: str) -> Object:
    """Read `type:id`.

    Raises:
        RelationMalformedError: it is not written so.
    """
    found = _OBJECT.fullmatch(text) if len(text) <= _LONGEST_OBJECT else None
    if found is None:
        _malformed(f"`{_shown(text)}` is no object", "write `type:id`, at most 256 characters, without blanks")
    return Object(found[1], found[2])


def read_subject(text: str) -> Subject:
    """Read `type:id`, `type:*` or `type:id#relation`.

    Raises:
        RelationMalformedError: it is not written so.
    """
    head, mark, relation = text.partition("#")
    if head.endswith(":*") and not mark and _RELATION.fullmatch(head[:-2]):
        return Subject(head[:-2], "*")
    try:
        named = read_object(head)
    except RelationMalformedError:
        _malformed(f"`{_shown(text)}` is no user", "write `type:id`, `type:*` or `type:id#relation`")
    return Subject(named.type, named.id, read_relation(relation) if mark else "")


def read_relation(text: str) -> str:
    """Read the name of a relation.

    Raises:
        RelationMalformedError: it cannot be one.
    """
    if not _RELATION.fullmatch(text):
        _malformed(f"`{_shown(text)}` is no relation", "write a name without blanks, at most 50 characters")
    return text


def read_tuple(
    object_: str, relation: str, subject: str, *, condition: str = "", context: Mapping[str, Any] | None = None
) -> RelationTuple:
    """Read a tuple from its parts; whether the model allows it is `permitted`'s question.

    Raises:
        RelationMalformedError: a part is not written as it must be.
    """
    found = RelationTuple(
        read_object(object_),
        read_relation(relation),
        read_subject(subject),
        read_relation(condition) if condition else "",
        MappingProxyType(dict(context or {})),
    )
    if found.context and not condition:
        _malformed("a context needs a condition", "name the condition, or leave the context out")
    if len(json.dumps(dict(found.context))) > _MOST_CONTEXT:
        _malformed("the context is too long", f"{_MOST_CONTEXT} characters at most")
    return found


def permitted(model: RelationModel, found: RelationTuple, conditions: Mapping[str, CompiledCondition]) -> RelationTuple:
    """Return a tuple that the model allows to be written.

    Raises:
        RelationUnknownError: its type or relation is not in the model.
        RelationMalformedError: the model gives the relation to others only, or the context does not fit.
    """
    relation = model.relation(found.object.type, found.relation)
    if relation is None:
        raise unknown(model, found.object.type, found.relation)
    direct = direct_of(relation.rewrite)
    where = f"`{found.relation}` of `{found.object.type}`"
    if direct is None:
        _malformed(f"{where} is computed, nobody is given it directly", "write one of the relations it is made of")
    alike = [each for each in direct.restrictions if is_alike(each, found.subject)]
    allowed = ", ".join(f"`{each}`" for each in direct.restrictions)
    if not alike:
        _malformed(f"{where} is not for users like `{_kind(found.subject)}`", f"it is for {allowed}")
    if found.condition not in {each.condition for each in alike}:
        said = f"with `{found.condition}`" if found.condition else "without a condition"
        _malformed(f"{where} is not given {said} to users like `{_kind(found.subject)}`", f"it is for {allowed}")
    if str(found.subject) == f"{found.object}#{found.relation}":
        _malformed("a userset is inside itself anyway", "leave this tuple out")
    if found.condition:
        _check_context(conditions[found.condition], found.context)
    return found


def _check_context(condition: CompiledCondition, context: Mapping[str, Any]) -> None:
    foreign = sorted(context.keys() - condition.parameters.keys())
    if foreign:
        near = nearest(foreign[0], frozenset(condition.parameters))
        hint = f"did you mean `{near}`?" if near else f"it has {', '.join(sorted(condition.parameters))}"
        _malformed(f"the condition `{condition.name}` has no parameter `{_shown(foreign[0])}`", hint)
    try:
        condition.converted(context)
    except RelationConditionError as error:
        raise RelationMalformedError(error.message, hint="give it as the model declares it") from None


def unknown(model: RelationModel, type_: str, relation: str = "") -> RelationUnknownError:
    """Say what the model does not know, and what comes near."""
    known = model.types.get(type_)
    if known is None:
        near = nearest(type_, frozenset(model.types))
        message = f"the model has no type `{_shown(type_)}`"
    else:
        near = nearest(relation, frozenset(known.relations))
        message = f"the type `{type_}` has no relation `{_shown(relation)}`"
    return RelationUnknownError(message, hint=f"did you mean `{near}`?" if near else None)


def is_alike(restriction: Restriction, subject: Subject) -> bool:
    """Tell whether a restriction speaks of users of this kind."""
    return (restriction.type, restriction.relation, restriction.is_wildcard) == (
        subject.type,
        subject.relation,
        subject.is_wildcard,
    )


def _kind(subject: Subject) -> str:
    if subject.relation:
        return f"{subject.type}#{subject.relation}"
    return f"{subject.type}:*" if subject.is_wildcard else subject.type


def _shown(text: str) -> str:
    """Cut what a foreigner wrote to what fits a message."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:80])


def _malformed(message: str, hint: str) -> NoReturn:
    raise RelationMalformedError(message, hint=hint)
