"""The table of a feed: the narrowest network in force is found, whatever nests in what, and damage is refused."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.trust.feeds.errors import FeedKeptError
from watchword.trust.feeds.index import MAGIC, FeedIndex, listed, write_index
from watchword.trust.feeds.intake import digest_of
from watchword.trust.feeds.model import NEVER, Family, Indicator, IndicatorKind

BASE = {Family.V4: 0x2D010000, Family.V6: 0x2606 << 112}


def row(family: Family, start: int, length: int, until: int = NEVER, confidence: int = 50) -> Indicator:
    start = start >> (family - length) << (family - length)
    return Indicator(IndicatorKind.ADDRESS, family, start, length, confidence, until=until)


def table(rows: Iterable[Indicator], path: Path) -> FeedIndex:
    unique = {(each.family, each.start, each.length): each for each in rows}
    with path.open("wb") as file:
        write_index(file, [unique[key] for key in sorted(unique)], {"feed": "x"})
    return FeedIndex(path)


@st.composite
def nested(draw: st.DrawFn) -> list[Indicator]:
    made = []
    for _ in range(draw(st.integers(0, 30))):
        family = draw(st.sampled_from([Family.V4, Family.V6]))
        # A small space, so that networks nest, and both halves of a long address matter.
        offset = draw(st.integers(0, 255)) << draw(st.sampled_from([0, 4, 60, 64, 100] if family > 32 else [0, 4, 8]))
        length = draw(st.sampled_from([16, 20, 60, 64, 68, 127, 128] if family > 32 else [16, 20, 24, 28, 31, 32]))
        made.append(row(family, BASE[family] + offset, length, draw(st.sampled_from([5, 10, NEVER]))))
    return made


@settings(max_examples=60, deadline=None)
@given(nested(), st.lists(st.integers(0, 4095), min_size=1, max_size=20), st.sampled_from([0, 7, 20]))
def test_every_network_in_force_around_an_address_is_found_the_narrowest_first(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Indicator], offsets: list[int], minute: int
) -> None:
    index = table(rows, tmp_path_factory.mktemp("index") / "table")
    unique = {(each.family, each.start, each.length): each for each in rows}.values()
    for family in (Family.V4, Family.V6):
        for offset in offsets:
            number = BASE[family] + (offset << (56 if family is Family.V6 and offset % 2 else 0))
            around = [
                each
                for each in unique
                if each.family is family
                and each.until > minute
                and (each.start ^ number) >> (family - each.length) == 0
            ]
            assert index.around(family, number, minute) == sorted(around, key=lambda each: -each.length)


def test_what_was_written_is_what_is_read(tmp_path: Path) -> None:
    digest = digest_of(IndicatorKind.FILE, "d41d8cd98f00b204e9800998ecf8427e")
    rows = [
        Indicator(IndicatorKind.ADDRESS, Family.V4, 0x2D010101, 32, 7, 1, 2, 3),
        Indicator(IndicatorKind.ADDRESS, Family.V6, (0x2606 << 112) + 1, 128, 100, 4, 0, NEVER),
        Indicator(IndicatorKind.FILE, Family.NAMED, digest, 128, 42, 5, 6, 7),
    ]
    index = table(rows, tmp_path / "table")
    assert list(index.rows()) == rows
    assert [len(list(index.live(minute))) for minute in (0, 3, 6)] == [3, 2, 2]
    assert [each["value"] for each in listed(index.rows(), 2)] == ["45.1.1.1/32", "2606::1/128"]


def test_a_name_is_found_exactly_and_while_it_holds(tmp_path: Path) -> None:
    digests = [digest_of(IndicatorKind.DOMAIN, f"host{number}.example") for number in range(50)]
    rows = [Indicator(IndicatorKind.DOMAIN, Family.NAMED, each, 128, 50, until=10) for each in digests]
    index = table(rows, tmp_path / "table")
    assert all(index.named(each, 9) for each in digests)
    assert not any(index.named(each, 10) or index.named(each + 1, 9) for each in digests)


def test_kinds_of_names_are_apart() -> None:
    text = "d41d8cd98f00b204e9800998ecf8427e"
    assert len({digest_of(kind, text) for kind in IndicatorKind}) == 4


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    table([row(Family.V4, BASE[Family.V4] + at, 32) for at in range(9)], tmp_path / "table")
    return (tmp_path / "table").read_bytes()


def test_a_damaged_table_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "damaged"
    for number in range(0, len(content), 7):
        path.write_bytes(content[:number])
        with pytest.raises(FeedKeptError):
            FeedIndex(path)
        changed = bytearray(content)
        changed[number] ^= 0x10
        path.write_bytes(changed)
        try:
            index = FeedIndex(path)
        except FeedKeptError:
            continue
        assert index.digest == FeedIndex(tmp_path / "table").digest  # a space or a name in the header


def test_a_table_whose_header_lies_is_refused(content: bytes, tmp_path: Path) -> None:
    (length,) = struct.unpack_from("<I", content, len(MAGIC))
    start = len(MAGIC) + 4
    about = json.loads(content[start : start + length])
    for counts in ({"V4": 10}, {"V4": -1}, {"V4": "9"}, {"V4": 1 << 62}, {"V6": 1}, {"V4": 8}):
        header = json.dumps(about | {"counts": about["counts"] | counts}).encode()
        path = tmp_path / "lying"
        path.write_bytes(MAGIC + struct.pack("<I", len(header)) + header + content[start + length :])
        with pytest.raises(FeedKeptError):
            FeedIndex(path)


def test_a_table_in_place_of_another_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(content)
    digest = FeedIndex(tmp_path / "table").digest
    assert FeedIndex(tmp_path / "other", digest).digest == digest
    with pytest.raises(FeedKeptError):
        FeedIndex(tmp_path / "other", "0" * 64)


def test_an_indicator_costs_about_as_many_bytes_as_it_says() -> None:
    for family, most in ((Family.V4, 24), (Family.V6, 36)):
        rows = [row(family, BASE[family] + (at << 1), family) for at in range(4000)]
        file = io.BytesIO()
        write_index(file, rows, {})
        assert len(file.getvalue()) / 4000 < most


def test_parents_that_go_round_in_a_circle_hold_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchword.trust.feeds.index._parents", lambda _family, rows: list(range(1, len(rows) + 1)))
    index = table([row(Family.V4, BASE[Family.V4] + at, 32, until=5) for at in range(9)], tmp_path / "table")
    assert index.around(32, BASE[Family.V4] + 4, 5) == []
    assert index.around(32, BASE[Family.V4] + 99, 0) == []


def test_a_chain_of_a_million_parents_holds_nobody_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchword.trust.feeds.index._parents", lambda _family, rows: list(range(len(rows))))
    index = table([row(Family.V4, BASE[Family.V4] + at, 32) for at in range(3000)], tmp_path / "table")
    looked: list[int] = []
    columns = index._v4
    monkeypatch.setattr(type(columns), "start", lambda self, at: looked.append(at) or self.high[at])
    assert index.around(32, BASE[Family.V4] + 9_999, 0) == []
    assert len(looked) == 33


@pytest.mark.parametrize("lie", [{"confidence": 101}, {"length": 33}])
def test_a_table_with_numbers_that_mean_nothing_is_refused(tmp_path: Path, lie: dict[str, int]) -> None:
    with pytest.raises(FeedKeptError):
        table([row(Family.V4, BASE[Family.V4], 32)._replace(**lie)], tmp_path / "table")
