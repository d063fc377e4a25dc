"""The pages about risk: what made a decision's risk, and what is usual for a person."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from console_world import ConsoleWorld
from page_lint import lint

from watchword.console import create_console
from watchword.kernel import DecisionId, UserId
from watchword.trust import Usual

USUAL = Usual(
    "statistical",
    history=41,
    countries=(("GB", 0.9), ("FR", 0.1)),
    networks=(("81.2.69.0/24", 0.9), ("<script>alert(1)</script>", 0.1)),
    browsers=(("Firefox 128 on Linux", 1.0),),
    applications=(("notes", 1.0),),
    hours=(0.0,) * 8 + (0.5, 0.25, 0.25) + (0.0,) * 13,
    last_place="London, GB",
)


class Habits:
    """Says the same of everybody it knows."""

    def __init__(self, usual: Usual = USUAL) -> None:
        self.said = usual

    async def usual(self, user_id: UserId) -> Usual:
        del user_id
        return self.said


def with_habits(world: ConsoleWorld, habits: Habits) -> None:
    world.services = replace(world.services, habits=habits)
    world.app = create_console(world.services, world.settings, entropy=world.entropy)


def behaviour_record(world: ConsoleWorld, user: str) -> dict[str, Any]:
    """A decision of the profile `statistical`, as the journal has it."""
    now = world.clock.now()
    return {
        "type": "decision",
        "id": DecisionId.new(now, world.entropy),
        "at": now.isoformat(),
        "cost_us": 180,
        "snapshot": 9,
        "answer": "step_up",
        "reasons": ["risk_medium"],
        "application": "notes",
        "resource": "default",
        "action": "read",
        "method": "GET",
        "host": "notes.localhost",
        "path": "/",
        "user": user,
        "session": None,
        "device": None,
        "risk": 94,
        "trust": 30,
        "level": "medium",
        "contributions": [
            ["prior", -4.0],
            ["network", 2.5],
            ["new_country", 6.0],
            ["agent", 1.62],
            ["hour", -0.25],
            ["weekday", 0.07],
            ["resource", 0.0],
        ],
        "trust_contributions": [],
        "behaviour": {"probability": 0.9428, "log_odds": 5.94, "versions": {"model": "shipped/1/abc"}},
        "facts": [],
        "personal": {
            "ip": "193.48.1.1",
            "user_agent": "Edg/126.0",
            "details": {
                "new_country": "seen for the first time with this account: FR",
                "network": "this network is unusual for this account",
                "resource": "unknown: nothing was said about it",
            },
        },
    }


async def test_a_decision_by_behaviour_shows_what_speaks_for_whom(world: ConsoleWorld) -> None:
    browser, root = await world.administrator()
    record = behaviour_record(world, root.id)
    world.decisions.push(record)
    shown = await browser.visit(f"/decisions/{record['id']}")
    assert "94.3 %" in shown.text
    assert "+6.0" in shown.text
    assert "-4.0" in shown.text
    assert "speaks for somebody else" in shown.text
    assert "Could not be told: what was asked for." in shown.text
    # For whoever never met a logarithm: how many times likelier, and why where the score left it unsaid.
    for words in ("×400", "÷55", "As usual for this account", "takeovers are rare"):  # noqa: RUF001  # as it is shown
        assert words in shown.text
    # What weighs most stands first.
    assert shown.text.index("New country") < shown.text.index("Network and place") < shown.text.index("Hour of the day")
    assert "style=" not in shown.text
    assert lint(shown.text) == []


async def test_decisions_are_found_by_how_risky_they_were(world: ConsoleWorld) -> None:
    browser, root = await world.administrator()
    record = behaviour_record(world, root.id) | {"path": "/odd"}
    world.decisions.push(record)
    assert "/odd" in (await browser.visit("/admin/decisions?risk=medium")).text
    shown = await browser.visit("/admin/decisions?risk=high")
    assert "/odd" not in shown.text
    assert lint(shown.text) == []


async def test_a_decision_by_points_is_shown_as_before(world: ConsoleWorld) -> None:
    browser, root = await world.administrator()
    record = behaviour_record(world, root.id) | {"contributions": [["new_device", 30]], "risk": 30}
    del record["behaviour"]
    world.decisions.push(record)
    shown = await browser.visit(f"/decisions/{record['id']}")
    assert "+30" in shown.text
    assert "speaks for somebody else" not in shown.text


async def test_the_person_concerned_sees_what_spoke_against_the_request_and_not_which_habits_it_met(
    world: ConsoleWorld,
) -> None:
    """Attack: a thief with a session reads the pages about their own requests to learn how to look like the owner."""
    user = await world.person()
    record = behaviour_record(world, user.id)
    world.decisions.push(record)
    browser = world.browser()
    await browser.sign_in()
    shown = await browser.visit(f"/decisions/{record['id']}")
    assert "New country" in shown.text
    assert "-4.0" not in shown.text
    assert "Hour of the day" not in shown.text


async def test_an_administrator_sees_what_is_usual_for_a_person(world: ConsoleWorld) -> None:
    with_habits(world, Habits())
    browser, root = await world.administrator()
    shown = await browser.visit(f"/admin/users/{root.id}")
    assert "Learned from 41 verified acts" in shown.text
    assert "Firefox 128 on Linux" in shown.text
    assert 'aria-label="Most acts are at 8:00, 9:00, 10:00"' in shown.text
    assert "<script>alert(1)" not in shown.text
    assert "style=" not in shown.text
    assert lint(shown.text) == []


async def test_of_somebody_new_nothing_is_usual_and_the_page_says_why(world: ConsoleWorld) -> None:
    habits = Habits()
    with_habits(world, habits)
    browser, root = await world.administrator()
    for profile, words in (
        ("statistical", "until then requests are judged by rules alone"),
        ("freeman", "Sign-ins with a second factor are counted"),
        ("", "Nothing is learned here: no application uses the profile"),
    ):
        habits.said = Usual(profile)
        shown = await browser.visit(f"/admin/users/{root.id}")
        assert words in shown.text
        assert lint(shown.text) == []


async def test_of_counted_sign_ins_no_hours_are_shown_for_none_are_counted(world: ConsoleWorld) -> None:
    with_habits(world, Habits(Usual("freeman", 12, networks=(("81.2.69.142", 1.0),))))
    browser, root = await world.administrator()
    shown = await browser.visit(f"/admin/users/{root.id}")
    assert "Counted over 12 verified sign-ins; none fades." in shown.text
    assert "81.2.69.142" in shown.text
    assert "Hours of their day" not in shown.text
    assert lint(shown.text) == []


async def test_nobody_is_told_what_is_usual_for_their_own_account(world: ConsoleWorld) -> None:
    """Whoever holds a stolen session would learn from it how to look like its owner."""
    with_habits(world, Habits())
    await world.person()
    browser = world.browser()
    await browser.sign_in()
    for path in ("/", "/account"):
        assert "Firefox 128 on Linux" not in (await browser.visit(path)).text


async def test_whose_session_was_in_other_hands_is_told_to_sign_in_anew(world: ConsoleWorld) -> None:
    browser, root = await world.administrator()
    record = behaviour_record(world, root.id) | {"answer": "deny", "reasons": ["risk_high"]}
    world.decisions.push(record)
    assert "sign in again" not in (await browser.visit(f"/decisions/{record['id']}")).text
    record |= {"contributions": [["prior", -4.0], ["token_replay", 6.0]]}
    world.decisions.push(record)
    assert "Sign out and sign in again" in (await browser.visit(f"/decisions/{record['id']}")).text
