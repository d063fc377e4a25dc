"""Generate templates and links: both engines get the templates and fill the slots for themselves.

Ours reads files, as from an operator: templates as text, and `links.json`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cedarpy
from policy_cases import Choice, Est, Seeded, World, schema, schema_text
from policy_oracle import Oracle

from watchword.policy import Effect, PolicyLoadError
from watchword.policy.evaluator import Evaluator
from watchword.policy.load import load_bundle

_SIDES = ("principal", "resource")
_MARK = "Slot"


def compare_links(choice: Choice) -> Effect | None:
    """Make one world with templates and links, and put it to both engines.

    Returns:
        The last answer's effect; nothing where nothing valid came out.

    Raises:
        AssertionError: the engines differ, with everything needed to see why.
    """
    made = schema(choice)
    world = World(choice, made, depth=1)
    ests = [_template(world, world.policy(f"t{number}")) for number in range(1 + choice.below(4))]
    links = [link for number, est in enumerate(ests) if _slots(est) for link in _links(world, number, est)]
    written = {
        "staticPolicies": {est["annotations"]["id"]: est for est in ests if not _slots(est)},
        "templates": {est["annotations"]["id"]: est for est in ests if _slots(est)},
        "templateLinks": [
            {"templateId": link["template"], "newId": link["id"], "values": link["values"]} for link in links
        ],
    }
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), schema_text(made), written, links)
        try:
            bundle = load_bundle(Path(folder), schema=None)
        except PolicyLoadError as error:
            # What the reference's validator refuses is no case; a fault in our own linking would be told otherwise.
            faults = ("no template", "wrong slots", "is taken", "malformed")
            if any(words in str(error.problems) for words in faults):
                raise AssertionError(error.problems, ests, links) from error
            return None
    assert {policy.id for policy in bundle.policies} == {*written["staticPolicies"], *(link["id"] for link in links)}
    evaluator, oracle = Evaluator(bundle), Oracle(bundle, written=written)
    effect = None
    for _ in range(3):
        request = world.request(world.entities())
        verdict, answer = oracle.ask(request), evaluator.evaluate(request)
        wanted = oracle.strict_effect(verdict)
        assert answer.effect is wanted, (wanted, verdict, answer, ests, links, request)
        if wanted is not Effect.ERROR:
            assert {policy.id for policy in answer.determining} == verdict.reasons, (verdict, answer, ests, links)
        effect = answer.effect
    return effect


def link_differences(seeds: Iterable[int]) -> list[int]:
    """Return the seeds on which the engines differ; for long runs."""
    found = []
    for seed in seeds:
        try:
            compare_links(Seeded(seed))
        except AssertionError:
            found.append(seed)
    return found


def _template(world: World, est: Est) -> Est:
    """Put slots where a policy names an entity, or leave it as it is."""
    changed = dict(est)
    for side in _SIDES:
        scope = dict(est[side])
        if "entity" in scope and world.chance(2):
            del scope["entity"]
            scope["slot"] = f"?{side}"
        elif scope["op"] == "is" and world.chance(2):
            scope["in"] = {"slot": f"?{side}"}
        changed[side] = scope
    return changed


def _slots(est: Est) -> list[str]:
    return [f"?{side}" for side in _SIDES if "slot" in est[side] or "slot" in est[side].get("in", {})]


def _links(world: World, number: int, est: Est) -> list[dict[str, Any]]:
    return [
        {
            "template": est["annotations"]["id"],
            "id": f"l{number}-{count}",
            "values": {slot: _value(world, slot[1:]) for slot in _slots(est)},
        }
        for count in range(1 + world.choice.below(2))
    ]


def _value(world: World, side: str) -> dict[str, str]:
    known = world.scope[side]
    own = getattr(known, "entity", min(world.schema.entities))
    above = sorted(world.schema.entities[own].parents)
    uid = world.uid(world.pick([own, own, *above]))
    return {"type": uid.type, "id": uid.id}


def _write(folder: Path, schema: str, written: dict[str, Any], links: list[dict[str, Any]]) -> None:
    (folder / "own.cedarschema").write_text(schema)
    for kind in ("staticPolicies", "templates"):
        static = {name: _marked(est) for name, est in written[kind].items()}
        whole = {"staticPolicies": static, "templates": {}, "templateLinks": []}
        text = cedarpy.policies_from_json_str(json.dumps(whole))
        for side in _SIDES:
            text = text.replace(f'{_MARK}::"{side}"', f"?{side}")
        (folder / f"{kind}.cedar").write_text(text)
    (folder / "links.json").write_text(json.dumps(links))


def _marked(est: Est) -> Est:
    """Put an entity in the place of each slot: the reference writes only static policies out."""
    changed = dict(est)
    for side in _SIDES:
        mark = {"type": _MARK, "id": side}
        scope = {name: part for name, part in est[side].items() if name != "slot"}
        if "slot" in est[side]:
            scope["entity"] = mark
        if "slot" in scope.get("in", {}):
            scope["in"] = {"entity": mark}
        changed[side] = scope
    return changed
