"""Read and write a model in OpenFGA's JSON form, as `fga model transform` writes it and its API takes it.

Source: the OpenFGA API, `AuthorizationModel`; what its servers add (`id`, empty fields, `source_info`) is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from watchword.policy.documents import Node, parse_document
from watchword.policy.relations.dsl import CONTAINERS, SCALARS, Written
from watchword.policy.relations.model import (
    Computed,
    Condition,
    Direct,
    Exclusion,
    FromTupleset,
    Intersection,
    Parameter,
    Place,
    Relation,
    RelationModel,
    Restriction,
    Rewrite,
    TypeDefinition,
    Union,
    direct_of,
)

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")
_PREFIX: Final = "TYPE_NAME_"
_FORMS: Final = ("this", "computedUserset", "tupleToUserset", "union", "intersection", "difference")
_SERVERS_OWN: Final = ("id", "module", "source_info")


def parse_json(path: str, source: str) -> Written:
    """Read a whole file.

    Raises:
        PolicyLoadError: at the first place that is wrong.
    """
    # A tab can stand between values alone, where the reader of documents would not have it.
    top = parse_document(source.replace("\t", " ").encode(), name=path)
    parts = top.mapping(("schema_version", "type_definitions", "conditions", *_SERVERS_OWN), required=_TOP)
    if parts["schema_version"].text() != "1.1":
        raise parts["schema_version"].refuse("this schema is not read", expected='`"1.1"`; modules (1.2) are not read')
    types = tuple(_type(node) for node in parts["type_definitions"].items())
    conditions = _given(parts, "conditions")
    return Written(types, tuple(_condition(name, node) for name, node in conditions.items()))


_TOP: Final = ("schema_version", "type_definitions")


def as_json(model: RelationModel) -> dict[str, Any]:
    """Return a model as JSON values; what a condition says in comments is gone."""
    found: dict[str, Any] = {"schema_version": "1.1", "type_definitions": [*map(_type_json, model.types.values())]}
    if model.conditions:
        found["conditions"] = {name: _condition_json(each) for name, each in model.conditions.items()}
    return found


# ---- reading -------------------------------------------------------------------------------------------------------


def _given(parts: Mapping[str, Node], name: str, known: Iterable[str] | None = None) -> dict[str, Node]:
    """Return a mapping that may be missing or null."""
    node = parts.get(name)
    return node.mapping(known) if node is not None and node.value is not None else {}


def _name(node: Node, of: str) -> str:
    # Prevents: a name that the language could not say, and that would mean something else there.
    if isinstance(node.value, str) and _NAME.fullmatch(node.value):
        return node.value
    raise node.refuse(f"this is no name of {of}", expected="letters, digits, and `_`, `-`, `.` or `/`")


def _place(node: Node) -> Place:
    return Place(node.line, node.column)


def _key_name(node: Node, key: str, of: str) -> Place:
    line, column = (node.keys or {}).get(key, (node.line, node.column))
    _name(Node(key, node.path, line, column), of)
    return Place(line, column)


def _type(node: Node) -> TypeDefinition:
    parts = node.mapping(("type", "relations", "metadata", *_SERVERS_OWN), required=("type",))
    metadata = _given(parts, "metadata", ("relations", *_SERVERS_OWN))
    related = _given(metadata, "relations")
    rewrites = _given(parts, "relations")
    relations: dict[str, Relation] = {}
    for name, rewrite in rewrites.items():
        place = _key_name(parts["relations"], name, "a relation")
        direct = _direct(related[name]) if name in related else ()
        relations[name] = Relation(name, _whole(rewrite, direct), place)
    for name in related.keys() - relations.keys():
        raise metadata["relations"].refuse_key(name, f"no relation `{name[:50]}` is defined")
    return TypeDefinition(_name(parts["type"], "a type"), MappingProxyType(relations), _place(parts["type"]))


def _direct(node: Node) -> tuple[Restriction, ...]:
    parts = node.mapping(("directly_related_user_types", *_SERVERS_OWN)) if node.value is not None else {}
    listed = parts.get("directly_related_user_types")
    return tuple(map(_restriction, listed.items())) if listed is not None and listed.value is not None else ()


def _restriction(node: Node) -> Restriction:
    parts = node.mapping(("type", "relation", "wildcard", "condition", *_SERVERS_OWN), required=("type",))
    relation, condition = (
        _name(parts[name], of) if name in parts and parts[name].value not in {None, ""} else ""
        for name, of in (("relation", "a relation"), ("condition", "a condition"))
    )
    is_wildcard = "wildcard" in parts and parts["wildcard"].value is not None
    if relation and is_wildcard:
        raise node.refuse("a userset cannot be everybody as well", expected="`relation` or `wildcard`")
    return Restriction(_name(parts["type"], "a type"), relation, is_wildcard, condition, _place(node))


def _whole(node: Node, restrictions: tuple[Restriction, ...]) -> Rewrite:
    found = _rewrite(node, restrictions)
    if restrictions and direct_of(found) is None:
        raise node.refuse("types are named, but nothing takes them", expected='`{"this": {}}` somewhere')
    return found


def _rewrite(node: Node, restrictions: tuple[Restriction, ...], *, may_be_direct: bool = True) -> Rewrite:
    """Read one rewrite.

    Args:
        may_be_direct: `this` may stand here, as a list of types may in the language: first, if need be in parentheses.
    """
    parts = {name: inner for name, inner in node.mapping(_FORMS).items() if inner.value is not None}
    if len(parts) != 1:
        raise node.refuse("this is not one rewrite", expected=f"one of {', '.join(f'`{form}`' for form in _FORMS)}")
    ((form, body),) = parts.items()
    match form:
        case "this":
            return _this(body, restrictions, may_be_direct=may_be_direct)
        case "computedUserset":
            return Computed(_relation_of(body), _place(body))
        case "tupleToUserset":
            both = body.mapping(required=("tupleset", "computedUserset"), known=())
            return FromTupleset(_relation_of(both["computedUserset"]), _relation_of(both["tupleset"]), _place(body))
        case "difference":
            both = body.mapping(required=("base", "subtract"), known=())
            base = _rewrite(both["base"], restrictions, may_be_direct=may_be_direct)
            return Exclusion(base, _rewrite(both["subtract"], restrictions, may_be_direct=False))
    return _run(form, body, restrictions, may_be_direct=may_be_direct)


def _this(body: Node, restrictions: tuple[Restriction, ...], *, may_be_direct: bool) -> Direct:
    if not may_be_direct:
        raise body.refuse("`this` cannot stand here", expected="it as the first part, and once")
    if not restrictions:
        raise body.refuse("nobody is named who may be related directly", expected="`directly_related_user_types`")
    return Direct(restrictions)


def _run(form: str, body: Node, restrictions: tuple[Restriction, ...], *, may_be_direct: bool) -> Rewrite:
    children = body.mapping(("child",), required=("child",))["child"].items()
    if not children:
        raise body.refuse(f"`{form}` has no part", expected="one at least")
    # Their order means nothing, and the language wants the list of types first.
    ordered = sorted(children, key=lambda child: not _holds_this(child))
    found = tuple(
        _rewrite(child, restrictions, may_be_direct=may_be_direct and number == 0)
        for number, child in enumerate(ordered)
    )
    if len(found) == 1:
        return found[0]
    return Union(found) if form == "union" else Intersection(found)


def _holds_this(node: Node) -> bool:
    if isinstance(node.value, dict):
        return "this" in node.value or any(map(_holds_this, node.value.values()))
    return isinstance(node.value, tuple) and any(map(_holds_this, node.value))


def _relation_of(node: Node) -> str:
    parts = node.mapping(("object", "relation"), required=("relation",))
    if "object" in parts and parts["object"].value not in {None, ""}:
        raise parts["object"].refuse("a relation of another object cannot be asked here", expected="no `object`")
    return _name(parts["relation"], "a relation")


def _condition(name: str, node: Node) -> Condition:
    parts = node.mapping(("name", "expression", "parameters", "metadata"), required=("name", "expression"))
    if parts["name"].text() != name:
        raise parts["name"].refuse("the condition is filed under another name", expected=f"`{name[:50]}`")
    given = _given(parts, "parameters")
    if not given:
        raise node.refuse("the condition has no parameter", expected="one at least")
    for key in given:
        _key_name(parts["parameters"], key, "a parameter")
    parameters = MappingProxyType({key: _parameter(inner) for key, inner in given.items()})
    expression = parts["expression"]
    place = _place(expression)
    return Condition(_name(parts["name"], "a condition"), parameters, expression.text().strip(), _place(node), place)


def _parameter(node: Node) -> Parameter:
    parts = node.mapping(("type_name", "generic_types"), required=("type_name",))
    written = parts["type_name"].text()
    name = written.removeprefix(_PREFIX).lower()
    if not written.startswith(_PREFIX) or name not in SCALARS + CONTAINERS:
        wanted = ", ".join(f"`{_PREFIX}{known.upper()}`" for known in SCALARS + CONTAINERS)
        raise parts["type_name"].refuse("this is no type of a parameter", expected=wanted)
    listed = parts.get("generic_types")
    inner = listed.items() if listed is not None and listed.value is not None else ()
    if len(inner) != (name in CONTAINERS):
        raise node.refuse("this type has not as many elements", expected="`generic_types` with one, of lists and maps")
    if not inner:
        return Parameter(name)
    element = _parameter(inner[0])
    if element.element:
        raise inner[0].refuse("containers cannot hold containers", expected="a plain type")
    return Parameter(name, element.type)


# ---- writing -------------------------------------------------------------------------------------------------------


def _type_json(type_: TypeDefinition) -> dict[str, Any]:
    found: dict[str, Any] = {"type": type_.name}
    if type_.relations:
        found["relations"] = {name: _rewrite_json(each.rewrite) for name, each in type_.relations.items()}
        found["metadata"] = {"relations": {name: _direct_json(each) for name, each in type_.relations.items()}}
    return found


def _direct_json(relation: Relation) -> dict[str, Any]:
    direct = direct_of(relation.rewrite)
    if direct is None:
        return {}
    return {"directly_related_user_types": [_restriction_json(each) for each in direct.restrictions]}


def _restriction_json(each: Restriction) -> dict[str, Any]:
    found: dict[str, Any] = {"type": each.type}
    if each.relation:
        found["relation"] = each.relation
    if each.is_wildcard:
        found["wildcard"] = {}
    if each.condition:
        found["condition"] = each.condition
    return found


def _rewrite_json(rewrite: Rewrite) -> dict[str, Any]:
    match rewrite:
        case Direct():
            return {"this": {}}
        case Computed(relation):
            return {"computedUserset": {"relation": relation}}
        case FromTupleset(relation, tupleset):
            return {"tupleToUserset": {"tupleset": {"relation": tupleset}, "computedUserset": {"relation": relation}}}
        case Union(parts):
            return {"union": {"child": [*map(_rewrite_json, parts)]}}
        case Intersection(parts):
            return {"intersection": {"child": [*map(_rewrite_json, parts)]}}
        case Exclusion(base, subtract):
            return {"difference": {"base": _rewrite_json(base), "subtract": _rewrite_json(subtract)}}


def _condition_json(condition: Condition) -> dict[str, Any]:
    parameters = {name: _parameter_json(each) for name, each in condition.parameters.items()}
    return {"name": condition.name, "expression": condition.expression, "parameters": parameters}


def _parameter_json(each: Parameter) -> dict[str, Any]:
    found: dict[str, Any] = {"type_name": f"{_PREFIX}{each.type.upper()}"}
    if each.element:
        found["generic_types"] = [{"type_name": f"{_PREFIX}{each.element.upper()}"}]
    return found
