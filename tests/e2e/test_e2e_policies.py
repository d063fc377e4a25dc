"""Policies end to end, through real Envoy: relations, a candidate that watches, bundles and going back, a remote OPA.

The policy server is ours and speaks OPA's documented Data API; the real `opa` is asked in the unit tests where it is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opa_server import OpaServer
from siege import Citizen, SiegeNode, until
from typer.testing import CliRunner
from websockets.exceptions import ConnectionClosed

from watchword.cli.main import app
from watchword.policy import DEFAULT_DIRECTORY

pytestmark = pytest.mark.e2e

CONFIG = """
[policy]
source = "archive"
keys = ["node"]
candidate = "{own}/candidate"

[opa]
url = "OPA"
rules = ["e2e.authz.deny"]
"""
MODEL = """model
  schema 1.1
type user
type resource
  relations
    define banned: [user]
    define viewer: [user]
    define can_view: viewer but not banned
"""
RELATED = """
@id("e2e-related")
permit (principal, action in Watchword::Action::"access", resource in Watchword::Application::"notes")
when { context.rel.contains("can_view") };
"""
# The shipped tests say that whoever is in no group reaches nothing, which is what these policies change.
TESTS = """
tuples:
  - {user: user:usr_visitor, relation: viewer, object: resource:notes/default}
tests:
  - {principal: visitor, action: read, resource: pages, context: at the desk, expect: EXPECTED}
  - {principal: visitor, action: read, resource: wiki pages, context: at the desk, expect: silent}
  - principal: visitor
    action: read
    resource: pages
    context: at the desk
    tuples: [{user: user:usr_visitor, relation: banned, object: resource:notes/default}]
    expect: UNRELATED
"""
NOT_GUESTS = """
@id("e2e-not-guests")
forbid (principal, action in Watchword::Action::"access", resource in Watchword::Application::"notes")
unless { principal in Watchword::Group::"members" || principal in Watchword::Group::"administrators" };
"""


@dataclass
class Installation:
    """A node that follows signed bundles, with a guest who is in no group."""

    node: SiegeNode
    opa: OpaServer
    guest: Citizen
    guest_id: str
    policies: Path

    def asks(self) -> int:
        return self.guest.browser.get(f"{self.node.notes}/", follow=False).status

    def relate(self, verb: str = "write") -> str:
        """Write or delete the guest's tuple; return the token of that."""
        words = (f"user:{self.guest_id}", "viewer", "resource:notes/default")
        return str(command(self.node, "relations", verb, *words)["token"])

    def in_force(self, version: int) -> None:
        until(lambda: ((self.node.status() or {}).get("policy_bundle") or {}).get("version") == version)


def command(node: SiegeNode, *words: str) -> Any:
    """Run a command on the node's data directory in this process, where everything is imported already."""
    done = CliRunner().invoke(app, ["--output", "json", *words], env=node.environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def expecting(related: str, unrelated: str) -> str:
    return TESTS.replace("EXPECTED", related).replace("UNRELATED", unrelated)


@pytest.fixture(scope="module")
def installed() -> Iterator[Installation]:
    """Publish, start, and let the guest in for the first time."""
    with OpaServer(e2e__authz__deny=[]) as opa:
        node = SiegeNode(config=CONFIG.replace("OPA", opa.url))
        try:
            policies, candidate = node.own / "policies", node.own / "candidate"
            shutil.copytree(DEFAULT_DIRECTORY / "policies", policies)
            (policies / "relations.fga").write_text(MODEL)
            (policies / "30-related.cedar").write_text(RELATED)
            for shipped in ("notes.yaml", "safety.yaml"):
                (policies / "tests" / shipped).unlink()
            (policies / "tests" / "related.yaml").write_text(expecting("permit", "silent"))
            shutil.copytree(policies, candidate)
            (candidate / "40-not-guests.cedar").write_text(NOT_GUESTS)
            assert command(node, "policies", "publish", str(policies), "--key", "node")["version"] == 1
            node.start()
            guest = Citizen(node, "guest", "198.18.250.7")
            guest.enrol(str(command(node, "users", "create", "guest")["link"]))
            (row,) = [row for row in command(node, "users", "list") if row["user"] == "guest"]
            made = Installation(node, opa, guest, row["id"], policies)
            made.relate()
            until(lambda: guest.browser.get(f"{node.notes}/").status == 200)
            yield made
        finally:
            node.close()


def test_a_tuple_opens_the_next_request_and_its_removal_cuts_an_open_stream(installed: Installation) -> None:
    assert installed.asks() == 200
    with installed.guest.browser.websocket(f"{installed.node.notes.replace('https', 'wss')}/ws") as websocket:
        websocket.recv(timeout=10)
        installed.relate("delete")
        with pytest.raises(ConnectionClosed):
            while True:
                websocket.recv(timeout=10)
    assert installed.asks() == 403
    assert installed.node.last_decision()["reasons"][0] == "policy_silent"
    (cut, *_) = installed.node.records("stream.cut")
    assert cut
    token = installed.relate()
    assert installed.asks() == 200
    question = (f"user:{installed.guest_id}", "can_view", "resource:notes/default", "--at-least", token)
    assert command(installed.node, "relations", "check", *question)["related"] is True


def test_a_candidate_tells_what_it_would_change_and_changes_nothing(installed: Installation) -> None:
    assert installed.asks() == 200

    def flips() -> int:
        return int(command(installed.node, "policies", "replay", "--live")["candidate"]["report"]["loses"])

    until(lambda: flips() >= 1)
    report = command(installed.node, "policies", "replay", "--live")["candidate"]["report"]
    assert next(group["name"] for group in report["by_policy"]) == "e2e-not-guests"
    assert installed.asks() == 200


def test_a_bundle_that_would_surprise_is_held_back_then_published_and_taken_back(installed: Installation) -> None:
    node = installed.node
    assert installed.asks() == 200
    (installed.policies / "40-not-guests.cedar").write_text(NOT_GUESTS)
    (installed.policies / "tests" / "related.yaml").write_text(expecting("forbid", "forbid"))
    publish = ("policies", "publish", str(installed.policies), "--key", "node")
    with pytest.raises(AssertionError, match="e2e-not-guests"):
        command(node, *publish)
    assert installed.asks() == 200
    assert command(node, *publish, "--expect-lose", "1000")["version"] == 2
    installed.in_force(2)
    assert installed.asks() == 403
    assert node.last_decision()["policies"][0][0] == "e2e-not-guests"
    assert command(node, "policies", "rollback", "--key", "node")["contents_of"] == 1
    installed.in_force(3)
    assert installed.asks() == 200


def test_a_policy_server_elsewhere_has_its_say_on_the_next_request_and_denies_when_it_is_gone(
    installed: Installation,
) -> None:
    opa = installed.opa
    assert installed.asks() == 200
    assert opa.asked[-1][0] == "e2e.authz.deny"
    assert opa.asked[-1][1]["user"]["id"] == installed.guest_id
    try:
        for said, status in ((["not today"], 403), ([], 200), ({"no": "shape"}, 403)):
            opa.results["e2e.authz.deny"] = said
            assert installed.asks() == status
        opa.results["e2e.authz.deny"] = []
        opa.is_silent = True
        assert installed.asks() == 403
        assert "rego_unavailable" in str(installed.node.last_decision())
    finally:
        opa.results["e2e.authz.deny"], opa.is_silent = [], False
    assert installed.asks() == 200
