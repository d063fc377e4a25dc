"""`watchword risk explain`, `profile` and `replay`: pictures for people, JSON for programs, exit codes for scripts."""

from __future__ import annotations

import asyncio
import json
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from behaviour_world import EDGE, FIREFOX, PARIS, at_home
from decision_world import NOTES, DecisionWorld

from watchword.cli.risk_explain import as_json, bar, picture
from watchword.cli.risk_profile import columns
from watchword.kernel import Acr, FrozenClock
from watchword.storage import Database, migrate
from watchword.trust import FREEMAN, LEARNING, STATISTICAL, Act, Agent, Habits, Observation, Place


async def recorded(tmp_path: Any, clock: FrozenClock, entropy: Any) -> dict[str, Any]:
    """One decision about a session that is used from elsewhere, as the journal keeps it."""
    database = Database(f"sqlite:///{tmp_path / 'world.db'}")
    await migrate(database)
    world = DecisionWorld(database, clock, entropy, applications=(replace(NOTES, profile=STATISTICAL),))
    visit = await at_home(world)
    away = await world.session(visit.user, None, ip=PARIS, mfa_at=None, mfa_network=None, acr=Acr.SINGLE_FACTOR)
    record: dict[str, Any] = json.loads(away.asks(user_agent=EDGE).encoded())
    await database.close()
    return record


@pytest.fixture
def record(tmp_path: Any, clock: FrozenClock, entropy: Any) -> dict[str, Any]:
    return asyncio.run(recorded(tmp_path, clock, entropy))


def test_explain_draws_what_spoke_for_whom_and_names_what_was_read(cli: Any, record: dict[str, Any]) -> None:
    cli.journal(record)
    said = cli("risk", "explain", record["id"])
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[0].startswith(f"risk {record['risk']} of 100, medium")
    assert any("new_country" in line and "+" in line and "█" in line for line in lines)
    assert any("prior" in line and "-4.00" in line for line in lines)
    assert any(line.startswith("  model ") for line in lines)
    as_json = cli.json("risk", "explain", record["id"])
    assert as_json["unit"] == "log-odds"
    assert sum(each["value"] for each in as_json["contributions"]) == as_json["log_odds"]


def test_explain_says_who_asked_for_what_in_factors_and_what_to_do_next(cli: Any, record: dict[str, Any]) -> None:
    cli.journal(record)
    said = cli("risk", "explain", record["id"])
    assert f"{record['user']} was asked for a second factor: GET notes" in said.out
    assert "from France 193.48.1.1" in said.out
    prior = next(line for line in said.out.splitlines() if " prior " in line)
    assert "\N{DIVISION SIGN}55" in prior
    assert "takeovers are rare" in prior
    assert f"watchword risk feedback give {record['id']} --owner" in said.out
    assert f"watchword sessions end {record['session']}" in said.out


@pytest.mark.parametrize("width", [60, 80, 120])
def test_an_explanation_fits_the_terminal(record: dict[str, Any], width: int) -> None:
    lines = [line for line in picture(as_json(record), width=width) if "│" in line or line.startswith("      ")]
    assert len(lines) > 10
    assert max(map(len, lines)) <= width


def test_the_risk_of_a_decision_is_drawn_into_a_file_for_its_owner_only(
    cli: Any, record: dict[str, Any], tmp_path: Path
) -> None:
    cli.journal(record)
    html = tmp_path / "decision.html"
    said = cli("risk", "explain", record["id"], "--html", str(html))
    assert said.code == 0, said.err
    assert f"written to {html}" in said.out
    assert "New country" in html.read_text()
    assert stat.S_IMODE(html.stat().st_mode) == 0o600
    settled = dict(record, id=record["id"][:-1] + ("0" if record["id"][-1] != "0" else "1"), risk=None)
    cli.journal(settled)
    said = cli("risk", "explain", settled["id"], "--html", str(html))
    assert (said.code, "decisions explain" in said.err) == (3, True)


def test_explain_shows_points_where_points_were_added(cli: Any, record: dict[str, Any]) -> None:
    del record["behaviour"]
    record["contributions"], record["risk"] = [["new_device", 30], ["unusual_location", 0]], 30
    cli.journal(record)
    assert "+30" in cli("risk", "explain", record["id"]).out
    assert cli.json("risk", "explain", record["id"])["unit"] == "points"


def test_a_browser_cannot_write_to_the_terminal_of_whoever_explains(cli: Any, record: dict[str, Any]) -> None:
    record["personal"]["details"]["agent"] = "evil\x1b[2J\nrisk 0 of 100"
    cli.journal(record)
    said = cli("risk", "explain", record["id"])
    assert "\x1b" not in said.out
    assert not any(line.startswith("risk 0") for line in said.out.splitlines())


