"""What a browser and a program are told, with the status that their proxy understands."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from decision_world import HOME, PERMIT_ALL, DecisionWorld
from door_world import PORTAL, DoorWorld, cookies_of, header

from watchword.console.routes.crossing import hash_state as hash_of_the_portal
from watchword.enforcement.answers import HttpAnswer, hash_state
from watchword.identity import safe_return_to
from watchword.kernel import Answer, Reason, WatchwordError
from watchword.trust import NetworkList

NAVIGATES = {"accept": "text/html", "sec_fetch_mode": "navigate"}
PROGRAM = {"accept": "application/json"}
STATE = "s" * 43


@pytest.fixture
def doors(world: DecisionWorld) -> DoorWorld:
    return DoorWorld(world)


def sent_to(answer: HttpAnswer) -> tuple[str, dict[str, str]]:
    parts = urlsplit(header(answer, "location") or "")
    return f"{parts.scheme}://{parts.netloc}{parts.path}", {
        key: found[0] for key, found in parse_qs(parts.query).items()
    }


# --- sent away ------------------------------------------------------------------------------------------------------


async def test_a_stranger_in_a_browser_is_sent_to_sign_in(doors: DoorWorld) -> None:
    answer = await doors.ask(None, "/page?q=ä&r=/", **NAVIGATES)
    page, query = sent_to(answer)
    assert (answer.status, page) == (302, f"{PORTAL}/sign-in")
    assert query["return_to"] == "https://notes.localhost:8443/page?q=ä&r=/"
    state = (header(answer, "set-cookie") or "").partition(";")[0].removeprefix("__Host-ww-state=")
    assert query["state"] == hash_state(state) != state
    assert header(answer, "cache-control") == "no-store"


async def test_the_state_cookie_is_for_this_host_and_no_script(doors: DoorWorld) -> None:
    cookie = header(await doors.ask(None, **NAVIGATES), "set-cookie") or ""
    value, *attributes = [part.strip() for part in cookie.split(";")]
    assert set(attributes) == {"Path=/", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age=600"}
    assert len(value.removeprefix("__Host-ww-state=")) == 43


async def test_two_tabs_share_one_state(doors: DoorWorld) -> None:
    answer = await doors.ask(None, cookie=f"__Host-ww-state={STATE}", **NAVIGATES)
    assert sent_to(answer)[1]["state"] == hash_state(STATE)
    assert f"__Host-ww-state={STATE};" in (header(answer, "set-cookie") or "")


@pytest.mark.parametrize(
    "planted",
    ["", "short", "s" * 44, "é" * 43, "s" * 42 + "=", "s" * 40 + ",=x", "s" * 42 + " ", '"' + "s" * 41 + '"'],
)
async def test_a_state_that_is_none_of_ours_is_replaced(doors: DoorWorld, planted: str) -> None:
    answer = await doors.ask(None, cookie=f"__Host-ww-state={planted}", **NAVIGATES)
    assert sent_to(answer)[1]["state"] != hash_state(planted)
    assert f"={planted};" not in (header(answer, "set-cookie") or "")


async def test_a_doubled_state_is_replaced(doors: DoorWorld) -> None:
    answer = await doors.ask(None, cookie=f"__Host-ww-state={STATE}; __Host-ww-state={STATE}", **NAVIGATES)
    assert sent_to(answer)[1]["state"] != hash_state(STATE)


async def test_states_are_never_the_same(doors: DoorWorld) -> None:
    assert len({sent_to(await doors.ask(None, **NAVIGATES))[1]["state"] for _ in range(20)}) == 20


def test_the_door_and_the_portal_hash_a_state_alike() -> None:
    digest = base64.urlsafe_b64encode(hashlib.sha256(STATE.encode()).digest()).rstrip(b"=").decode()
    assert hash_state(STATE) == hash_of_the_portal(STATE) == digest


async def test_a_way_back_is_one_that_the_portal_accepts(doors: DoorWorld) -> None:
    origin = "https://notes.localhost:8443"
    for target in ("/", "/a/b?c=d", "/" + "a" * 900, "/" + "a" * 5000, "/?" + "q" * 60_000):
        answer = await doors.ask(None, target, **NAVIGATES)
        back = sent_to(answer)[1]["return_to"]
        assert safe_return_to(back, (origin,)) == back
        assert back == (f"{origin}{target}" if len(target) < 1000 else f"{origin}/")
        assert len(header(answer, "location") or "") < 4000


async def test_a_medium_risk_sends_a_browser_to_step_up(doors: DoorWorld) -> None:
    visit = await doors.world.session(await doors.world.person(), mfa_at=None, mfa_network=None)
    answer = await doors.ask(visit, "/x", **NAVIGATES)
    page, query = sent_to(answer)
    assert (answer.status, page) == (302, f"{PORTAL}/step-up")
    assert query["reference"] == doors.world.point.recent[-1].id


async def test_a_session_that_is_too_old_for_its_risk_is_not_sent_in_circles(doors: DoorWorld) -> None:
    visit = await doors.world.visit()
    await visit.change(authenticated_at=doors.world.clock.now() - timedelta(minutes=50))
    visit.device_handle = None  # 30 points: such a session lives for half an hour
    answer = await doors.ask(visit, "/x", **NAVIGATES)
    page, query = sent_to(answer)
    assert doors.world.point.recent[-1].reasons == (Reason.SESSION_EXPIRED,)
    # The portal knows the session as live, and would send it back at once.
    assert (page, query["anew"]) == (f"{PORTAL}/sign-in", "1")
    await doors.ask(visit, "/x", method="POST", **NAVIGATES)
    assert doors.refusals[-1].way_out.endswith("&anew=1")
    assert "anew" not in sent_to(await doors.ask(None, **NAVIGATES))[1]


async def test_a_form_is_not_repeated_by_a_redirect(doors: DoorWorld) -> None:
    answer = await doors.ask(None, "/delete?id=1", method="POST", **NAVIGATES)
    assert (answer.status, answer.body) == (401, b"<page>")
    assert doors.refusals[-1].way_out == f"{PORTAL}/sign-in?return_to=https%3A%2F%2Fnotes.localhost%3A8443%2F"


async def test_a_websocket_is_never_redirected(doors: DoorWorld) -> None:
    answer = await doors.ask(None, upgrade="websocket", **NAVIGATES)
    assert answer.status == 401
    assert header(answer, "content-type") == "application/problem+json"


# --- shown ----------------------------------------------------------------------------------------------------------


async def test_a_refused_person_gets_a_page_with_a_reference(doors: DoorWorld) -> None:
    visit = await doors.world.visit()
    answer = await doors.ask(visit, "/admin", **NAVIGATES)
    assert (answer.status, answer.body) == (403, b"<page>")
    refusal = doors.refusals[-1]
    assert (refusal.application, refusal.answer, refusal.way_out) == ("notes", Answer.DENY, "")
    assert refusal.reference == doors.world.point.recent[-1].id
    assert refusal.policy_words == ("The administration of the notes is for administrators.",)


# --- told to programs -----------------------------------------------------------------------------------------------


async def test_a_program_gets_a_problem_document(doors: DoorWorld) -> None:
    answer = await doors.ask(None, **PROGRAM)
    assert header(answer, "content-type") == "application/problem+json"
    assert header(answer, "www-authenticate") == 'Bearer realm="watchword"'
    assert json.loads(answer.body) == {
        "type": "urn:watchword:reason:session_missing",
        "title": "You are not signed in.",
        "status": 401,
        "detail": "Sign in.",
        "reasons": ["session_missing"],
        "reference": doors.world.point.recent[-1].id,
        "sign_in": f"{PORTAL}/sign-in",
    }


async def test_a_program_is_challenged_to_step_up(doors: DoorWorld) -> None:
    visit = await doors.world.visit(groups=["administrators"])
    doors.world.clock.advance(timedelta(minutes=20))
    answer = await doors.ask(visit, "/admin", **PROGRAM)
    assert answer.status == 401
    assert header(answer, "www-authenticate") == (
        'Bearer realm="watchword", error="insufficient_user_authentication", '
        'error_description="a fresh second factor is needed", '
        'acr_values="urn:watchword:acr:mfa", max_age="900"'
    )


async def test_an_answer_tells_no_secret(doors: DoorWorld) -> None:
    visit = await doors.world.visit()
    for kind in (NAVIGATES, PROGRAM):
        answer = await doors.ask(visit, "/admin", **kind)
        for secret in (visit.handle, visit.device_handle or ""):
            assert secret.encode() not in answer.body + b"".join(value for _, value in answer.headers)


# --- statuses -------------------------------------------------------------------------------------------------------


class _Broken:
    def __getattr__(self, _name: str) -> Any:
        raise RuntimeError


STATUSES = {
    Reason.SESSION_MISSING: 401,
    Reason.SESSION_INVALID: 401,
    Reason.SESSION_ENDED: 401,
    Reason.SESSION_EXPIRED: 401,
    Reason.SESSION_MISBOUND: 401,
    Reason.USER_DISABLED: 403,
    Reason.NETWORK_BLOCKED: 403,
    Reason.RISK_HIGH: 403,
    Reason.POLICY_SILENT: 403,
    Reason.POLICY_FORBIDS: 403,
    Reason.UNKNOWN_APPLICATION: 404,
    Reason.REQUEST_MALFORMED: 400,
    Reason.SNAPSHOT_STALE: 503,
    Reason.JOURNAL_UNWRITABLE: 503,
    Reason.INTERNAL_ERROR: 503,
    Reason.POLICY_MISSING: 503,
    Reason.FACT_MISSING: 503,
}


async def bring_about(doors: DoorWorld, reason: Reason, tmp_path: Path) -> HttpAnswer:  # noqa: C901, PLR0912  # a table
    world = doors.world
    visit = await world.visit()
    about: dict[str, Any] = {}
    match reason:
        case Reason.SESSION_MISSING:
            about["cookie"] = "a=b"
        case Reason.SESSION_INVALID:
            about["cookie"] = "__Host-ww-session=" + "x" * 43
        case Reason.SESSION_ENDED:
            await visit.change(ended_at=world.clock.now(), handles={})
        case Reason.SESSION_EXPIRED:
            world.clock.advance(timedelta(hours=1))
        case Reason.SESSION_MISBOUND:
            about["host"] = "notes.example.com"
        case Reason.USER_DISABLED:
            await visit.change_user(is_disabled=True)
        case Reason.NETWORK_BLOCKED:
            await world.list_network(NetworkList.BLOCK, HOME)
        case Reason.RISK_HIGH:
            await world.fail_sign_ins(visit.user)
            about["cookie"] = cookies_of(visit).partition(";")[0]
        case Reason.POLICY_SILENT:
            await visit.change_user(groups=frozenset())
        case Reason.POLICY_FORBIDS:
            world.policy(PERMIT_ALL + "forbid (principal, action, resource);", tmp_path / "p")
        case Reason.POLICY_MISSING:
            world.policy("", tmp_path / "p")
        case Reason.UNKNOWN_APPLICATION:
            about["host"] = "evil.example"
        case Reason.REQUEST_MALFORMED:
            about["target"] = "//x"
        case Reason.SNAPSHOT_STALE:
            world.fresh_at = float("-inf")
        case Reason.JOURNAL_UNWRITABLE:
            world.journal.error = WatchwordError("full")
        case Reason.INTERNAL_ERROR:
            world.procedure._sources = _Broken()  # type: ignore[assignment]
        case Reason.FACT_MISSING:
            visit.ip = "?"
    return await doors.ask(visit, **(PROGRAM | about))


@pytest.mark.parametrize("reason", STATUSES)
async def test_each_refusal_has_its_status(doors: DoorWorld, tmp_path: Path, reason: Reason) -> None:
    answer = await bring_about(doors, reason, tmp_path)
    assert doors.world.point.recent[-1].reasons == (reason,)
    assert answer.status == json.loads(answer.body)["status"] == STATUSES[reason]
    assert header(answer, "retry-after") == ("1" if STATUSES[reason] == 503 else None)


async def test_towards_envoy_our_own_fault_is_a_403(doors: DoorWorld, tmp_path: Path) -> None:
    doors.answers._unavailable = 403
    answer = await bring_about(doors, Reason.SNAPSHOT_STALE, tmp_path)
    assert (answer.status, header(answer, "retry-after")) == (403, "1")
