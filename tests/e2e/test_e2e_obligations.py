"""Attack: get from an application what policies let through in part only. The running whole reduces its answers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from siege import PERSON, Fortress, until

pytestmark = pytest.mark.e2e

SSN = str(PERSON["ssn"])
POLICY = """
@id("e2e-reduced")
@obligation("hide_ssn, hash_name")
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
  hash_name: {kind: hash, fields: [name]}
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
    assert shown.keys() == {"name", "contact", "decision"}
    assert shown["contact"] == {"city": "London"}
    assert shown["name"].startswith("h_")
    assert json.loads(get()[1])["name"] == shown["name"]
    record = reduced.node.decision(shown["decision"])
    assert record["obligations"] == ["hash_name", "hide_ssn"]
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
