"""A table of documents, policies about them drawn at random, and the comparison of a filter with the engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import cedarpy
from filter_cases import Outcome, plain
from policy_cases import Choice, bundle_of, quoted
from sqlalchemy import BigInteger, Boolean, Connection, MetaData, String, Table, insert, select
from sqlalchemy import Column as SqlColumn

from watchword.policy import (
    Datetime,
    Decimal,
    Effect,
    Entity,
    EntityUid,
    PolicyRequest,
    PolicySet,
    Value,
    set_of,
)
from watchword.policy.filters import Column, ResourceMap, Through, translate

SCHEMA = """
entity Team;
entity User in [Team] = { name: String, level: Long };
entity Folder;
entity Document in [Folder] = {
  owner: User, level: Long, secret: Bool, kind: String, labels: Set<String>, editors: Set<User>, due: datetime,
  price: decimal, info: { city: String }, note?: String, rank?: Long, flag?: Bool, reviewer?: User
};
action "read" appliesTo {
  principal: User, resource: Document,
  context: { level: Long, kind: String, wanted: Set<String>, secret: Bool, now: datetime, missing?: Long }
};
"""
RENDERED = str(cedarpy.Schema.from_str(SCHEMA))
READ = EntityUid("Action", "read")
TEXTS = ("a", "A", "b", "", "a*b", "%", "_", "'; DROP TABLE documents; --", "é", "[ab]", "a~b", "a\\b", ":x")
PATTERNS = ("*", "a*", "*b", "a", r"*\**", "%", "_", "[ab]", "*[*", "a*b", "", "*~*", "?")

metadata = MetaData()
documents = Table(
    "documents",
    metadata,
    SqlColumn("id", String, primary_key=True),
    SqlColumn("owner", String),
    SqlColumn("level", BigInteger),
    SqlColumn("secret", Boolean),
    SqlColumn("kind", String),
    SqlColumn("due", BigInteger),
    SqlColumn("price", BigInteger),
    SqlColumn("city", String),
    SqlColumn("note", String),
    SqlColumn("rank", BigInteger),
    SqlColumn("flag", Boolean),
    SqlColumn("reviewer", String),
    SqlColumn("folder", String),
)
labels = Table("labels", metadata, SqlColumn("document", String), SqlColumn("label", String))
editors = Table("editors", metadata, SqlColumn("document", String), SqlColumn("editor", String))
IN_ROW = ("owner", "level", "secret", "kind", "due", "price", "note", "rank", "flag", "reviewer")
MAPPING = ResourceMap(
    documents.c.id,
    {
        **{name: Column(documents.c[name]) for name in IN_ROW},
        ("info", "city"): Column(documents.c.city),
        "labels": Through(labels.c.label, labels.c.document == documents.c.id),
        "editors": Through(editors.c.editor, editors.c.document == documents.c.id),
    },
    {"Folder": Column(documents.c.folder)},
)


class Draw:
    """Draws rows, requests and policies; a table's worth of values is small, so that tests of it often hold."""

    def __init__(self, choice: Choice) -> None:
        self._choice = choice

    def pick(self, options: Any) -> Any:
        return options[self._choice.below(len(options))]

    def chance(self, one_in: int) -> bool:
        return self._choice.below(one_in) == 0

    def below(self, limit: int) -> int:
        return self._choice.below(limit)

    def some(self, options: Any) -> frozenset[Any]:
        return frozenset(self.pick(options) for _ in range(self._choice.below(4)))

    # ---- rows and requests ---------------------------------------------------------------------------------------

    def user(self) -> EntityUid:
        return EntityUid("User", self.pick(("u1", "u2", "u3")))

    def entities(self, rows: int) -> dict[EntityUid, Entity]:
        made: dict[EntityUid, Entity] = {}
        for ident in ("u1", "u2", "u3"):
            uid = EntityUid("User", ident)
            teams = tuple(sorted(EntityUid("Team", one) for one in self.some(("t1", "t2"))))
            made[uid] = Entity(uid, {"name": self.pick(TEXTS), "level": self._choice.below(4)}, teams)
        for number in range(rows):
            uid = EntityUid("Document", f"d{number}")
            made[uid] = self.document(uid)
        return made

    def document(self, uid: EntityUid) -> Entity:
        held: dict[str, Value] = {
            "owner": self.user(),
            "level": self._choice.below(4),
            "secret": self.chance(2),
            "kind": self.pick(TEXTS),
            "labels": self.some(TEXTS),
            "editors": frozenset(self.user() for _ in range(self._choice.below(3))),
            "due": Datetime(self._choice.below(3)),
            "price": Decimal(self._choice.below(3)),
            "info": {"city": self.pick(TEXTS)},
        }
        optional: dict[str, Value] = {
            "note": self.pick(TEXTS),
            "rank": self._choice.below(3),
            "flag": self.chance(2),
            "reviewer": self.user(),
        }
        held |= {name: value for name, value in optional.items() if self.chance(2)}
        parents = () if self.chance(3) else (EntityUid("Folder", self.pick(("f1", "f2"))),)
        return Entity(uid, held, parents)

    def request(self, entities: Mapping[EntityUid, Entity]) -> PolicyRequest:
        context: dict[str, Value] = {
            "level": self._choice.below(4),
            "kind": self.pick(TEXTS),
            "wanted": set_of(self.some(TEXTS)),
            "secret": self.chance(2),
            "now": Datetime(self._choice.below(3)),
        }
        if self.chance(2):
            context["missing"] = 1
        return PolicyRequest(self.user(), READ, EntityUid("Document", "d0"), context, entities)

    # ---- policies ------------------------------------------------------------------------------------------------

    def policy(self, name: str) -> str:
        principal = self.pick(("principal", "principal", 'principal in Team::"t1"', 'principal == User::"u1"'))
        resource = self.pick(("resource", "resource", 'resource in Folder::"f1"', 'resource == Document::"d1"'))
        conditions = " ".join(
            f"{self.pick(('when', 'when', 'unless'))} {{ {self.condition(3)} }}" for _ in range(self._choice.below(3))
        )
        effect = self.pick(("permit", "permit", "forbid"))
        return f'@id("{name}") {effect} ({principal}, action, {resource}) {conditions};'

    def condition(self, depth: int) -> str:
        if depth == 0 or self.chance(3):
            return self.atom()
        one, two = self.condition(depth - 1), self.condition(depth - 1)
        forms = ("({0}) && ({1})", "({0}) || ({1})", "!({0})", "if ({0}) then ({1}) else ({2})")
        return str(self.pick(forms)).format(one, two, self.condition(depth - 1))

    def atom(self) -> str:
        text, number = quoted(self.pick(TEXTS)), self._choice.below(4)
        sign, user = self.pick(("==", "!=", "<", "<=", ">", ">=")), f'User::"{self.user().id}"'
        same = self.pick(("==", "!="))
        atoms = (
            f"resource.level {sign} {number}",
            f"{number} {sign} resource.level",
            f"resource.level {sign} context.level",
            f"resource.level {sign} principal.level",
            f"resource.kind {same} {text}",
            f"resource.kind {same} context.kind",
            f"resource.info.city {same} resource.kind",
            f"resource.kind like {self.pattern()}",
            f"resource.owner {same} principal",
            f"resource.owner {same} {user}",
            "principal in resource.editors",
            "principal in resource.owner",
            "resource.secret",
            "resource.secret == context.secret",
            f"resource.labels.contains({text})",
            "resource.labels.containsAny(context.wanted)",
            "context.wanted.containsAny(resource.labels)",
            "resource.labels.containsAll(context.wanted)",
            "resource.labels.isEmpty()",
            "context.wanted.contains(resource.kind)",
            f"[{text}, principal.name].contains(resource.kind)",
            f"resource has note && resource.note {same} {text}",
            f"resource has note && resource.note like {self.pattern()}",
            f"resource has rank && resource.rank {sign} {number}",
            "resource has flag && resource.flag",
            "!(resource has flag && resource.flag)",
            "resource has reviewer && resource.reviewer == principal",
            "resource has reviewer && resource.reviewer == resource.owner",
            f"resource.due {sign} context.now",
            'resource.price.lessThan(decimal("0.0001"))',
            'resource.price.greaterThanOrEqual(decimal("0.0002"))',
            'resource in Folder::"f1"',
            'resource in [Folder::"f1", Folder::"f2"]',
            'resource is Document in Folder::"f2"',
            'resource == Document::"d2"',
            "context.level + 9223372036854775807 > 0",
        )
        return str(self.pick(atoms))

    def pattern(self) -> str:
        return f'"{self.pick(PATTERNS)}"'


