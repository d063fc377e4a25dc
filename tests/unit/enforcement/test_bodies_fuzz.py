"""Whatever arrives as a body, as rules or as a path: it is read, or refused in one way."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.enforcement.bodies import BodyFilter, BodyRefusedError, ValueKeys, read_claim, read_filter_header
from watchword.kernel import (
    EXCLUDE,
    Aggregate,
    Anonymise,
    Generalise,
    Hash,
    Mask,
    Tokenize,
    body_rules,
    from_wire,
    parse_path,
    to_wire,
)

EVERYTHING = body_rules(
    includes=[[parse_path("**.a"), parse_path("c"), parse_path("b")]],
    fields=[
        (parse_path("**.a"), Mask(4)),
        (parse_path("c[*].b"), Hash("x")),
        (parse_path("*.a?.b"), Tokenize("x")),
        (parse_path("b"), Generalise("range", (7,))),
        (parse_path("**.b.**.c"), EXCLUDE),
    ],
    groups=[
        (parse_path("c"), Anonymise(frozenset({"a"}), 2)),
        (parse_path("c"), Aggregate(frozenset({"a"}), frozenset({("sum", "b"), ("count", "")}), 2)),
    ],
)
FILTER = BodyFilter(EVERYTHING, ValueKeys(b"k" * 32))
HARMLESS = BodyFilter(body_rules(fields=[(parse_path("**.never"), EXCLUDE)]))

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
documents: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=20,
)
almost_json = st.text(alphabet='{}[]",:0123456789.eE+-\\u00abcdntrufls \n', max_size=60).map(str.encode)


@settings(max_examples=120, deadline=None)
@given(st.binary(max_size=60) | almost_json)
def test_any_bytes_are_reduced_to_json_or_refused(body: bytes) -> None:
    for each in (FILTER, HARMLESS):
        with suppress(BodyRefusedError):
            found = each.apply(body).body
            assert not body or json.loads(found) == json.loads(found)


@settings(max_examples=80, deadline=None)
@given(documents)
def test_any_document_is_reduced_to_json_or_refused(document: Any) -> None:
    with suppress(BodyRefusedError):
        json.loads(FILTER.apply(json.dumps(document).encode()).body)


@settings(max_examples=80, deadline=None)
@given(documents, st.booleans())
def test_what_no_rule_names_keeps_its_meaning(document: Any, is_ascii: bool) -> None:  # noqa: FBT001  # drawn, not passed
    body = json.dumps(document, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    with suppress(BodyRefusedError):
        assert json.loads(HARMLESS.apply(body).body) == document


_PARTS = ["fields", "groups", "rows", "marks", "notes", "told"]
wires: st.SearchStrategy[Any] = st.recursive(
    scalars
    | st.sampled_from(
        ["v", "fields", "mask", "exclude", "a", "**.a", "aggregate", "count", "by", "edge", "header", "answer", 1]
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["v", "include", "names", "own", "by", "rules", "limits", *_PARTS]), inner)
    ),
    max_leaves=20,
)


@settings(max_examples=120, deadline=None)
@given(wires | st.builds(lambda rest: {"v": 1} | rest, st.dictionaries(st.sampled_from(_PARTS), wires)))
def test_any_rules_and_claims_are_read_or_refused(wire: Any) -> None:
    with suppress(ValueError):
        found = from_wire(wire)
        assert from_wire(to_wire(found)) == found
    with suppress(ValueError):
        read_claim(wire)


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=60))
def test_any_header_is_read_or_refused(value: bytes) -> None:
    with suppress(BodyRefusedError):
        read_filter_header(value)


@settings(max_examples=120, deadline=None)
@given(st.text(max_size=30) | st.text(alphabet='ab.[]*?"\\u0', max_size=20))
def test_any_text_is_a_path_or_refused_and_has_one_form(text: str) -> None:
    with suppress(ValueError):
        found = parse_path(text)
        assert parse_path(found.text) == found