def test_replay_says_the_same_bits_or_leaves_with_four(cli: Any, record: dict[str, Any]) -> None:
    cli.journal(record)
    said = cli("risk", "replay")
    assert said.code == 0
    assert "1 decision scored again: 1 with the same bits, 0 not" in said.out
    changed = {**record, "id": record["id"][:-1] + ("0" if record["id"][-1] != "0" else "1")}
    changed["behaviour"] = {**record["behaviour"], "log_odds": 0.0}
    cli.journal(changed)
    said = cli("--output", "json", "risk", "replay")
    assert said.code == 4
    assert [each["id"] for each in said.json["others"]] == [changed["id"]]
    told = cli("risk", "replay").out
    assert changed["id"] in told
    assert "--output json names each" in told
    assert cli("risk", "replay", changed["id"]).code == 4
    assert cli("risk", "replay", record["id"]).code == 0


def test_replay_of_a_decision_by_points_says_where_to_look(cli: Any, record: dict[str, Any]) -> None:
    del record["behaviour"]
    cli.journal(record)
    said = cli("risk", "replay", record["id"])
    assert said.code == 3
    assert "risk explain" in said.err
    assert "no decision of the journal was scored by behaviour" in cli("risk", "replay").out


def lived(cli: Any) -> None:
    """Let somebody sign in on nine mornings, and learn all that can be learned of it."""

    async def live(services: Any) -> None:
        user = await services.identity.accounts.create_user("ada", actor="test")
        await services.identity.accounts.create_user("bob", actor="test")
        habits = Habits(services.database, services.clock, learns=LEARNING)
        now = services.clock.now()
        for day in range(9, 0, -1):
            at = (now - timedelta(days=day)).replace(hour=9)
            seen = Observation(
                id=str(day),
                at=at.timestamp(),
                user=user.id,
                act=Act.SIGN_IN,
                is_verified=True,
                ip="81.2.69.1",
                network="81.2.69.0/24",
                place=Place(country="GB", asn=20712),
                agent=Agent(FIREFOX, "Firefox 128", "Linux", "desktop"),
            )
            habits.note(seen)
        await habits.learn_waiting()
        await habits.flush()

    cli.within(live)


def test_profile_draws_what_is_usual(cli: Any) -> None:
    lived(cli)
    said = cli("risk", "profile", "ada")
    assert said.code == 0, said.err
    assert "9 verified acts" in said.out
    assert "100% ████████████████████ GB United Kingdom" in said.out
    assert "Firefox 128 on Linux" in said.out
    hours = said.out.splitlines()[said.out.splitlines().index("hours of the day, in their own zone") + 1]
    assert hours.index("█") == 2 + 9
    assert cli.json("risk", "profile", "ada")["countries"] == [["GB", 1.0]]
    assert "nothing was learned yet" in cli("risk", "profile", "bob").out
    missing = cli("risk", "profile", "nobody")
    assert missing.code == 3
    assert "users list" in missing.err


def test_profile_shows_what_the_published_score_counted_and_says_where_the_node_does_not_learn(cli: Any) -> None:
    lived(cli)
    said = cli("risk", "profile", "ada", "--by", "freeman")
    assert said.code == 0, said.err
    assert said.out.startswith("this node does not learn for `freeman`: no application uses it")
    assert "9 verified sign-ins" in said.out
    assert "100% ████████████████████ 81.2.69.1" in said.out
    assert "hours of the day" not in said.out
    as_json = cli.json("risk", "profile", "ada", "--by", "freeman")
    assert (as_json["profile"], as_json["history"], as_json["learns"]) == (FREEMAN, 9, [])
    assert cli("risk", "profile", "ada", "--by", "additive").code == 2


def test_bars_stay_within_their_picture() -> None:
    for value in (-9.0, -0.001, 0.001, 3.3, 9.0):
        assert len(bar(value, 9.0)) == 25
    assert columns((0.0,) * 24) == " " * 24
    assert columns((0.0, 0.5, 1.0)) == " ▄█"


@pytest.mark.parametrize("words", [("explain",), ("replay",)])
def test_a_node_that_was_never_started_has_no_such_decision(cli: Any, words: tuple[str, ...]) -> None:
    said = cli("risk", *words, "dec_01m8116137rnnt6fa2bvwrx0rp")
    assert said.code == 3
    assert "the journal holds no decision" in said.err
    assert cli("risk", "replay").code == 0
