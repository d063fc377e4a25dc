"""The administration: who gets in, what they do there, and that it ends when their right to it ends."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from console_world import ConsoleWorld, record
from identity_world import AWAY, HOME

from watchword.console import Verdict, Verification, WatchingPolicies
from watchword.identity import UserFacts
from watchword.kernel import Answer, Reason, RiskLevel

HIGH = Verdict(Answer.DENY, 90, 0, RiskLevel.HIGH, (Reason.RISK_HIGH,))
READS = [
    "/admin",
    "/admin/figures",
    "/admin/stream",
    "/admin/decisions",
    "/admin/sessions",
    "/admin/users",
    "/admin/users/usr_01jd0000000000000000000000",
    "/admin/policies",
    "/admin/audit",
    "/admin/audit/progress",
]
WRITES = [
    "/admin/users",
    "/admin/groups",
    "/admin/users/usr_01jd0000000000000000000000/groups",
    "/admin/users/usr_01jd0000000000000000000000/invite",
    "/admin/users/usr_01jd0000000000000000000000/disable",
    "/admin/users/usr_01jd0000000000000000000000/enable",
    "/admin/sessions/end",
    "/admin/decisions/dec_01jd0000000000000000000000/verdict",
    "/admin/audit/verify",
]


# --- who gets in ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", READS)
async def test_forced_browsing_by_strangers_and_people_shows_nothing(world: ConsoleWorld, path: str) -> None:
    shown = await world.browser().get(path)
    assert (shown.status, shown.location) == (303, f"/sign-in?return_to={path}")
    await world.person()
    browser = world.browser()
    await browser.sign_in()
    shown = await browser.get(path)
    assert (shown.status, shown.title) == (403, "This is not open to you")


@pytest.mark.parametrize("path", WRITES)
async def test_no_change_of_the_administration_is_open_to_people(world: ConsoleWorld, path: str) -> None:
    await world.person()
    browser = world.browser()
    await browser.sign_in()
    assert (await browser.post(path)).status == 403
    assert (await world.browser().post(path)).status == 303


@pytest.mark.parametrize("path", WRITES)
async def test_every_change_of_the_administration_refuses_a_forged_request(world: ConsoleWorld, path: str) -> None:
    browser, _ = await world.administrator()
    await browser.visit("/admin/users")
    assert (await browser.post(path, headers={"origin": "https://notes.localhost:8443"})).status == 403
    assert (await browser.post(path, {"csrf": "0" * 64})).status == 403


async def test_an_administrator_without_a_second_factor_is_asked_for_it(world: ConsoleWorld) -> None:
    await world.person("root", groups=["administrators"])
    browser = world.browser()
    await browser.sign_in("root")
    shown = await browser.get("/admin/sessions")
    assert (shown.status, shown.location) == (303, "/step-up?return_to=/admin/sessions")


async def test_a_second_factor_that_grew_old_is_asked_again(world: ConsoleWorld) -> None:
    browser, _ = await world.administrator()
    assert (await browser.get("/admin")).status == 200
    world.step(timedelta(minutes=31).total_seconds())
    assert (await browser.get("/admin")).location == "/step-up?return_to=/admin"
    assert (await browser.post("/admin/groups", {"group": "x"})).location == "/step-up?return_to=/admin"


async def test_a_second_factor_shown_elsewhere_does_not_travel(world: ConsoleWorld) -> None:
    browser, _ = await world.administrator()
    browser.ip = AWAY.ip
    assert (await browser.get("/admin")).location == "/step-up?return_to=/admin"
    browser.ip = HOME.ip.rpartition(".")[0] + ".99"
    assert (await browser.get("/admin")).status == 200


async def test_a_clock_that_was_set_back_makes_no_proof_fresh(world: ConsoleWorld) -> None:
    browser, _ = await world.administrator()
    world.clock.step(-timedelta(hours=2))
    assert (await browser.get("/admin")).status == 303


async def test_a_session_of_high_risk_administers_nothing(world: ConsoleWorld) -> None:
    browser, _ = await world.administrator()
    world.risk.in_session = HIGH
    assert (await browser.get("/admin")).status == 403


async def test_a_risk_that_cannot_be_told_administers_nothing(
    world: ConsoleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, _ = await world.administrator()

    async def broken(*_args: object) -> Verdict:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(world.risk, "assess_session", broken)
    shown = await browser.get("/admin/users")
    assert shown.status == 500
    assert "secret detail" not in shown.text
    assert "root" not in shown.text


async def test_who_is_no_administrator_any_more_is_out_at_once(world: ConsoleWorld) -> None:
    browser, root = await world.administrator()
    await world.person("second", groups=["administrators"])
    await world.identity.accounts.remove_from_group(root.id, "administrators", actor="test")
    await world.settled()
    assert (await browser.get("/admin")).status == 403


# --- people --------------------------------------------------------------------------------------------------------


async def test_somebody_is_invited_and_the_link_is_shown_once(world: ConsoleWorld) -> None:
    browser, root = await world.administrator()
    await world.identity.accounts.create_group("staff", actor="test")
    await browser.visit("/admin/users")
    shown = await browser.post(
        "/admin/users", {"name": "grace", "email": "grace@example.org", "groups": ["staff", "invented"]}
    )
    assert shown.title == "Invitation for grace"
    link = re.search(r"https://watchword\.localhost:8443/invite/[\w-]{43}", shown.text)
    assert link is not None
    user = await world.identity.accounts.find_user("grace")
    assert user is not None
    assert (user.groups, user.email) == (frozenset({"staff"}), "grace@example.org")
    assert (await world.events("identity.user.created"))[-1]["actor"] == root.id
    assert (await world.browser().visit(link[0])).title == "Welcome to Watchword"
    assert link[0] not in (await browser.visit(f"/admin/users/{user.id}")).text


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "no name"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "root"}, "name"),
        ({"name": "x", "email": "@"}, "email"),
    ],
)
async def test_a_name_that_cannot_be_is_told_at_its_field(
    world: ConsoleWorld, fields: dict[str, str], field: str
) -> None:
    browser, _ = await world.administrator()
    await browser.visit("/admin/users")
    shown = await browser.post("/admin/users", fields)
    assert shown.status == 422
    assert f'id="{field}-wrong"' in shown.text


async def test_a_group_is_made_and_given(world: ConsoleWorld) -> None:
    browser, _ = await world.administrator()
    user = await world.person("grace")
    await browser.visit("/admin/users")
    assert "The group is made." in (await browser.submit("/admin/groups", {"group": "research"})).text
    assert (await browser.post("/admin/groups", {"group": "research"})).status == 422
    shown = await browser.submit(f"/admin/users/{user.id}/groups", {"groups": ["research"]})
    assert "The groups are saved" in shown.text
    found = world.facts.user(user.id)
    assert found is not None
    assert found.groups == {"research"}
    await browser.submit(f"/admin/users/{user.id}/groups")
    found = world.facts.user(user.id)
    assert found is not None
    assert found.groups == frozenset()


async def test_disabling_ends_every_session_before_the_page_answers(world: ConsoleWorld) -> None:
    browser, _ = await world.administrator()
    user = await world.person("grace")
    theirs = world.browser()
    await theirs.sign_in("grace")
    await browser.visit("/admin/users")
    shown = await browser.submit(f"/admin/users/{user.id}/disable")
    assert "every session of it has ended" in shown.text
    assert (await theirs.get("/account")).status == 303
    shown = await browser.submit(f"/admin/users/{user.id}/enable")
    assert "The account is enabled." in shown.text
    assert (await theirs.sign_in("grace")).status == 200


async def test_the_last_administrator_stays(world: ConsoleWorld) -> None:
    browser, root = await world.administrator()
    await browser.visit("/admin/users")
    shown = await browser.post(f"/admin/users/{root.id}/disable")
    assert shown.status == 409
    assert "Nobody would be left to administer." in shown.text
    for group in ("archive", "research"):
        await world.identity.accounts.create_group(group, actor="test")
    await world.identity.accounts.add_to_group(root.id, "archive", actor="test")
    assert (await browser.post(f"/admin/users/{root.id}/groups", {"groups": ["research"]})).status == 409
    kept = await world.identity.reader.user(root.id)
    assert kept is not None
    assert kept.groups == {"administrators", "archive"}
    assert (await browser.get("/admin")).status == 200


async def test_a_new_link_for_somebody_with_factors_needs_the_reset_to_be_said(world: ConsoleWorld) -> None:
    browser, _ = await world.administrator()
    user = await world.person("grace")
    await browser.visit("/admin/users")
    shown = await browser.post(f"/admin/users/{user.id}/invite")
    assert shown.status == 409
    assert len(await world.identity.accounts.authenticators(user.id)) == 1
    shown = await browser.post(f"/admin/users/{user.id}/invite", {"reset": "yes"})
    assert shown.title == "Invitation for grace"
    assert await world.identity.accounts.authenticators(user.id) == ()


@pytest.mark.parametrize("user", ["x", "usr_x", "usr_01jd0000000000000000000000", "%00"])
async def test_an_invented_user_does_not_exist(world: ConsoleWorld, user: str) -> None:
    browser, _ = await world.administrator()
    await browser.visit("/admin/users")
    assert (await browser.get(f"/admin/users/{user}")).status == 404
    for act in ("groups", "invite", "disable", "enable"):
        assert (await browser.post(f"/admin/users/{user}/{act}")).status == 404


# --- sessions ------------------------------------------------------------------------------------------------------


async def test_ending_a_session_counts_before_the_page_answers(world: ConsoleWorld) -> None:
    browser, root = await world.administrator()
    await world.person("grace")
    theirs = world.browser()
    await theirs.sign_in("grace")
    shown = await browser.visit("/admin/sessions")
    assert "grace" in shown.text
    session = next(one for one in await world.identity.reader.sessions() if one.user_id != root.id)
    shown = await browser.submit("/admin/sessions/end", {"session": session.id})
    assert "The session has ended." in shown.text
    assert session.id not in shown.text
    # What every door decides from knows it too, already.
    known = world.facts.session(session.id)
    assert known is None or known.ended_at is not None
    assert (await theirs.get("/")).status == 303
    ended = (await world.events("identity.session.ended"))[-1]
    assert (ended["actor"], ended["subject"]) == (root.id, session.id)


async def test_an_invented_session_does_not_exist(world: ConsoleWorld) -> None:
    browser, _ = await world.administrator()
    await browser.visit("/admin/sessions")
    for session in ("", "ses_x", "ses_01jd0000000000000000000000"):
        assert (await browser.post("/admin/sessions/end", {"session": session})).status == 404


# --- decisions -----------------------------------------------------------------------------------------------------


async def test_decisions_are_filtered_and_found_by_reference(world: ConsoleWorld) -> None:
    browser, root = await world.administrator()
    assert "are in the journal" in (await browser.visit("/admin/decisions")).text
    world.decisions.push(record(world, user=root, path="/one"))
    world.decisions.push(record(world, answer=Answer.DENY, reasons=[Reason.POLICY_SILENT], path="/two"))
    shown = await browser.visit("/admin/decisions")
    assert "/one" in shown.text
    assert "/two" in shown.text
    shown = await browser.visit("/admin/decisions?answer=deny")
    assert "/one" not in shown.text
    assert "policy_silent" in shown.text
    assert "No decision fits." in (await browser.visit("/admin/decisions?application=wiki")).text
    assert "/two" not in (await browser.visit("/admin/decisions?q=ROOT")).text
    reference = world.decisions.records[1]["id"]
    shown = await browser.get(f"/admin/decisions?q=%20{reference.upper()}%20")
    assert shown.location == f"/decisions/{reference}"


async def test_an_administrator_sees_everything_that_was_read(world: ConsoleWorld) -> None:
    browser, _ = await world.administrator()
    grace = await world.person("grace")
    await world.settled()
    world.decisions.push(
        record(
            world,
            answer=Answer.DENY,
            reasons=[Reason.RISK_HIGH],
            user=grace,
            risk=30,
            level="high",
            contributions=[["new_device", 30]],
            details={"new_device": "this device was not seen before"},
        )
    )
    shown = await browser.visit(f"/decisions/{world.decisions.records[0]['id']}")
    for words in ("session.live", "network.country", "+30", "members-read-notes", "84 µs", "sha256:5e0c7a1f", "grace"):
        assert words in shown.text
    assert '<rect class="bar-up" x="0.0" width="30.0"' in shown.text


async def test_a_decision_that_the_edge_gave_again_says_how_often(world: ConsoleWorld) -> None:
    browser, root = await world.administrator()
    world.decisions.push(record(world, user=root, path="/polled", leased=1200))
    assert "/polled \N{MULTIPLICATION SIGN}1,200<" in (await browser.visit("/admin/decisions")).text
    shown = await browser.visit(f"/decisions/{world.decisions.records[0]['id']}")
    assert "Stands for 1,200 requests, the same to the letter" in shown.text


async def test_a_person_is_told_why_without_the_inner_workings(world: ConsoleWorld) -> None:
    user = await world.person()
    browser = world.browser()
    await browser.sign_in()
    world.decisions.push(
        record(world, answer=Answer.DENY, reasons=[Reason.RISK_HIGH], user=user, policies=[["secret-name", ""]])
    )
    shown = await browser.visit(f"/decisions/{world.decisions.records[0]['id']}")
    assert shown.title == "Why you were refused"
    assert Reason.RISK_HIGH.words in shown.text
    assert Reason.RISK_HIGH.remedy in shown.text
    for inner in ("secret-name", "session.live", "risk_high", "sha256:5e0c7a1f", "µs"):
        assert inner not in shown.text


async def test_somebody_elses_decision_does_not_exist(world: ConsoleWorld) -> None:
    grace = await world.person("grace")
    await world.person()
    browser = world.browser()
    await browser.sign_in()
    world.decisions.push(record(world, user=grace))
    world.decisions.push(record(world))
    references = [one["id"] for one in world.decisions.records]
    invented = ["dec_01jd0000000000000000000000", "dec_x", "x"]
    shown = [await browser.visit(f"/decisions/{reference}") for reference in [*references, *invented]]
    assert {(one.status, one.title) for one in shown} == {(404, "There is nothing here")}


async def test_an_administrator_without_a_fresh_factor_reads_like_anybody(world: ConsoleWorld) -> None:
    browser, root = await world.administrator()
    grace = await world.person("grace")
    world.decisions.push(record(world, user=grace))
    world.decisions.push(record(world, user=root))
    world.step(timedelta(minutes=31).total_seconds())
    own, theirs = (one["id"] for one in world.decisions.records)
    assert (await browser.visit(f"/decisions/{theirs}")).status == 404
    assert "session.live" not in (await browser.visit(f"/decisions/{own}")).text


@pytest.mark.parametrize("broken", [{"answer": "perhaps"}, {"at": "late"}, {"id": 7}, {"contributions": [["x"]]}])
async def test_a_record_that_cannot_be_read_is_left_out_of_the_list(
    world: ConsoleWorld, broken: dict[str, Any]
) -> None:
    browser, root = await world.administrator()
    world.decisions.push(record(world, user=root, path="/sound"))
    world.decisions.push({**record(world, user=root, path="/broken"), **broken})
    for path in ("/admin", "/admin/decisions", "/"):
        shown = await browser.visit(path)
        assert shown.status == 200
        assert "/sound" in shown.text
        assert "/broken" not in shown.text


# --- live ----------------------------------------------------------------------------------------------------------


class Stream:
    """Reads the live stream through the application's own interface, chunk by chunk."""

    def __init__(self, world: ConsoleWorld, cookies: dict[str, str]) -> None:
        self.chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self.status = 0
        headers = {
            "host": world.portal.removeprefix("https://"),
            "x-watchword-client-ip": HOME.ip,
            "cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
        }
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "https",
            "path": "/admin/stream",
            "raw_path": b"/admin/stream",
            "root_path": "",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "server": None,
            "client": None,
        }
        self.gone = asyncio.Event()
        self._sent = False
        self.task = asyncio.ensure_future(world.app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if not self._sent:
            self._sent = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message.get("body"):
            self.chunks.put_nowait(message["body"])

    async def next(self) -> str:
        return (await asyncio.wait_for(self.chunks.get(), 5)).decode()


async def test_decisions_arrive_live_and_hostile_ones_stay_words(world: ConsoleWorld) -> None:
    browser, root = await world.administrator()
    stream = Stream(world, browser.cookies())
    assert (await stream.next()).startswith(":")
    assert stream.status == 200
    world.decisions.push(record(world, user=root, path="/<script>\n\ndata: x"))
    event = await stream.next()
    assert "&lt;script&gt;" in event
    assert "<script>" not in event
    assert all(line.startswith("data: ") for line in event.strip().splitlines())
    assert event.count("\n\n") == 1
    stream.gone.set()
    await asyncio.wait_for(stream.task, 5)
    assert world.decisions.readers == []


async def test_the_live_stream_ends_with_the_session_and_tells_nothing_more(world: ConsoleWorld) -> None:
    browser, root = await world.administrator()
    stream = Stream(world, browser.cookies())
    await stream.next()
    await world.identity.sessions.end_all(root.id, actor="test", reason="test")
    await world.settled()
    world.decisions.push(record(world, path="/secret"))
    await asyncio.wait_for(stream.task, 5)
    assert stream.chunks.empty()


async def test_the_live_stream_ends_when_it_has_lasted_long_enough(world: ConsoleWorld) -> None:
    browser, root = await world.administrator()
    stream = Stream(world, browser.cookies())
    await stream.next()
    world.clock.advance(timedelta(seconds=world.settings.stream_max_s))
    world.decisions.push(record(world, user=root))
    await stream.next()
    await asyncio.wait_for(stream.task, 5)


async def test_live_streams_are_bounded(world: ConsoleWorld) -> None:
    browser, _ = await world.administrator()
    streams = [Stream(world, browser.cookies()) for _ in range(32)]
    for stream in streams:
        await stream.next()
    assert (await asyncio.wait_for(browser.get("/admin/stream"), 5)).status == 429
    for stream in streams:
        stream.gone.set()
    await asyncio.gather(*(stream.task for stream in streams))
    again = Stream(world, browser.cookies())
    await again.next()
    again.gone.set()
    await again.task


async def test_the_figures_alone_are_a_fragment_without_scripts(world: ConsoleWorld) -> None:
    browser, root = await world.administrator()
    world.decisions.push(record(world, user=root))
    shown = await browser.get("/admin/figures")
    assert "<svg" in shown.text
    assert "<html" not in shown.text
    assert "default-src 'none'" in shown.header("content-security-policy")


# --- policies and journal ------------------------------------------------------------------------------------------


async def test_policies_are_shown_line_by_line_with_their_last_problem(world: ConsoleWorld) -> None:
    browser, _ = await world.administrator()
    world.policies.problem = "notes.cedar:3: unexpected token"
    shown = await browser.visit("/admin/policies")
    assert "notes.cedar:3: unexpected token" in shown.text
    assert '<code id="p-members-read-notes">@id(&#34;members-read-notes&#34;)</code>' in shown.text
    world.policies.files = ()
    world.policies.problem = None
    assert "so nothing is allowed" in (await browser.visit("/admin/policies")).text


async def test_what_watches_is_shown_beside_the_policies_in_force(world: ConsoleWorld) -> None:
    browser, _ = await world.administrator()
    world.policies.watching = (
        WatchingPolicies("The candidate", "3f2a", 90, 1, 2, 3, 4, 5, (("<b>odd", 1, 2, 3),), (("usr_x", 0, 2, 0),)),
    )
    shown = (await browser.visit("/admin/policies")).text
    assert "Of 90 decisions, 1 would have gained, 2 would have lost, 3 would have come with something else." in shown
    assert "4 were not looked at" in shown
    assert "5 could not be looked at" in shown
    assert "<code>&lt;b&gt;odd</code>" in shown
    assert "usr_x" in shown


async def test_the_journal_is_verified_with_progress(world: ConsoleWorld) -> None:
    browser, _ = await world.administrator()
    await browser.visit("/admin/audit")
    shown = await browser.submit("/admin/audit/verify")
    assert world.audit.started == 1
    assert "512 of 1284 records" in shown.text
    assert '<noscript><meta http-equiv="refresh"' in shown.text
    shown = await browser.get("/admin/audit/progress")
    nonce = re.search(r'hx-nonce="([^"]+)"', shown.text)
    assert nonce is not None
    assert f"'nonce-{nonce[1]}'" in shown.header("content-security-policy")
    world.audit.run = Verification(world.clock.now(), 1284, 1284, world.clock.now(), "record 7 was changed")
    shown = await browser.visit("/admin/audit")
    assert "The journal does not verify" in shown.text
    assert "record 7 was changed" in shown.text


async def test_people_and_sessions_are_found_by_their_words(world: ConsoleWorld) -> None:
    browser, _ = await world.administrator()
    await world.person("grace", email="grace@example.org")
    await world.signed_in("grace", client=AWAY)
    await world.person("katherine", groups=["research"])
    shown = await browser.visit("/admin/users?q=RESEARCH")
    assert "katherine" in shown.text
    assert ">grace<" not in shown.text
    assert ">grace<" in (await browser.visit("/admin/users?q=example.org")).text
    assert "0 people" in (await browser.visit("/admin/users?q=nobody")).text
    shown = await browser.visit(f"/admin/sessions?q={AWAY.ip}")
    assert "1 live session<" in shown.text
    assert "grace" in shown.text


async def test_ten_thousand_people_make_no_endless_page(world: ConsoleWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, root = await world.administrator()
    many = [replace(root, name=f"u{number}") for number in range(10_000)]

    async def users() -> list[UserFacts]:
        return many

    monkeypatch.setattr(type(world.identity.reader), "users", lambda _reader: users())
    shown = await browser.visit("/admin/users")
    assert "10000 people, the first 200 shown" in shown.text
    assert len(shown.text) < 200_000