def fill(connection: Connection, entities: Mapping[EntityUid, Entity]) -> None:
    """Write the documents as rows."""
    for uid, entity in entities.items():
        if uid.type != "Document":
            continue
        held: Any = entity.attributes
        row = {name: plain(held.get(name)) for name in IN_ROW}
        folder = entity.parents[0].id if entity.parents else None
        connection.execute(insert(documents), {"id": uid.id, **row, "city": held["info"]["city"], "folder": folder})
        for one in held["labels"]:
            connection.execute(insert(labels), {"document": uid.id, "label": one})
        for one in held["editors"]:
            connection.execute(insert(editors), {"document": uid.id, "editor": one.id})


def clear(connection: Connection) -> None:
    """Empty the tables."""
    for table in metadata.tables.values():
        connection.execute(table.delete())


def policies_of(text: str, *, is_checked: bool = True) -> PolicySet:
    """Read policies as an operator writes them; the schema's validator must take them, unless it is not asked."""
    result = cedarpy.validate_policies(text, RENDERED)
    assert result.validation_passed is is_checked, (text, [error.error for error in result.errors])
    ests = list(json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values())
    named = [{**est, "annotations": {"id": f"policy{number}"}} for number, est in enumerate(ests)]
    return PolicySet(bundle_of(named, RENDERED))


def compare(
    connection: Connection, policies: PolicySet, asked: PolicyRequest, mapping: ResourceMap = MAPPING
) -> Outcome:
    """Select with the filter, and ask the engine row by row.

    Raises:
        AssertionError: the filter gives a row that the engine does not permit, or misses one without saying so.
    """
    found = translate(policies, asked.principal, READ, "Document", asked.context, asked.entities, mapping)
    selected = set(connection.execute(select(documents.c.id).where(found.expression)).scalars())
    refused = set(connection.execute(select(documents.c.id).where(~found.expression)).scalars())
    everything = {uid.id for uid in asked.entities if uid.type == "Document"}
    assert selected | refused == everything, "the filter is null for some row"
    permitted = {
        ident
        for ident in everything
        if policies.evaluate(
            PolicyRequest(asked.principal, READ, EntityUid("Document", ident), asked.context, asked.entities)
        ).effect
        is Effect.PERMIT
    }
    words = [policy.est for policy in policies.bundle.policies], asked.principal, asked.context
    assert selected <= permitted, (selected - permitted, words)
    assert found.gaps or selected == permitted, (permitted - selected, words)
    return Outcome(found, selected, permitted)
