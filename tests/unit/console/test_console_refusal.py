"""The refusal page, alone in front of somebody who was refused."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime

import pytest
from page_lint import Document, lint

from watchword.console import REFUSAL_HEADERS, Refusal, render_refusal
from watchword.kernel import Answer, DecisionId, Reason

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
REFERENCE = DecisionId("dec_01jd0000000000000000000000")
PORTAL = "https://watchword.localhost:8443"


def page(reason: Reason = Reason.RISK_HIGH, answer: Answer = Answer.DENY, **changes: object) -> str:
    fields: dict[str, object] = {"portal_url": PORTAL} | changes
    refusal = Refusal("Notes", answer, (reason,), REFERENCE, NOW, **fields)  # type: ignore[arg-type]  # by name
    return render_refusal(refusal).decode()


@pytest.mark.parametrize("answer", [Answer.DENY, Answer.STEP_UP, Answer.APPROVAL])
@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_said_with_what_helps_and_the_reference(reason: Reason, answer: Answer) -> None:
    text = page(reason, answer)
    words = " ".join(Document(text).all("body")[0].words.split())
    assert reason.words in words
    assert reason.remedy in words
    assert REFERENCE in words
    assert [found for found in lint(text) if found != "a style is inline"] == []


def test_the_policy_allows_exactly_the_style_that_is_there() -> None:
    style = re.search(r"<style>(.*?)</style>", page(), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = REFUSAL_HEADERS["content-security-policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert REFUSAL_HEADERS["cache-control"] == "no-store"


def test_it_needs_nothing_from_anywhere() -> None:
    document = Document(page())
    assert document.all("script", "link", "img", "iframe") == []
    assert "url(" not in page()
    assert "@import" not in page()


@pytest.mark.parametrize("url", ["javascript:alert(1)", "http://x/", "//x/", "/x", "https:", "https://[", ""])
def test_a_link_that_is_not_absolute_https_is_left_out(url: str) -> None:
    text = page(Reason.SESSION_MISSING, sign_in_url=url, step_up_url=url, portal_url=None)
    assert Document(text).all("a") == []


def test_the_way_out_comes_first() -> None:
    text = page(Reason.POLICY_ASKS_STEP_UP, Answer.STEP_UP, step_up_url=f"{PORTAL}/step-up?return_to=x&state=y")
    links = [(one.get("href"), one.words) for one in Document(text).all("a")]
    assert links == [
        (f"{PORTAL}/step-up?return_to=x&state=y", "Confirm that it is you"),
        (f"{PORTAL}/decisions/{REFERENCE}", "See why in detail"),
    ]


def test_the_words_of_the_policy_go_first_and_stay_words() -> None:
    text = page(Reason.POLICY_FORBIDS, policy_words=("Only <b>staff</b> & friends.", "Not on Sundays."))
    assert "Only &lt;b&gt;staff&lt;/b&gt; &amp; friends." in text
    assert "Not on Sundays." in text


def test_no_reason_at_all_is_still_a_refusal() -> None:
    text = render_refusal(Refusal("", Answer.DENY, (), REFERENCE, NOW)).decode()
    assert "Nothing lets you use this." in text
