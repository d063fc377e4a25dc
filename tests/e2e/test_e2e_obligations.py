"""Attack: get from an application what policies let through in part only. The running whole reduces its answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from siege import PERSON, Fortress, until

pytestmark = pytest.mark.e2e

SSN = str(PERSON["ssn"])
POLICY = """
@id("e2e-reduced")
@obligation("hide_ssn, token_name, two_orders, marked, written, told")
permit (
  principal in Watchword::Group::"members",
  action in Watchword::Action::"access",
  resource in Watchword::Application::"echo"
)
when { context.http.path like "/person*" };
"""
BOOK = """
obligations:
  hide_ssn: {kind: exclude, fields: ["**.ssn"]}
  token_name: {kind: tokenize, fields: [name]}
  two_orders: {kind: row_limit, fields: [orders], most: 2}
  marked: {kind: watermark, member: shown_to}
  written: {kind: record, fields: ["orders[*]", "**.ssn"]}
  told: {kind: notify, to: [administrators, owner]}
"""


@pytest.fixture
def reduced(fortress: Fortress) -> Iterator[Fortress]:
    """Attach rules to a part of the echo application, for one test."""
    policies = fortress.node.data / "policies"
    written = {policies / "obligations.yaml": BOOK, policies / "40-reduced.cedar": POLICY}

    def version() -> str:
        return str((fortress.node.status() or {}).get("policy_version"))

    before = version()
    for path, text in written.items():
        path.write_text(text)
    until(lambda: (fortress.node.status() or {}).get("policies") and version() != before)
    yield fortress
    for path in reversed(written):
        path.unlink()
    until(lambda: version() == before)


def test_what_a_policy_hides_leaves_no_trace_in_the_answer(reduced: Fortress) -> None:
    def get(*lines: str, target: str = "/person.json", method: str = "GET") -> tuple[int, bytes]:
        reply = reduced.wire.send(target, *lines, host="echo.localhost", browser=reduced.member.browser, method=method)
        return reply.status, reply.body

    until(lambda: SSN.encode() not in get()[1])
    status, body = get()
    shown = json.loads(body)
    assert status == 200
    assert shown.keys() == {"name", "contact", "decision", "orders", "shown_to"}
    assert shown["contact"] == {"city": "London"}
    assert shown["name"].startswith("t_")
    assert json.loads(get()[1])["name"] == shown["name"]
    record = reduced.node.decision(shown["decision"])
    assert record["obligations"] == ["hide_ssn", "marked", "token_name", "told", "two_orders", "written"]
    # What asks for another form of the answer gets the same, or nothing.
    for line in ("Range: bytes=0-60", "Accept-Encoding: gzip", "x-watchword-filter: e30=", "Accept: text/event-stream"):
        status, body = get(line)
        assert SSN.encode() not in body
        assert status in {200, 502}
    assert get(method="HEAD") == (200, b"")
    # What is no JSON is not shown at all, and a WebSocket is not opened.
    assert get(target="/person.txt")[0] == 502
    upgrade = ("Upgrade: websocket", "Connection: upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA")
    assert get(*upgrade)[0] == 403
    # Elsewhere nothing is changed.
    assert get(target="/other")[0] == 200


def test_what_was_read_is_in_the_journal_and_a_mark_and_a_token_are_turned_back(reduced: Fortress) -> None:
    def get() -> tuple[dict[str, Any], str]:
        reply = reduced.wire.send("/person.json", host="echo.localhost", browser=reduced.member.browser)
        return json.loads(reply.body), reply.get("watchword-watermark") or ""

    until(lambda: "shown_to" in get()[0])
    shown, header = get()
    assert shown["orders"] == [{"total": 1}, {"total": 2}]
    mark = shown["shown_to"]
    assert header == f"subject={mark['subject']}; decision={mark['decision']}"
    decision = reduced.node.decision(mark["decision"])
    [access] = [each for each in reduced.node.records("data_access") if each["decision"] == decision["id"]]
    assert (access["counts"], access["user"]) == ({"orders[*]": 2, "**.ssn": 0}, decision["user"])
    told = "enforcement.access.notified"
    until(lambda: any(each["subject"] == decision["id"] for each in reduced.node.records(told)))
    command = reduced.node.command
    assert command("obligations", "reveal", shown["name"], "--context", "token_name")["value"] == '"Ada"'
    traced = command("obligations", "trace", mark["subject"], "--application", "echo")
    assert traced["user"] == reduced.member.name
    until(lambda: bool(reduced.node.records("enforcement.token.revealed")))
