"""Read one request that somebody wrote down, to ask what policies would say: YAML, or JSON as Cedar writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from watchword.policy.documents import Node, parse_document, read_document
from watchword.policy.errors import PolicyLoadError
from watchword.policy.load import Bundle
from watchword.policy.model import PolicyRequest
from watchword.policy.relations import RelationModel, RelationView
from watchword.policy.schema import Schema, parse_schema
from watchword.policy.text import nearest
from watchword.policy.trials.fixtures import context_value, read_fixtures
from watchword.policy.trials.relating import Related, moment_in, related, without_relations
from watchword.policy.trials.values import Values

_KEYS: Final = ("principal", "action", "resource", "context", "entities", "tuples", "now")
_ENTITY_KEYS: Final = {"uid": "uid", "attrs": "attributes", "attributes": "attributes", "parents": "parents"}


def question_in(source: Path | bytes, bundle: Bundle, *, view: RelationView | None = None) -> PolicyRequest:
    """Read a request from a file, or from the bytes that came through a pipe.

    Args:
        bundle: the policies that will be asked, for their schema and their model of relations.
        view: the tuples that answer where the request brings none.

    Raises:
        PolicyLoadError: as `read_question`; also a file that cannot be read.
    """
    if isinstance(source, bytes):
        document = parse_document(source, name="standard input")
    else:
        document = read_document(source, name=str(source))
    return read_question(document, parse_schema(bundle.schema), model=bundle.relations, view=view)


def read_question(
    document: Node, schema: Schema, *, model: RelationModel | None = None, view: RelationView | None = None
) -> PolicyRequest:
    """Read `principal`, `action`, `resource`, `context`, `entities`, `tuples`, and `now` for their conditions.

    What the context does not say of `rel` comes from the tuples. The entities are fixtures by name, as in policy
    tests, or a list of `{uid, attrs, parents, tags}`, as in Cedar's JSON. An action may be named by its id alone where
    only one has it.

    Raises:
        PolicyLoadError: malformed, or it does not fit the schema; with every place.
    """
    parts = document.mapping(_KEYS, required=("principal", "action", "resource"))
    described = parts.get("entities")
    fixtures = read_fixtures([{"entities": _named(described)}] if described is not None else [], schema)
    values = Values(fixtures.uids)
    who, what = values.uid(parts["principal"]), values.uid(parts["resource"])
    action = values.uid(_whole_action(parts["action"], schema))
    known = schema.actions.get(action)
    if known is None and schema.actions:
        near = nearest(action.id, frozenset(uid.id for uid in schema.actions))
        raise parts["action"].refuse("no action of that name", expected="an action of the schema", nearest=near)
    given = parts.get("context", Node({}, document.path, document.line, document.column, {}))
    wanted = known.context if known else None
    context = context_value(given, without_relations(wanted), values)
    tuples = Related(model, [parts["tuples"]]).view() if "tuples" in parts else view
    if values.problems:
        raise PolicyLoadError(values.problems)
    request = PolicyRequest(who, action, what, context, fixtures.known_to())
    return related(request, wanted, tuples or Related(model).view(), now=moment_in(parts.get("now")))


def _whole_action(node: Node, schema: Schema) -> Node:
    same = [uid for uid in schema.actions if uid.id == node.value]
    return Node(str(same[0]), node.path, node.line, node.column) if len(same) == 1 else node


def _named(node: Node) -> Node:
    """Turn a list of entities into fixtures, named by what they are."""
    if not isinstance(node.value, tuple):
        return node
    found: dict[str, Node] = {}
    for entity in node.value:
        parts = entity.mapping((*_ENTITY_KEYS, "tags"), required=("uid",))
        uid = Values({}).uid(parts["uid"])
        if str(uid) in found:
            raise entity.refuse(f"the entity `{uid}` is described twice", expected="one description")
        renamed = {_ENTITY_KEYS.get(name, name): inner for name, inner in parts.items()}
        renamed["uid"] = Node(str(uid), entity.path, entity.line, entity.column)
        found[str(uid)] = Node(renamed, entity.path, entity.line, entity.column, entity.keys)
    return Node(found, node.path, node.line, node.column, {})
