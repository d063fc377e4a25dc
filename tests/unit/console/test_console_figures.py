"""Counts and charts that say what happened, no more and no less."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from watchword.console import Tally, Weight
from watchword.console.charts import HEIGHT, WIDTH, timeline, weight_bars
from watchword.console.words import ago, ahead, browser, span
from watchword.kernel import Answer

NOW = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)


def test_decisions_are_counted_in_their_minute() -> None:
    tally = Tally()
    for seconds in (0, 10, 31, 60 * 59, 60 * 61):
        tally.note(NOW - timedelta(seconds=seconds), Answer.DENY)
    hour = tally.last_hour(NOW)
    assert len(hour) == 60
    assert [sum(minute.values()) for minute in hour[-2:]] == [1, 2]
    assert sum(sum(minute.values()) for minute in hour) == 4
    assert timeline(hour, now=NOW).totals[-1] == (Answer.DENY, 4)


@given(st.lists(st.integers(-(10**7), 10**7), max_size=500))
def test_the_memory_of_a_tally_is_bounded_whatever_the_clock_does(offsets: list[int]) -> None:
    tally = Tally()
    for offset in offsets:
        tally.note(NOW + timedelta(seconds=offset), Answer.ALLOW)
    assert len(tally._minutes) <= 121
    assert len(tally.last_hour(NOW)) == 60


@given(st.lists(st.dictionaries(st.sampled_from(list(Answer)), st.integers(0, 10**6)), min_size=60, max_size=60))
def test_bars_stay_inside_the_chart(counts: list[dict[Answer, int]]) -> None:
    chart = timeline(counts, now=NOW)
    for bar in chart.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
        assert -0.1 <= bar.y <= bar.y + bar.height <= HEIGHT + 0.1
    assert sum(total for _, total in chart.totals) == sum(sum(minute.values()) for minute in counts)


@given(st.lists(st.integers(-100, 100), max_size=12))
def test_bars_of_contributions_never_leave_their_scale(points: list[int]) -> None:
    for bar in weight_bars([Weight("indicator", one, "") for one in points]):
        assert bar.start >= 0
        assert bar.start + bar.length <= 100.1


def test_contributions_climb_to_the_score() -> None:
    bars = weight_bars([Weight("a", 30, ""), Weight("b", 25, ""), Weight("c", -10, "")])
    assert [(bar.start, bar.length, bar.kind) for bar in bars] == [(0, 30, "up"), (30, 25, "up"), (45, 10, "down")]


def test_spans_are_said_in_the_largest_fitting_unit() -> None:
    assert [span(seconds) for seconds in (-5, 0.4, 1, 119, 120, 7199, 7200, 172800)] == [
        "under a second",
        "under a second",
        "1 second",
        "119 seconds",
        "2 minutes",
        "119 minutes",
        "2 hours",
        "2 days",
    ]
    assert ago(NOW - timedelta(seconds=3), NOW) == "just now"
    assert ago(NOW - timedelta(minutes=5), NOW) == "5 minutes ago"
    assert ahead(NOW, NOW) == "now"
    assert ahead(NOW + timedelta(minutes=59), NOW) == "in 59 minutes"


def test_browsers_are_named_and_strangers_are_not_guessed() -> None:
    chrome = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
    assert browser(chrome) == "Chrome 140 on Windows"
    assert browser(chrome + " Edg/140.0") == "Edge 140 on Windows"
    safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604"
    assert browser(safari) == "Safari 18 on iPhone"
    assert browser("") == "Unknown program"
    assert browser("<script>") == "Unknown program"
