"""Plain lists, tables, MISP and STIX: what is taken, and what is refused and counted."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from feed_world import DAY, NOON, bundle, intake, misp, stix
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.trust.feeds.errors import FeedError, FeedMalformedError
from watchword.trust.feeds.intake import Intake, digest_of
from watchword.trust.feeds.misp import read_misp
from watchword.trust.feeds.model import Family, IndicatorKind, Refusal
from watchword.trust.feeds.pattern import RefusedPatternError, read_pattern
from watchword.trust.feeds.plain import read_csv, read_plain
from watchword.trust.feeds.stix import read_bundle

ADDRESS, DOMAIN, URL, FILE = IndicatorKind
_MD5, _SHA256 = "d41d8cd98f00b204e9800998ecf8427e", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def taken(read: Any, *arguments: Any) -> Intake:
    found = intake()
    read(*arguments, found)
    return found


def counts(found: Intake) -> dict[str, int]:
    return {why.value: number for why, number in found.refused.items()}


# --- plain lists and tables ------------------------------------------------------------------------------------------


def test_a_plain_list_has_comments_and_one_value_a_line() -> None:
    text = "# head\n; head\n// head\n\n45.1.1.1 # why\n45.1.2.0/24 ; SBL1\n45.1.3.0/24,\nbad.example.com\r\nhttp://x.example/y\n"
    found = taken(read_plain, b"\xef\xbb\xbf" + text.encode())
    assert [row.kind for row in found.rows.values()] == [ADDRESS, ADDRESS, ADDRESS, DOMAIN, URL]


def test_a_page_that_asks_to_sign_in_is_no_list() -> None:
    page = (
        b"<!DOCTYPE html>\n<html><head>\n<title>Sign in</title>\n</head><body>\n<p>Please sign in</p>\n</body></html>"
    )
    with pytest.raises(FeedMalformedError):
        taken(read_plain, page).finish()


def test_a_table_is_read_by_names_or_numbers_of_columns() -> None:
    columns = {"value": "ip", "confidence": "score", "first_seen": "first", "last_seen": "last", "valid_until": "end"}
    text = (
        "# comment\nscore,ip,first,last,end\n"
        "50,45.1.1.1,2026-11-01T00:00:00Z,2026-11-20 12:00,2026-12-01\n"
        '90,"45.1.1.2",,,\n,45.1.1.3\n\n'
    )
    found = taken(read_csv, text.encode(), columns, ",")
    first, second, third = found.finish()
    assert (first.confidence, first.seen) == (50, NOON - DAY)
    assert first.first_seen < first.seen < first.until
    assert (second.confidence, second.seen, third.confidence) == (90, 0, 100)
    numbered = taken(read_csv, b"x;45.1.1.1;y\n", {"value": "2"}, ";")
    assert len(numbered.rows) == 1


def test_a_table_without_the_named_column_is_refused() -> None:
    with pytest.raises(FeedMalformedError, match="no column `ip`"):
        taken(read_csv, b"address\n45.1.1.1\n", {"value": "ip"}, ",")


def test_a_table_with_a_field_of_a_megabyte_is_refused_without_harm() -> None:
    found = taken(read_csv, b'"' + b"x" * 1_000_000 + b'"\n45.1.1.1\n', {"value": "1"}, ",")
    assert found.refused[Refusal.MALFORMED] == 1


@settings(max_examples=40)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_list_a_table_or_a_refusal(content: bytes) -> None:
    for read, *arguments in ((read_plain, content), (read_csv, content, {"value": "1", "confidence": "2"}, ",")):
        with suppress(FeedError):
            taken(read, *arguments).finish()
    for read in (read_misp, read_bundle):
        with suppress(FeedError):
            taken(read, content)


# --- STIX patterns ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "values"),
    [
        ("[ipv4-addr:value = '45.1.1.1']", [(ADDRESS, "45.1.1.1")]),
        ("[ipv6-addr:value='2606::1']", [(ADDRESS, "2606::1")]),
        ("[ipv4-addr:value ISSUBSET '45.1.0.0/16']", [(ADDRESS, "45.1.0.0/16")]),
        ("[ipv4-addr:value IN ('45.1.1.1', '45.1.1.2')]", [(ADDRESS, "45.1.1.1"), (ADDRESS, "45.1.1.2")]),
        ("[domain-name:value = 'a.example']", [(DOMAIN, "a.example")]),
        ("[url:value = 'http://a.example/\\'q']", [(URL, "http://a.example/'q")]),
        (f"[file:hashes.MD5 = '{_MD5}']", [(FILE, _MD5)]),
        (f"[file:hashes.'SHA-256' = '{_SHA256}']", [(FILE, _SHA256)]),
        (f"[file:hashes.MD5='{_MD5}' AND file:hashes.'SHA-256'='{_SHA256}']", [(FILE, _MD5), (FILE, _SHA256)]),
        ("[ipv4-addr:value='1.1.1.1' OR domain-name:value='a.example']", [(ADDRESS, "1.1.1.1"), (DOMAIN, "a.example")]),
        ("([ipv4-addr:value='1.1.1.1'] OR [ipv4-addr:value='1.1.1.2'])", [(ADDRESS, "1.1.1.1"), (ADDRESS, "1.1.1.2")]),
        ("[(ipv4-addr:value='1.1.1.1') or network-traffic:src_ref.value='1.1.1.2']", None),
    ],
)
def test_the_patterns_of_feeds_are_read(pattern: str, values: list[tuple[IndicatorKind, str]] | None) -> None:
    assert read_pattern(pattern) == (values or [(ADDRESS, "1.1.1.1"), (ADDRESS, "1.1.1.2")])


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("[ipv4-addr:value = '1.1.1.1' AND network-traffic:dst_port = 22]", Refusal.PATTERN_OBJECT),
        ("[ipv4-addr:value = '1.1.1.1' AND domain-name:value = 'a.example']", Refusal.PATTERN_AND),
        ("[ipv4-addr:value = '1.1.1.1'] AND [ipv4-addr:value = '1.1.1.2']", Refusal.PATTERN_AND),
        ("[ipv4-addr:value != '1.1.1.1']", Refusal.PATTERN_NOT),
        ("[NOT ipv4-addr:value = '1.1.1.1']", Refusal.PATTERN_NOT),
        ("[ipv4-addr:value NOT IN ('1.1.1.1')]", Refusal.PATTERN_NOT),
        ("[domain-name:value LIKE '%.example']", Refusal.PATTERN_OPERATOR),
        ("[domain-name:value MATCHES '.*']", Refusal.PATTERN_OPERATOR),
        ("[ipv4-addr:value ISSUPERSET '1.1.1.1/32']", Refusal.PATTERN_OPERATOR),
        ("[domain-name:value ISSUBSET 'a.example']", Refusal.PATTERN_OPERATOR),
        ("[ipv4-addr:value = '1.1.1.1'] REPEATS 5 TIMES", Refusal.PATTERN_QUALIFIER),
        ("[ipv4-addr:value = '1.1.1.1'] WITHIN 5 SECONDS", Refusal.PATTERN_QUALIFIER),
        ("[ipv4-addr:value = '1.1.1.1'] FOLLOWEDBY [ipv4-addr:value = '1.1.1.2']", Refusal.PATTERN_SEQUENCE),
        ("[process:name = 'sh']", Refusal.PATTERN_OBJECT),
        ("[network-traffic:dst_ref.value = '1.1.1.1']", Refusal.PATTERN_OBJECT),
        ("[EXISTS ipv4-addr:value]", Refusal.PATTERN_OPERATOR),
        ("[ipv4-addr:value = 5]", Refusal.PATTERN_MALFORMED),
        ("[ipv4-addr:value = '1.1.1.1'", Refusal.PATTERN_MALFORMED),
        ("([ipv4-addr:value = '1.1.1.1']", Refusal.PATTERN_MALFORMED),
        ("[ipv4-addr:value = '1.1.1.1'] [ipv4-addr:value = '1.1.1.1']", Refusal.PATTERN_MALFORMED),
        ("", Refusal.PATTERN_MALFORMED),
        ("(" * 10_000, Refusal.PATTERN_MALFORMED),
        ("[" * 30_000, Refusal.TOO_LONG),
    ],
)
def test_a_condition_that_is_not_read_whole_is_refused_by_name(pattern: str, why: Refusal) -> None:
    with pytest.raises(RefusedPatternError) as refused:
        read_pattern(pattern)
    assert refused.value.why is why


_words = st.sampled_from(
    ["[", "]", "(", ")", "=", "!=", "IN", "OR", "AND", "NOT", ",", "'1.1.1.1'", "ipv4-addr:value", "'", "\\", " ", "7"]
)


@given(st.text(max_size=80) | st.lists(_words, max_size=30).map(" ".join))
def test_any_pattern_is_values_or_a_refusal(pattern: str) -> None:
    with suppress(RefusedPatternError):
        assert read_pattern(pattern)


# --- STIX objects ----------------------------------------------------------------------------------------------------


def test_indicators_of_a_bundle_are_taken_with_their_times_and_confidence() -> None:
    one = stix("[ipv4-addr:value = '45.1.1.1']", confidence=80, valid_until="2026-12-01T00:00:00Z")
    (row,) = taken(read_bundle, bundle(one)).finish()
    assert (row.confidence, row.first_seen, row.seen) == (80, NOON - DAY, NOON - DAY)
    assert row.until == NOON + 9 * DAY + 720


def test_what_is_no_indicator_for_us_is_refused_by_name() -> None:
    pattern = "[ipv4-addr:value = '45.1.1.{}']"
    found = taken(
        read_bundle,
        bundle(
            stix(pattern.format(1), revoked=True),
            stix(pattern.format(2), spec_version=None),
            stix(pattern.format(3), indicator_types=["benign"]),
            stix(pattern.format(4), pattern_type="snort"),
            stix(pattern.format(5), valid_until="2026-11-20T00:00:00Z"),
            stix(pattern.format(6), valid_until="soon"),
            stix("[process:name = 'sh']"),
            {"type": "malware", "id": "malware--1"},
        ),
    )
    assert counts(found) == {
        "revoked": 1,
        "other version of STIX": 1,
        "benign": 1,
        "other pattern language": 1,
        "expired": 1,
        "malformed": 1,
        "pattern on another object": 1,
        "not an indicator": 1,
    }
    assert not found.rows


def test_a_later_version_of_an_indicator_takes_the_place_of_an_earlier() -> None:
    old = stix("[ipv4-addr:value = '45.1.1.1']", id="indicator--1", modified="2026-11-19T00:00:00.000Z")
    new = stix("[ipv4-addr:value = '45.1.1.2']", id="indicator--1", modified="2026-11-20T00:00:00.000Z")
    gone = old | {"revoked": True, "modified": "2026-11-21T00:00:00.000Z"}
    assert [row.start & 255 for row in taken(read_bundle, bundle(new, old)).finish()] == [2]
    assert taken(read_bundle, bundle(new, gone, old)).finish() == []


@settings(max_examples=40)
@given(st.lists(json_values, max_size=3), json_values)
def test_any_objects_are_taken_or_refused(objects: list[Any], value: Any) -> None:
    keys = ("pattern", "valid_from", "valid_until", "confidence", "modified", "id", "indicator_types", "spec_version")
    strange = [stix("[ipv4-addr:value = '45.1.1.1']") | {key: value} for key in keys]
    found = taken(read_bundle, json.dumps({"objects": [*objects, *strange]}).encode())
    assert found.entries >= 1


# --- MISP ------------------------------------------------------------------------------------------------------------


def test_attributes_for_detection_are_taken_of_events_and_of_their_objects() -> None:
    inner = {"Attribute": [{"type": "ip-src|port", "value": "45.1.1.9|443", "to_ids": True}]}
    found = taken(
        read_misp,
        misp(
            {"type": "ip-dst", "value": "45.1.1.1", "to_ids": True, "timestamp": str((NOON - DAY) * 60)},
            {"type": "domain|ip", "value": "a.example|45.1.1.2", "to_ids": "1"},
            {"type": "filename|md5", "value": f"x.exe|{_MD5}", "to_ids": True},
            {"type": "hostname", "value": "b.example", "to_ids": False},
            {"type": "ip-src", "value": "10.0.0.7", "to_ids": True},
            {"type": "ip-src", "value": "45.1.1.3", "to_ids": True, "deleted": True},
            {"type": "yara", "value": "rule x", "to_ids": True},
            Object=[inner, inner | {"deleted": True}],
            Tag=[{"name": 'misp:confidence-level="fairly-confident"'}],
        ),
    )
    rows = found.finish()
    assert [row.start & 255 for row in rows if row.family is Family.V4] == [1, 2, 9]
    assert [row.kind for row in rows if row.family is Family.NAMED].count(FILE) == 1
    assert {row.start for row in rows if row.kind is FILE} == {digest_of(FILE, _MD5)}
    assert {row.confidence for row in rows} == {50}
    assert rows[0].seen == NOON - DAY
    assert counts(found) == {"not for detection": 1, "private": 1, "revoked": 1, "unknown type": 1}


@pytest.mark.parametrize("shape", ["event", "list", "attributes"])
def test_each_shape_of_a_misp_answer_is_read(shape: str) -> None:
    attribute = {"type": "ip-src", "value": "45.1.1.1", "to_ids": True}
    event = {"Event": {"Attribute": [attribute]}}
    document = {"event": event, "list": [event], "attributes": {"response": {"Attribute": [attribute]}}}[shape]
    assert len(taken(read_misp, json.dumps(document).encode()).rows) == 1


def test_what_is_no_misp_document_is_refused() -> None:
    for text in (b"{}", b'{"errors": "no"}', b"<html>", b'"x"', b"[" * 100_000):
        with pytest.raises(FeedMalformedError):
            taken(read_misp, text)


@settings(max_examples=40)
@given(json_values, json_values)
def test_any_misp_event_is_taken_or_refused(document: Any, value: Any) -> None:
    with suppress(FeedError):
        taken(read_misp, json.dumps(document).encode())
    for key in ("type", "value", "to_ids", "deleted", "Tag", "timestamp", "first_seen"):
        attribute = {"type": "ip-src", "value": "45.1.1.1", "to_ids": True} | {key: value}
        taken(read_misp, misp(attribute, attribute, Object=value))
