"""Read `invariants.yaml`: promises that the policies shall keep, each a condition of Cedar in a scope.

    invariants:
      - id: notes-want-a-second-factor
        description: Nobody writes to the notes without a second factor.
        scope:
          action: Watchword::Action::"write"
          resource: Watchword::Application::"notes"
        never: "!context.mfa.is_verified"

`never`: under this condition nothing is permitted. `always`: under this condition everything is.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import cedarpy

from watchword.policy import text
from watchword.policy.analysis.model import Invariant, Place
from watchword.policy.documents import Node, read_document
from watchword.policy.errors import PolicyLoadError, Problem
from watchword.policy.load import Bundle, WrittenPolicy

INVARIANTS_FILE: Final = "invariants.yaml"
MOST_INVARIANTS: Final = 1_000
_SCOPE = ("principal", "action", "resource")
_UID = re.compile(r'(?:[A-Za-z_][A-Za-z0-9_]*::)+"(?:[^"\\\n]|\\.)*"')
_POSITION = re.compile(r"^for policy `policy\d+`, ")


def read_invariants(directory: Path, bundle: Bundle) -> tuple[Invariant, ...]:
    """Read and check the invariants of a policy directory; none where there is no file.

    Raises:
        PolicyLoadError: with every problem found.
    """
    path = directory / INVARIANTS_FILE
    if not path.exists():
        return ()
    listed = read_document(path).mapping({"invariants"}, required={"invariants"})["invariants"].items()
    found: dict[str, Invariant] = {}
    problems: list[Problem] = []
    if len(listed) > MOST_INVARIANTS:
        raise PolicyLoadError([listed[MOST_INVARIANTS].problem("too many", expected=f"at most {MOST_INVARIANTS}")])
    for node in listed:
        try:
            one = _invariant(node, bundle)
            if one.id in found:
                raise node.refuse(f"the id `{one.id}` is taken by {found[one.id].place}", expected="an id of its own")
            found[one.id] = one
        except PolicyLoadError as error:
            problems += error.problems
    if problems:
        raise PolicyLoadError(problems)
    return tuple(found.values())


def _invariant(node: Node, bundle: Bundle) -> Invariant:
    said = node.mapping({"id", "description", "scope", "never", "always"}, required={"id"})
    if ("never" in said) == ("always" in said):
        raise node.refuse("neither or both of `never` and `always`", expected="one of them")
    is_never = "never" in said
    condition = said["never" if is_never else "always"]
    name = said["id"].text()
    scope = said["scope"].mapping(_SCOPE) if "scope" in said else {}
    policy = WrittenPolicy(
        f"invariant:{name}", _est(scope, condition, bundle), node.path, condition.line, "", condition.column
    )
    description = said["description"].text() if "description" in said else ""
    return Invariant(name, is_never, policy, Place(node.path, node.line, node.column), description)


def _est(scope: dict[str, Node], condition: Node, bundle: Bundle) -> dict[str, object]:
    """Parse scope and condition as one policy, as Cedar does, and check it against the schema."""
    head = ", ".join(_side(name, scope.get(name)) for name in _SCOPE)
    body = condition.text()
    _refuse_depth(condition, body)
    source = f"permit ({head}) when {{ {body} }};"
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(source))
    except (ValueError, RecursionError) as error:
        raise condition.refuse(f"not a condition of Cedar: {error}") from None
    found = [*parsed["staticPolicies"].values(), *parsed["templates"].values()]
    # Prevents: a condition that closes the braces and brings a policy of its own.
    if len(found) != 1 or parsed["templates"] or len(found[0]["conditions"]) != 1:
        raise condition.refuse("more than one condition", expected="one expression that is true or false")
    result = cedarpy.validate_policies(source, bundle.schema)
    for wrong in result.errors[:1]:
        words = _POSITION.sub("", wrong.error)
        quoted = re.search(r"`([A-Za-z_][A-Za-z0-9_.]*)`", words)
        known = text.names_in(bundle.schema)
        near = text.nearest(quoted.group(1).rpartition(".")[2], known) if quoted else ""
        raise condition.refuse(words, nearest=near)
    if not result.validation_passed:
        raise condition.refuse("the condition does not fit the schema")
    est: dict[str, object] = found[0]
    return est


def _refuse_depth(condition: Node, body: str) -> None:
    if text.depth_problem(condition.path, body, text.tokens_of(body)):
        raise condition.refuse("nested too deeply")


def _side(name: str, node: Node | None) -> str:
    """Write one side of the head: it is the entity named, or lies below it; of several actions, any."""
    if node is None:
        return name
    if name == "action" and isinstance(node.value, tuple):
        listed = ", ".join(_uid(one) for one in node.items())
        return f"action in [{listed}]"
    return f"{name} in {_uid(node)}"


def _uid(node: Node) -> str:
    written = node.text().strip()
    # Prevents: an entity that brings more of a policy than its name.
    if not _UID.fullmatch(written):
        raise node.refuse("not the name of an entity", expected='a name such as `Watchword::Application::"notes"`')
    return written
