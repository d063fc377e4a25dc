"""The order of rules: joining is a semilattice, and never shows more than any part would."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.enforcement.bodies import BodyFilter, ValueKeys
from watchword.enforcement.bodies.documents import Json, Number, canonical
from watchword.enforcement.bodies.values import apply_rule
from watchword.kernel import (
    EXCLUDE,
    HIDDEN,
    Aggregate,
    Anonymise,
    BodyRules,
    FieldRule,
    Generalise,
    Hash,
    Limits,
    Mark,
    Mask,
    Note,
    Tokenize,
    body_rules,
    from_wire,
    join,
    merge,
    merged_limits,
    parse_list_path,
    parse_path,
    to_wire,
    wire_bytes,
)

KEYS = ValueKeys(b"k" * 32)
contexts = st.sampled_from(["a", "b"])
rules = st.one_of(
    st.just(EXCLUDE),
    st.builds(Mask, st.integers(0, 4)),
    st.builds(Hash, contexts),
    st.builds(Tokenize, contexts),
    st.builds(Generalise, st.sampled_from(["month", "year", "decade"])),
    st.builds(lambda width: Generalise("range", (width,)), st.sampled_from([1, 7, 10, 15, 10**12])),
    st.builds(lambda keep: Generalise("prefix", (keep,)), st.integers(0, 6)),
    st.builds(lambda v4, v6: Generalise("network", (v4, v6)), st.sampled_from([8, 24]), st.sampled_from([32, 48])),
)
# Values that lie close together, so that two of them are often told apart by one rule and not by another.
values = st.one_of(
    st.sampled_from(["123-45-6789", "123-45-9789", "12345678", "1234567", "1234", "94110", "94119", "", "94110-1234"]),
    st.sampled_from(["1985-02-03", "1985-02-04", "1985-03-03", "1989-01-01", "1990-01-01", "1985-02", "1985-13-01"]),
    st.sampled_from(["192.0.2.1", "192.0.2.9", "192.0.9.9", "::ffff:192.0.2.1", "2001:db8::1", "2001:db8:0:1::1"]),
    st.sampled_from([Number(n) for n in ("0", "1", "6", "7", "14", "15", "-1", "-0.5", "1e3", "1000", "123456789")]),
    st.sampled_from([None, True, False, [], {}, ["a"], {"a": None}]),
)
paths = st.sampled_from([parse_path(text) for text in ("a", "b.c", "**.d", "e[*].f", "*.g?")])
lists = st.sampled_from([parse_path("a"), parse_path("e"), parse_list_path(".")])
names = st.frozensets(st.sampled_from(["x", "y", "z"]), min_size=1, max_size=2)
anonymise = st.builds(Anonymise, names, st.integers(2, 5))
measures = st.frozensets(st.sampled_from([("count", ""), ("sum", "n"), ("mean", "n")]), max_size=3)
aggregate = st.builds(Aggregate, names, measures, st.integers(2, 5))
marks = st.sampled_from([Mark("header"), Mark("page"), Mark("member", "_mark"), Mark("member", "_other")])
notes = st.builds(Note, st.sampled_from(["answer", "request"]), paths)
sets_of_rules = st.builds(
    lambda includes, fields, groups, rows, marks, notes, told: body_rules(
        includes=includes, fields=fields, groups=groups, rows=rows, watermarks=marks, notes=notes, told=told
    ),
    st.lists(st.lists(paths, min_size=1, max_size=2), max_size=2),
    st.lists(st.tuples(paths, rules), max_size=4),
    st.lists(st.tuples(lists, anonymise | aggregate), max_size=3),
    st.lists(st.tuples(lists, st.integers(0, 9)), max_size=3),
    st.lists(marks, max_size=3),
    st.lists(notes, max_size=3),
    st.lists(st.sampled_from(["administrators", "owner"]), max_size=2),
)
spans = st.none() | st.integers(0, 100)
limits = st.builds(Limits, spans, spans)


def shown(rule: FieldRule, value: Json) -> bytes:
    return b"" if rule == EXCLUDE else canonical(apply_rule(rule, value, KEYS))


@settings(max_examples=250, deadline=None)
@given(rules, rules, rules)
def test_joining_is_commutative_associative_and_idempotent(a: FieldRule, b: FieldRule, c: FieldRule) -> None:
    assert join(a, b) == join(b, a)
    assert join(join(a, b), c) == join(a, join(b, c))
    assert join(a, a) == a
    assert join(a, join(a, b)) == join(a, b)


@settings(max_examples=700, deadline=None)
@given(rules, rules, values, values)
def test_what_is_joined_tells_apart_only_what_each_part_tells_apart(
    a: FieldRule, b: FieldRule, one: Json, other: Json
) -> None:
    joined = join(a, b)
    if shown(joined, one) != shown(joined, other):
        assert shown(a, one) != shown(a, other)
        assert shown(b, one) != shown(b, other)


@settings(max_examples=150, deadline=None)
@given(rules, values)
def test_a_rule_that_hides_shows_no_value_as_it_is(rule: FieldRule, value: Json) -> None:
    if not isinstance(rule, Generalise):  # the month of a month is itself
        assert shown(rule, value) != canonical(value)


@settings(max_examples=100, deadline=None)
@given(sets_of_rules, sets_of_rules, sets_of_rules)
def test_merging_sets_is_commutative_associative_and_idempotent(a: BodyRules, b: BodyRules, c: BodyRules) -> None:
    def both(x: BodyRules, y: BodyRules) -> BodyRules:
        return merge(frozenset({x, y}))

    assert both(a, b) == both(b, a)
    assert both(both(a, b), c) == both(a, both(b, c)) == merge(frozenset({a, b, c}))
    assert both(a, a) == a


@settings(max_examples=100, deadline=None)
@given(sets_of_rules, sets_of_rules)
def test_a_merged_set_is_as_strict_as_each_part_for_each_path(a: BodyRules, b: BodyRules) -> None:
    merged = merge(frozenset({a, b}))
    fields, groups = dict(merged.fields), dict.fromkeys(merged.groups)
    for path, rule in a.fields:
        assert join(fields[path], rule) == fields[path]
    assert a.includes <= merged.includes
    for path, group in a.groups:
        if fields.get(path) == EXCLUDE:
            continue
        [kept] = [found for where, found in groups if where == path and type(found) is type(group)]
        assert kept.least >= group.least
        assert kept.by >= group.by
        if isinstance(kept, Aggregate) and isinstance(group, Aggregate):
            assert kept.measures <= group.measures
    for path, most in a.rows:
        assert dict(merged.rows)[path] <= most
    assert a.watermarks <= merged.watermarks
    assert a.notes <= merged.notes
    assert a.told <= merged.told


@settings(max_examples=100, deadline=None)
@given(limits, limits, limits)
def test_limits_meet_in_the_least_in_any_order(a: Limits, b: Limits, c: Limits) -> None:
    assert a.within(b) == b.within(a)
    assert a.within(b).within(c) == a.within(b.within(c)) == merged_limits([c, None, a, b])
    assert a.within(a) == a
    for mine, merged in ((a.lease_s, a.within(b).lease_s), (a.session_s, a.within(b).session_s)):
        assert mine is None or (merged is not None and merged <= mine)


@settings(max_examples=100, deadline=None)
@given(sets_of_rules)
def test_the_compact_form_is_read_back(found: BodyRules) -> None:
    assert from_wire(json.loads(wire_bytes(found))) == found
    assert to_wire(from_wire(to_wire(found))) == to_wire(found)


@pytest.mark.parametrize(
    ("one", "other", "joined"),
    [
        (Tokenize("a"), Hash("a"), Hash("a")),
        (Tokenize("a"), Hash("b"), HIDDEN),
        (Hash("a"), Hash("b"), HIDDEN),
        (Generalise("month"), Generalise("decade"), Generalise("decade")),
        (Generalise("range", (10,)), Generalise("range", (15,)), Generalise("range", (30,))),
        (Generalise("range", (10**12,)), Generalise("range", (7,)), HIDDEN),
        (Generalise("prefix", (3,)), Generalise("prefix", (2,)), Generalise("prefix", (2,))),
        (Generalise("network", (8, 48)), Generalise("network", (24, 32)), Generalise("network", (8, 32))),
        (Generalise("year"), Generalise("prefix", (4,)), HIDDEN),
        (Mask(4), Mask(2), Mask(2)),
        (Mask(4), Hash("a"), HIDDEN),
        (HIDDEN, EXCLUDE, EXCLUDE),
    ],
)
def test_the_order_is_the_one_that_is_written_down(one: FieldRule, other: FieldRule, joined: FieldRule) -> None:
    assert join(one, other) == joined


def test_aggregates_by_different_fields_have_no_common_form_and_go() -> None:
    path = parse_path("a")
    by_x, by_y = (Aggregate(frozenset({name}), frozenset({("count", "")}), 2) for name in "xy")
    merged = merge(frozenset({body_rules(groups=[(path, by_x)]), body_rules(groups=[(path, by_y)])}))
    assert merged == body_rules(fields=[(path, EXCLUDE)])


@pytest.mark.parametrize(
    "wire",
    [
        None,
        [],
        {},
        {"v": 2},
        {"v": True},
        {"v": 1, "later": []},
        {"v": 1, "fields": [["a", "blur"]]},
        {"v": 1, "fields": [["a", "mask"]]},
        {"v": 1, "fields": [["a", "mask", True]]},
        {"v": 1, "fields": [["a", "mask", 9]]},
        {"v": 1, "fields": [["a", "mask", 1, 2]]},
        {"v": 1, "fields": [["a..b", "exclude"]]},
        {"v": 1, "fields": [["a"]]},
        {"v": 1, "fields": {"a": "exclude"}},
        {"v": 1, "fields": [["a", "generalise", "week"]]},
        {"v": 1, "fields": [["a", "generalise", "range", True]]},
        {"v": 1, "groups": [["**.a", "anonymise", ["x"], 5]]},
        {"v": 1, "groups": [["a", "anonymise", ["x"], 1]]},
        {"v": 1, "groups": [["a", "aggregate", ["x"], [["median", "n"]], 5]]},
        {"v": 1, "include": "a"},
        {"v": 1, "include": [["."]]},
        {"v": 1, "fields": [[".", "mask", 0]]},
        {"v": 1, "rows": [["**.a", 5]]},
        {"v": 1, "rows": [["a?", 5]]},
        {"v": 1, "rows": [["a", -1]]},
        {"v": 1, "rows": [["a", True]]},
        {"v": 1, "rows": [["a", "5"]]},
        {"v": 1, "rows": [["a"]]},
        {"v": 1, "marks": ["header"]},
        {"v": 1, "marks": [["footer"]]},
        {"v": 1, "marks": [["header", "x"]]},
        {"v": 1, "marks": [["member"]]},
        {"v": 1, "marks": [["member", "a b"]]},
        {"v": 1, "notes": [["answer", "."]]},
        {"v": 1, "notes": [["trailers", "a"]]},
        {"v": 1, "told": ["Administrators"]},
        {"v": 1, "told": "administrators"},
        {"v": 1, "rows": [[f"a{n}", 5] for n in range(1000)]},
        {"v": 1, "fields": [[f"a{n}", "exclude"] for n in range(1000)]},
    ],
)
def test_rules_that_are_not_known_here_are_refused(wire: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_wire(wire)


def test_rules_too_long_for_a_header_are_refused() -> None:
    many = body_rules(fields=[(parse_path(f"a_long_name_for_a_field_{n}"), EXCLUDE) for n in range(200)])
    with pytest.raises(ValueError, match="longer than"):
        wire_bytes(many)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("customers[*].ssn", "customers[*].ssn"),
        ('["a b"].c', '["a b"].c'),
        ('["plain"].c', "plain.c"),
        ('["\\u0061"]', "a"),
        ("**.ssn", "**.ssn"),
        ("*.a?.b", "*.a?.b"),
        ("[*][*].x", "[*][*].x"),
        ("größe", "größe"),
    ],
)
def test_a_path_has_one_way_to_be_written(text: str, same: str) -> None:
    assert parse_path(text).text == same
    assert parse_path(same) == parse_path(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", ".a", "a.", "a..b", "a[0]", "a[*", "a.[*]", "**", "a.**", "**.**.a", "**.a.**.b.**.c", "a b", "a[*]?"),
        *("a,b", "a" * 201, ".".join("a" * 17), "[*]a", '["a', "**?.a"),
    ],
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_path(text)


_documents: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.sampled_from(["secret-0", "secret-1"]) | st.just(Number("7")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcdefg"), inner, max_size=4),
    max_leaves=12,
)


def _texts(value: Json) -> set[str]:
    if isinstance(value, dict):
        return set().union(*map(_texts, value.values()))
    if isinstance(value, list):
        return set().union(*map(_texts, value))
    return {value} if isinstance(value, str) else set()


def _only_at_d(value: Json, *, below: bool = False) -> Json:
    """Write a secret wherever a member `d` is, and nowhere else."""
    if isinstance(value, dict):
        return {name: _only_at_d(inner, below=below or name == "d") for name, inner in value.items()}
    if isinstance(value, list):
        return [_only_at_d(inner, below=below) for inner in value]
    return "secret-9" if below else "open"


@settings(max_examples=100, deadline=None)
@given(_documents, rules)
def test_a_rule_at_any_depth_leaves_nothing_of_what_it_names(document: Json, rule: FieldRule) -> None:
    reduced = BodyFilter(body_rules(fields=[(parse_path("**.d"), rule)]), KEYS).reduce(_only_at_d(document))
    assert "secret-9" not in _texts(reduced)


@settings(max_examples=100, deadline=None)
@given(_documents)
def test_a_list_of_what_may_be_shown_shows_nothing_else(document: Json) -> None:
    show: Callable[[Json], Json] = BodyFilter(body_rules(includes=[[parse_path("**.d")]])).reduce
    reduced = show(_only_at_d(document))
    assert "open" not in _texts(reduced)
    hide_too = body_rules(includes=[[parse_path("**.d")], [parse_path("**.e")]])
    both = BodyFilter(hide_too).reduce(_only_at_d(document))
    assert _texts(both) <= _texts(reduced)
