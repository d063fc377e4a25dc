"""What is new in a version of a feed that waits for review, and what is gone: counted, and the broadest first."""

from __future__ import annotations

from pathlib import Path

import pytest
from feed_world import intake
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.trust.feeds.difference import difference
from watchword.trust.feeds.index import FeedIndex, words_of, write_index
from watchword.trust.feeds.intake import guess_kind, is_asked_about

VALUES = [
    *(f"45.1.{number}.0/24" for number in range(6)),
    *(f"{number}.0.0.0/8" for number in (60, 61)),
    *("2606:4700::/32", "2606:4700::1", "bad.example", "worse.example"),
]


def table(path: Path, *values: str) -> FeedIndex:
    taken = intake()
    for value in values:
        taken.take(guess_kind(value), value)
    with path.open("wb") as file:
        write_index(file, taken.finish(), {})
    return FeedIndex(path)


def test_the_broadest_of_what_is_new_and_gone_come_first(tmp_path: Path) -> None:
    former = table(tmp_path / "former", "45.1.1.0/24", "45.1.2.0/24", "bad.example", "62.0.0.0/9")
    fresh = table(tmp_path / "fresh", "45.1.1.0/24", "45.1.3.0/24", "worse.example", "2606:4700::/20", "61.0.0.0/8")
    new, gone = difference(former, fresh, 3)
    assert (new.count, gone.count) == (4, 3)
    shown = [[words_of(row.family, row.start, row.length) for row in each.broadest][:3] for each in (new, gone)]
    assert shown[0] == ["2606:4000::/20", "61.0.0.0/8", "45.1.3.0/24"]
    assert shown[1][:2] == ["62.0.0.0/9", "45.1.2.0/24"]
    assert difference(former, fresh, 0)[0].broadest == []


def test_all_of_a_first_version_is_new(tmp_path: Path) -> None:
    new, gone = difference(None, table(tmp_path / "fresh", "45.1.1.0/24", "45.1.2.0/24"), 9)
    assert (new.count, gone.count, len(new.broadest)) == (2, 0, 2)


@settings(max_examples=25, deadline=None)
@given(st.sets(st.sampled_from(VALUES)), st.sets(st.sampled_from(VALUES)))
def test_what_stands_in_one_of_two_tables_only_is_counted(
    tmp_path_factory: pytest.TempPathFactory, former: set[str], fresh: set[str]
) -> None:
    place = tmp_path_factory.mktemp("difference")
    new, gone = difference(table(place / "a", *former), table(place / "b", *fresh), 100)
    assert (new.count, gone.count) == (len(fresh - former), len(former - fresh))
    assert (len(new.broadest), len(gone.broadest)) == (new.count, gone.count)


@pytest.mark.parametrize(
    ("value", "is_asked"),
    [
        ("45.1.1.7", True),
        ("10.0.0.1", True),
        ("2606:4700::1", True),
        ("bad.example", True),
        ("https://bad.example/x", True),
        ("44d88612fea8a8f36de82e1278abb02f", True),
        ("45.1.1", False),
        ("45.1.0.0/16", False),
        ("nodots", False),
        ("", False),
        ("\x1b[2J", False),
    ],
)
def test_what_no_feed_can_be_asked_about_is_told_apart(value: str, is_asked: bool) -> None:  # noqa: FBT001  # a table
    assert is_asked_about(value) is is_asked
