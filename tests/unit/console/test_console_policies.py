"""The administration's pages of relations, candidates and AuthZEN."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from console_world import ConsoleWorld
from page_lint import lint

from watchword.console import AuthzenAnswer, AuthzenCaller, AuthzenOverview, WatchedFlip, WatchingPolicies
from watchword.kernel import Answer, DecisionId
from watchword.policy.relations import parse_model

MODEL = """model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type resource
  relations
    define banned: [user]
    define viewer: [user, group#member, user with soon]
    define can_view: viewer but not banned
condition soon(current_time: timestamp, end: timestamp) { current_time < end }
"""
PAGES = ("/admin/relations", "/admin/candidates", "/admin/authzen")


@pytest.fixture
async def related(world: ConsoleWorld) -> ConsoleWorld:
    world.model = parse_model(MODEL)
    await world.person("ada", groups=["night-shift"])
    await world.person("bob")
    await world.relate("group:night-shift#member viewer resource:notes/admin")
    return world


async def test_the_pages_are_the_administrators_alone(world: ConsoleWorld) -> None:
    stranger, person = world.browser(), world.browser()
    await world.person("grace")
    await person.sign_in("grace")
    browser, _ = await world.administrator()
    for path in PAGES:
        assert "Sign in" in (await stranger.visit(path)).text
        assert (await person.visit(path)).status == 403
        shown = await browser.visit(path)
        assert shown.status == 200
        assert "script-src 'none'" in shown.header("content-security-policy")


async def test_pages_of_policies_are_sound(related: ConsoleWorld) -> None:
    browser, _ = await related.administrator()
    related.policies.watching = (watched(),)
    related.authzen.shown = api(related)
    for path in (
        *PAGES,
        "/admin/relations?user=ada&relation=can_view&object=resource:notes/admin",
        "/admin/relations?relation=can_view&object=resource:notes/admin",
        "/admin/relations?user=ada&relation=can_view",
        "/admin/relations?user=ada",
        "/admin/relations?q=zzz",
    ):
        assert lint((await browser.visit(path)).text) == [], path


async def test_a_way_is_drawn_and_told_with_the_groups_of_the_directory(related: ConsoleWorld) -> None:
    browser, _ = await related.administrator()
    shown = (await browser.visit("/admin/relations?user=ada&relation=can_view&object=resource:notes/admin")).text
    assert "ada is can_view of resource:notes/admin." in shown
    assert len(re.findall(r"<rect ", shown)) == 4
    assert "a group of the directory" in shown
    assert re.search(r">user:usr_\w+ \(ada\)</text>", shown)
    assert 'aria-label="can_view of resource:notes/admin: yes, viewer but not banned; viewer of' in shown
    assert "style=" not in shown
    assert "<script" not in shown
    bob = (await browser.visit("/admin/relations?user=bob&relation=can_view&object=resource:notes/admin")).text
    assert "bob is not can_view of resource:notes/admin." in bob
    assert ">✗ can_view of resource:notes/admin</text>" in bob


async def test_who_may_and_what_may_are_answered_as_at_the_doors(related: ConsoleWorld) -> None:
    browser, _ = await related.administrator()
    who = (await browser.visit("/admin/relations?relation=can_view&object=resource:notes/admin")).text
    assert "1 person is can_view of resource:notes/admin." in who
    assert re.search(r"user:usr_\w+ \(ada\)", who)
    what = (await browser.visit("/admin/relations?user=ada&relation=can_view&object=resource")).text
    assert "ada is can_view of 1 resource." in what
    assert "<li><code>resource:notes/admin</code></li>" in what


async def test_a_question_that_cannot_be_asked_says_what_is_wrong(related: ConsoleWorld) -> None:
    browser, _ = await related.administrator()
    for query, words in (
        ("user=ada", "Name a relation."),
        ("relation=viewer", "Name a user, an object, or both."),
        ("user=ada&relation=veiwer&object=resource:x", "did you mean `viewer`?"),
        ("user=ada&relation=viewer&object=page", "The model has no type `page`"),
        ("user=%3Cb%3E&relation=viewer&object=resource:x", "`&lt;b&gt;` is no user"),
    ):
        shown = await browser.visit(f"/admin/relations?{query}")
        assert shown.status == 422
        assert words in shown.text


async def test_tuples_are_found_and_turned_over_page_by_page(related: ConsoleWorld) -> None:
    browser, _ = await related.administrator()
    await related.relate(*(f"user:usr_{n:03} viewer resource:wiki/p{n:03}" for n in range(120)))
    first = (await browser.visit("/admin/relations?q=wiki")).text
    seen = re.findall(r"<code>resource:wiki/(p\d+)</code>", first)
    following = re.search(r'rel="next" href="([^"]+)"', first)
    while following is not None:
        page = (await browser.visit(following[1].replace("&amp;", "&"))).text
        seen += re.findall(r"<code>resource:wiki/(p\d+)</code>", page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
    assert seen == [f"p{n:03}" for n in range(120)]
    assert "usr_007" in (await browser.visit("/admin/relations?q=usr_007")).text
    assert "No tuple has that in it." in (await browser.visit("/admin/relations?q=%25")).text
    assert "50 tuples" in (await browser.visit("/admin/relations?after=gone")).text


async def test_without_a_model_the_page_says_how_to_begin(world: ConsoleWorld) -> None:
    browser, _ = await world.administrator()
    shown = (await browser.visit("/admin/relations?user=a&relation=b")).text
    assert "no model of relations" in shown
    assert "There are no tuples yet." in shown


def watched() -> WatchingPolicies:
    flip = WatchedFlip(
        id="dec_01jd0000000000000000000000",
        at=datetime(2026, 11, 22, 10, tzinfo=UTC),
        subject="usr_x",
        target="notes/admin",
        action="read",
        was="allow",
        now="deny",
        policies=("<b>new",),
    )
    return WatchingPolicies("The candidate", "3f2a", 1900, 0, 12, 0, 3, 1, flips=(flip,))


async def test_a_candidate_is_shown_with_what_it_would_have_changed(world: ConsoleWorld) -> None:
    browser, _ = await world.administrator()
    assert "Nothing watches." in (await browser.visit("/admin/candidates")).text
    world.policies.watching = (watched(),)
    shown = (await browser.visit("/admin/candidates")).text
    assert "<dd>1,900</dd>" in shown
    assert '<a href="/decisions/dec_01jd0000000000000000000000">read notes/admin</a>' in shown
    assert "<code>&lt;b&gt;new</code>" in shown
    assert "3 were not looked at" in shown


def api(world: ConsoleWorld) -> AuthzenOverview:
    answer = AuthzenAnswer(
        DecisionId.new(world.clock.now(), world.entropy), world.clock.now(), "orders", Answer.DENY, "policy_silent",
        'Watchword::User::"usr_x"', "cancel", "Shop::Order",
    )  # fmt: skip
    caller = AuthzenCaller("orders", ("Shop",), (), 2, ((Answer.ALLOW, 1200), (Answer.DENY, 1)))
    return AuthzenOverview(True, "https://watchword.localhost:8444", (caller,), (answer,), "line 3: no JSON")


async def test_the_api_is_shown_with_its_callers_and_last_answers(world: ConsoleWorld) -> None:
    browser, _ = await world.administrator()
    assert "The API is off." in (await browser.visit("/admin/authzen")).text
    world.authzen.shown = api(world)
    shown = (await browser.visit("/admin/authzen")).text
    for words in (
        "https://watchword.localhost:8444",
        "1,200",
        "policy_silent",
        "cancel Shop::Order",
        "line 3: no JSON",
    ):
        assert words in shown
