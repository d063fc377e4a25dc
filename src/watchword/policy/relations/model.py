"""A model of relations as it was written: types, relations, conditions; and the tuples that it speaks of.

Source: the OpenFGA documentation, "Configuration Language", schema 1.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias


class Place(NamedTuple):
    """Where something stands in its file, both counted from 1; zeros where nobody knows."""

    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Restriction:
    """Who may be related directly: `user`, `user:*`, `group#member`, each perhaps `with` a condition."""

    type: str
    relation: str = ""
    is_wildcard: bool = False
    condition: str = ""
    place: Place = field(default=Place(), compare=False)

    def __str__(self) -> str:
        words = f"{self.type}#{self.relation}" if self.relation else f"{self.type}:*" if self.is_wildcard else self.type
        return f"{words} with {self.condition}" if self.condition else words


@dataclass(frozen=True, slots=True)
class Direct:
    """Related by a tuple."""

    restrictions: tuple[Restriction, ...]


@dataclass(frozen=True, slots=True)
class Computed:
    """Related by another relation of the same object."""

    relation: str
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class FromTupleset:
    """Related by `relation` of the objects that stand in `tupleset`: `viewer from parent`."""

    relation: str
    tupleset: str
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Union:
    """Any of them."""

    parts: tuple[Rewrite, ...]


@dataclass(frozen=True, slots=True)
class Intersection:
    """All of them."""

    parts: tuple[Rewrite, ...]


@dataclass(frozen=True, slots=True)
class Exclusion:
    """The first but not the second."""

    base: Rewrite
    subtract: Rewrite


Rewrite: TypeAlias = Direct | Computed | FromTupleset | Union | Intersection | Exclusion


@dataclass(frozen=True, slots=True)
class Parameter:
    """The type of a condition's parameter: `int`, or `list<string>` with `string` as its element."""

    type: str
    element: str = ""

    def __str__(self) -> str:
        return f"{self.type}<{self.element}>" if self.element else self.type


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold besides the tuple, in CEL.

    Attributes:
        expression: as written, between the braces.
        place: of the name; `expression_place` is where the expression begins.
    """

    name: str
    parameters: Mapping[str, Parameter]
    expression: str
    place: Place = field(default=Place(), compare=False)
    expression_place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Relation:
    """One relation of a type."""

    name: str
    rewrite: Rewrite
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class TypeDefinition:
    """A type of objects, with its relations by name."""

    name: str
    relations: Mapping[str, Relation]
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class RelationModel:
    """A whole model. Only `parse_model` makes one that was found right.

    Attributes:
        version: SHA-256 in hexadecimal of what it says; layout, order and comments do not count.
    """

    types: Mapping[str, TypeDefinition]
    conditions: Mapping[str, Condition]
    version: str = ""

    def relation(self, type_: str, name: str) -> Relation | None:
        """Return a relation of a type, if both exist."""
        known = self.types.get(type_)
        return known.relations.get(name) if known else None

    def relation_names(self, *types: str) -> tuple[str, ...]:
        """Return the names of every relation that these types have, sorted."""
        known = (self.types[name].relations for name in types if name in self.types)
        return tuple(sorted({name for relations in known for name in relations}))


def parts_of(rewrite: Rewrite) -> Iterator[Rewrite]:
    """Yield a rewrite and everything inside it."""
    yield rewrite
    inner: tuple[Rewrite, ...] = ()
    if isinstance(rewrite, Union | Intersection):
        inner = rewrite.parts
    elif isinstance(rewrite, Exclusion):
        inner = (rewrite.base, rewrite.subtract)
    for part in inner:
        yield from parts_of(part)


def direct_of(rewrite: Rewrite) -> Direct | None:
    """Return the direct part; a relation has one at most."""
    return next((part for part in parts_of(rewrite) if isinstance(part, Direct)), None)
