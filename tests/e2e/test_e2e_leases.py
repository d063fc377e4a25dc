"""A page that is asked for again and again, through the running whole: leased, counted, and gone with its session."""

from __future__ import annotations

import pytest
from siege import Fortress, until

pytestmark = pytest.mark.e2e


def test_what_is_asked_for_again_and_again_is_leased_and_ends_with_its_session(fortress: Fortress) -> None:
    node, citizen = fortress.node, fortress.newcomer("poller")
    url = f"{fortress.echo_origin}/polled"

    def poll() -> str:
        page = citizen.browser.get(url, follow=False, accept="application/json")
        return page.text if page.status == 200 else str(page.status)

    citizen.enter(f"{fortress.echo_origin}/")
    assert poll().startswith("dec_")
    # Under a lease the application is told of the same decision again.
    until(lambda: poll() == poll())
    granted = poll()
    asked = [poll() for _ in range(5)]
    assert granted in asked
    session = next(each for each in node.records("decision") if each["id"] == granted)["session"]
    node.command("sessions", "end", session)
    until(lambda: poll() == "401")
    assert [poll() for _ in range(5)] == ["401"] * 5

    def leased() -> int:
        return sum(each.get("leased", 0) for each in node.records("decision") if each["path"] == "/polled")

    until(lambda: leased() >= asked.count(granted))
    told = [each for each in node.records("decision") if each.get("leased")]
    assert {each["answer"] for each in told} == {"allow"}
