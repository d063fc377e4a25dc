"""What a filter leaves of documents, and which documents it refuses."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

import pytest

from watchword.enforcement.bodies import (
    BodyFilter,
    BodyRefusedError,
    ValueKeys,
    Verdict,
    asking_headers,
    judge,
    obligations_claim,
    read_claim,
    reduced_headers,
    withheld,
)
from watchword.kernel import (
    EXCLUDE,
    Aggregate,
    Anonymise,
    BodyRules,
    FieldRule,
    Generalise,
    Hash,
    Mask,
    Obligation,
    Tokenize,
    body_rules,
    parse_path,
)

KEYS = ValueKeys(b"0123456789abcdef" * 2)
JSON = (b"content-type", b"application/json")


def fields(**rules: FieldRule) -> BodyRules:
    return body_rules(fields=[(parse_path(path), rule) for path, rule in rules.items()])


def reduced(rules: BodyRules, document: Any) -> Any:
    return json.loads(BodyFilter(rules, KEYS).apply(json.dumps(document).encode()).body)


def refused(rules: BodyRules, body: bytes) -> str:
    with pytest.raises(BodyRefusedError) as caught:
        BodyFilter(rules, KEYS).apply(body)
    return caught.value.message


HIDE = body_rules(fields=[(parse_path("customers[*].ssn"), EXCLUDE)])
ANYWHERE = body_rules(fields=[(parse_path("**.ssn"), EXCLUDE)])


def test_excluded_fields_are_gone_and_the_rest_is_as_it_was() -> None:
    body = b'{ "customers" : [ {"ssn":"1", "n": 1.10, "big": 123456789012345678901234567890, "t": "\\u00e9\\ud800"} ] }'
    found = BodyFilter(HIDE).apply(body).body
    assert found == b'{"customers":[{"n":1.10,"big":123456789012345678901234567890,"t":"\\u00e9\\ud800"}]}'


def test_each_rule_makes_of_a_value_what_it_says() -> None:
    rules = fields(
        mask=Mask(4), short=Mask(4), all=Mask(), year=Generalise("year"), decade=Generalise("decade"),
        zip=Generalise("prefix", (3,)), age=Generalise("range", (10,)), half=Generalise("range", (10,)),
        v4=Generalise("network", (24, 48)), v6=Generalise("network", (24, 48)), odd=Generalise("year"),
    )  # fmt: skip
    document = {
        "mask": "123-45-6789", "short": "1234567", "all": {"a": [1]}, "year": "1985-02-03T10:00:00Z",
        "decade": "1985-02-03", "zip": "94110", "age": 47, "half": -0.5,
        "v4": "192.0.2.77", "v6": "2001:db8:1:2::3", "odd": "long ago",
    }  # fmt: skip
    assert reduced(rules, document) == {
        "mask": "***6789", "short": "***", "all": "***", "year": "1985", "decade": "1980s", "zip": "941*",
        "age": "40..50", "half": "-10..0", "v4": "192.0.2.0/24", "v6": "2001:db8:1::/48", "odd": None,
    }  # fmt: skip


@pytest.mark.parametrize("keep", range(5))
def test_a_mask_keeps_nothing_of_short_text(keep: int) -> None:
    assert reduced(fields(a=Mask(keep)), {"a": "1234567"}) == {"a": "***"}


@pytest.mark.parametrize(
    ("rule", "value", "shown"),
    [
        (Generalise("prefix", (3,)), "94", "94*"),
        (Generalise("prefix", (0,)), "94", "*"),
        (Generalise("network", (24, 48)), "::ffff:192.0.2.77", "192.0.2.0/24"),
        (Generalise("network", (24, 48)), "fe80::1%eth0", "fe80::/48"),
        (Generalise("network", (24, 48)), "192.0.2.77/32", None),
        (Generalise("range", (10,)), "47", None),
        (Generalise("year"), 1985, None),
        (Generalise("year"), {"y": 1985}, None),
    ],
)
def test_what_a_rule_does_not_fit_is_hidden_and_one_value_has_one_form(
    rule: FieldRule, value: Any, shown: str | None
) -> None:
    assert reduced(fields(a=rule), {"a": value}) == {"a": shown}


def test_hashes_and_tokens_are_keyed_and_bound_to_their_context() -> None:
    def of(rule: FieldRule, keys: ValueKeys = KEYS, value: Any = "ada@example.com") -> str:
        body = BodyFilter(fields(a=rule), keys).apply(json.dumps({"a": value}).encode()).body
        return str(json.loads(body)["a"])

    other = ValueKeys(b"another key of the right length!")
    for kind in (Hash, Tokenize):
        assert of(kind("x")) == of(kind("x"))
        assert len({of(kind("x")), of(kind("y")), of(kind("x"), other), of(kind("x"), KEYS, "Ada")}) == 4
        assert of(kind("x"), KEYS, 1) != of(kind("x"), KEYS, "1")
        assert "ada" not in of(kind("x"))


def test_a_token_is_turned_back_with_its_key_and_context_only() -> None:
    token = reduced(fields(a=Tokenize("mail")), {"a": "ada@example.com"})["a"]
    assert KEYS.reveal(token, "mail") == "ada@example.com"
    for keys, context, text in (
        (ValueKeys(b"another key of the right length!"), "mail", token),
        (KEYS, "other", token),
        (KEYS, "mail", token[:-2] + "AA"),
        (KEYS, "mail", "t_"),
        (KEYS, "mail", "no token"),
    ):
        with pytest.raises(BodyRefusedError):
            keys.reveal(text, context)


def test_a_token_tells_lengths_only_to_within_sixteen_bytes() -> None:
    lengths = {len(reduced(fields(a=Tokenize("x")), {"a": "x" * n})["a"]) for n in range(1, 13)}
    assert len(lengths) == 1


def test_without_a_key_rules_that_need_one_cannot_be_applied() -> None:
    with pytest.raises(BodyRefusedError):
        BodyFilter(fields(a=Hash("x")))
    with pytest.raises(ValueError, match="fewer than 32 bytes"):
        ValueKeys(b"short")
    assert "0123" not in repr(KEYS) + str(KEYS)


def test_two_paths_that_meet_in_a_field_join_to_the_stricter() -> None:
    rules = body_rules(fields=[(parse_path("**.ssn"), Mask(4)), (parse_path("a[*].ssn"), Mask(2))])
    document = {"a": [{"ssn": "123-45-6789"}], "b": {"ssn": "123-45-6789"}}
    assert reduced(rules, document) == {"a": [{"ssn": "***89"}], "b": {"ssn": "***6789"}}


def test_a_hash_of_a_whole_is_not_made_of_what_another_rule_takes_out() -> None:
    rules = body_rules(fields=[(parse_path("a"), Hash("x")), (parse_path("a.ssn"), EXCLUDE)])
    assert reduced(rules, {"a": {"n": 1, "ssn": "1"}}) == reduced(rules, {"a": {"n": 1, "ssn": "2"}})


def test_elements_and_members_of_any_name_can_be_named() -> None:
    rules = body_rules(fields=[(parse_path("tags[*]"), EXCLUDE), (parse_path("people.*.ssn"), Mask())])
    document = {"tags": ["a", "b"], "people": {"ada": {"ssn": "1"}, "bob": {"ssn": None}}}
    assert reduced(rules, document) == {"tags": [], "people": {"ada": {"ssn": "***"}, "bob": {"ssn": "***"}}}


def test_several_lists_of_what_may_be_shown_show_what_stands_on_all() -> None:
    one = body_rules(includes=[[parse_path("c[*].name"), parse_path("c[*].city")]])
    two = body_rules(includes=[[parse_path("c[*].name"), parse_path("total")]])
    document = {"c": [{"name": "Ada", "city": "London", "ssn": "1"}], "total": 1}
    assert reduced(one, document) == {"c": [{"name": "Ada", "city": "London"}]}
    both = body_rules(includes=[*one.includes, *two.includes])
    assert reduced(both, document) == {"c": [{"name": "Ada"}]}
    assert reduced(body_rules(includes=[[parse_path("nothing")]]), document) == {}
    assert reduced(body_rules(includes=[[parse_path("nothing")]]), [1, 2]) == []
    assert reduced(body_rules(includes=[[parse_path("nothing")]]), "text") == {}


PEOPLE = [
    {"zip": z, "spent": s, "name": n} for z, s, n in [("A", 1, "a"), ("B", 10, "b"), ("A", 2, "c"), ("A", 3, "d")]
]


def test_records_that_stand_alone_are_taken_out_and_the_order_is_gone() -> None:
    rules = body_rules(groups=[(parse_path("people"), Anonymise(frozenset({"zip"}), 3))])
    assert [each["name"] for each in reduced(rules, {"people": PEOPLE})["people"]] == ["a", "c", "d"]
    assert reduced(rules, {"people": PEOPLE}) == reduced(rules, {"people": PEOPLE[::-1]})


def test_groups_are_made_of_what_the_reader_will_see() -> None:
    records = [{"zip": f"941{n}", "n": n} for n in range(10, 15)]
    rules = body_rules(
        fields=[(parse_path("people[*].zip"), Generalise("prefix", (3,)))],
        groups=[(parse_path("people"), Anonymise(frozenset({"zip"}), 5))],
    )
    assert len(reduced(rules, {"people": records})["people"]) == 5
    assert reduced(body_rules(groups=rules.groups), {"people": records}) == {"people": []}


def test_aggregates_are_made_of_large_groups_alone() -> None:
    measures = frozenset({("count", ""), ("sum", "spent"), ("mean", "spent")})
    rules = body_rules(groups=[(parse_path("people"), Aggregate(frozenset({"zip"}), measures, 3))])
    assert reduced(rules, {"people": PEOPLE}) == {
        "people": [{"zip": "A", "count": 3, "sum": {"spent": 6}, "mean": {"spent": 2}}]
    }


def test_a_sum_to_which_few_contributed_is_not_shown() -> None:
    records: list[dict[str, Any]] = [{"zip": "A"} for _ in range(9)]
    records[0]["spent"] = 1000
    records[1]["spent"] = "many"
    rules = body_rules(groups=[(parse_path("p"), Aggregate(frozenset(), frozenset({("sum", "spent")}), 2))])
    assert reduced(rules, {"p": records}) == {"p": [{"sum": {"spent": None}}]}


def test_sums_are_exact_and_a_huge_number_is_none() -> None:
    rules = body_rules(groups=[(parse_path("p"), Aggregate(frozenset(), frozenset({("sum", "n")}), 2))])
    assert (
        BodyFilter(rules).apply(b'{"p":[{"n":0.1},{"n":0.2},{"n":1e999999999}]}').body == b'{"p":[{"sum":{"n":0.3}}]}'
    )


def test_small_groups_are_gone_before_anything_is_added_up() -> None:
    path = parse_path("people")
    rules = body_rules(
        groups=[
            (path, Aggregate(frozenset(), frozenset({("count", "")}), 2)),
            (path, Anonymise(frozenset({"zip"}), 3)),
        ]
    )
    assert reduced(rules, {"people": PEOPLE}) == {"people": [{"count": 3}]}


@pytest.mark.parametrize(
    "document",
    [{"customer": {"ssn": "1"}}, {"customers": {"ssn": "1"}}, {"customers": ["1"]}, [{"ssn": "1"}], "1", 1, [[]], {}],
)
def test_a_document_of_another_shape_is_refused(document: Any) -> None:
    assert "shape" in refused(HIDE, json.dumps(document).encode())


@pytest.mark.parametrize("document", [{"customers": []}, {"customers": None}, None, {"customers": [None, {}]}])
def test_a_document_with_nothing_to_hide_passes(document: Any) -> None:
    assert reduced(HIDE, document) == document


def test_a_name_may_be_missing_where_the_path_says_so() -> None:
    rules = fields(**{"owner?.ssn": EXCLUDE})
    assert reduced(rules, {}) == {}
    assert reduced(rules, {"owner": {"ssn": "1", "n": 1}}) == {"owner": {"n": 1}}
    assert "shape" in refused(rules, b'{"owner":["1"]}')


@pytest.mark.parametrize("document", [{"p": {"a": 1}}, {"q": []}, [], {"p": [1]}, {"p": [[{"a": 1}]]}])
def test_what_is_no_list_of_records_is_not_grouped_but_refused(document: Any) -> None:
    rules = body_rules(groups=[(parse_path("p"), Anonymise(frozenset({"a"}), 2))])
    refused(rules, json.dumps(document).encode())


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"ssn":"x","ssn":"1"}', id="a key twice"),
        pytest.param(b'{"ssn":"x","\\u0073sn":"1"}', id="a key twice, escaped"),
        pytest.param(b'{"a":1}{"ssn":"1"}', id="two documents"),
        pytest.param(b'{"a":1}\n{"ssn":"1"}\n', id="NDJSON"),
        pytest.param(b'\xef\xbb\xbf{"ssn":"1"}', id="byte order mark"),
        pytest.param('{"ssn":"1"}'.encode("utf-16"), id="UTF-16"),
        pytest.param('{"ssn":"1"}'.encode("utf-32-le"), id="UTF-32"),
        pytest.param(b'{"ssn":"\xff"}', id="not UTF-8"),
        pytest.param(b'{"ssn":NaN}', id="NaN"),
        pytest.param(b'{"ssn":Infinity}', id="Infinity"),
        pytest.param(b'{"ssn":"1",}', id="trailing comma"),
        pytest.param(b'{"ssn":"1"', id="cut off"),
        pytest.param(b"{'ssn':'1'}", id="single quotes"),
        pytest.param(b'/**/{"ssn":"1"}', id="a comment"),
        pytest.param(b'{"ssn":01}', id="a leading zero"),
        pytest.param(b'{"a":"\n"}', id="a control character"),
        pytest.param(gzip.compress(b'{"ssn":"1"}'), id="gzip"),
        pytest.param(b"ok", id="text"),
        pytest.param(b" ", id="blank"),
    ],
)
def test_what_two_readers_might_read_differently_is_refused(body: bytes) -> None:
    refused(ANYWHERE, body)


def test_an_escaped_name_is_the_name() -> None:
    assert BodyFilter(ANYWHERE).apply(b'{"\\u0073\\u0073\\u006e":"1","a":{"s\\u0073n":"1"}}').body == b'{"a":{}}'


@pytest.mark.parametrize("bomb", [b"[" * 500_000, b'{"a":' * 100_000, b"[" * 100 + b"]" * 100, b'[{"ssn":' * 33])
def test_a_depth_bomb_is_refused_at_once(bomb: bytes) -> None:
    start = time.perf_counter()
    refused(ANYWHERE, bomb)
    assert time.perf_counter() - start < 2


def test_brackets_in_text_are_no_depth() -> None:
    body = json.dumps({"a": "[" * 1000 + '\\"' * 10, "b": "{" * 1000}).encode()
    assert json.loads(BodyFilter(ANYWHERE).apply(body).body) == json.loads(body)


def test_a_huge_number_is_carried_and_never_counted() -> None:
    rules = fields(a=Generalise("range", (10,)))
    body = b'{"a":1e999999999,"b":' + b"9" * 100_000 + b"}"
    assert BodyFilter(rules).apply(body).body == b'{"a":null,"b":' + b"9" * 100_000 + b"}"


def test_many_strange_names_make_no_filter_grow() -> None:
    made = BodyFilter(body_rules(fields=[(parse_path("**.a.*.b"), EXCLUDE)]))
    made.apply(json.dumps({f"n{n}": {f"m{n}": {"a": {f"k{n}": {"b": 1}}}} for n in range(300)}).encode())
    assert len(made._fields._known) < 20


# ---- heads of answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        b"application/json",
        b"application/problem+json",
        b"Application/JSON; charset=UTF-8",
        b'application/json;charset="utf-8"',
        b'application/json; odata.metadata=minimal; profile="a;b"',
    ],
)
def test_json_by_any_of_its_names_is_reduced(kind: bytes) -> None:
    assert judge(200, [(b"content-type", kind)], is_bodiless=False, rules=HIDE) is Verdict.REDUCE


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, []),
        (200, [JSON, JSON]),
        (200, [(b"content-type", b"text/html")]),
        (200, [(b"content-type", b"application/json; charset=utf-16")]),
        (200, [(b"content-type", b"application/json; charset=utf-8; Charset=utf-7")]),
        (200, [(b"content-type", b"application/json; charset")]),
        (200, [(b"content-type", b"application/json, text/html")]),
        (200, [(b"content-type", b"application/x-ndjson")]),
        (200, [(b"content-type", b"application/json-seq")]),
        (200, [(b"content-type", b"application/jsonl")]),
        (200, [(b"content-type", b"text/event-stream")]),
        (200, [(b"content-type", b"multipart/byteranges")]),
        (200, [JSON, (b"content-encoding", b"gzip")]),
        (200, [JSON, (b"content-encoding", b"identity"), (b"content-encoding", b"br")]),
        (200, [JSON, (b"content-range", b"bytes 0-1/2")]),
        (206, [JSON]),
        (304, []),
        (101, [(b"upgrade", b"websocket")]),
        (103, []),
    ],
)
def test_an_answer_that_cannot_be_reduced_is_known_by_its_head(status: int, headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(BodyRefusedError):
        judge(status, headers, is_bodiless=False, rules=HIDE)


@pytest.mark.parametrize("status", [101, 206, 304])
def test_a_part_or_an_answer_of_somebody_elses_is_refused_without_a_body_too(status: int) -> None:
    with pytest.raises(BodyRefusedError):
        judge(status, [], is_bodiless=True, rules=HIDE)
    assert judge(200, [(b"etag", b"x")], is_bodiless=True, rules=HIDE) is Verdict.HAS_NO_BODY


def test_a_redirect_goes_out_without_its_body() -> None:
    head = [(b"location", b"/x"), (b"content-type", b"text/html")]
    assert judge(302, head, is_bodiless=False, rules=HIDE) is Verdict.DROP_BODY


def test_headers_that_tell_of_the_whole_are_gone() -> None:
    told = [(b"ETag", b"x"), (b"Content-Length", b"9"), (b"Last-Modified", b"x"), (b"Digest", b"x"), (b"x-a", b"1")]
    assert reduced_headers([JSON, *told, (b"cache-control", b"public")], 5) == [
        *(JSON, (b"x-a", b"1")),
        *((b"cache-control", b"no-store"), (b"content-length", b"5")),
    ]


def test_the_application_is_asked_for_the_whole_and_nothing_packed() -> None:
    sent = [(b"range", b"bytes=0-1"), (b"Accept-Encoding", b"gzip"), (b"if-none-match", b"x"), (b"a", b"b")]
    assert asking_headers(sent) == [(b"a", b"b"), (b"accept-encoding", b"identity")]


@pytest.mark.parametrize(("status", "shown"), [(200, 502), (None, 502), (304, 502), (404, 404), (500, 500)])
def test_a_refusal_keeps_a_status_that_says_no(status: int | None, shown: int) -> None:
    code, headers, body = withheld(status, "dec_1")
    assert (code, json.loads(body)["status"]) == (shown, shown)
    assert dict(headers)[b"cache-control"] == b"no-store"


# ---- the claim -------------------------------------------------------------------------------------------------------


def test_the_claim_carries_merged_rules_and_says_who_applies_them() -> None:
    two = [Obligation("b", rules=fields(a=Mask(4))), Obligation("a", rules=fields(a=Mask(2)))]
    claim = obligations_claim(two, is_edge=False)
    assert claim == {"names": ["a", "b"], "by": "application", "rules": {"v": 1, "fields": [["a", "mask", 2]]}}
    duties = read_claim(json.loads(json.dumps(claim)))
    assert (duties.names, duties.rules, duties.own) == ({"a", "b"}, fields(a=Mask(2)), frozenset())
    assert read_claim(obligations_claim(two, is_edge=True)).rules is None


def test_what_only_the_application_can_do_is_named() -> None:
    duties = read_claim(obligations_claim([Obligation("record", is_for_application=True)], is_edge=True))
    assert (duties.names, duties.own, duties.rules) == ({"record"}, {"record"}, None)
    assert read_claim(["record"]).own == {"record"}


@pytest.mark.parametrize(
    "claim",
    [
        None,
        "record",
        [1],
        {},
        {"names": ["a"]},
        {"names": ["a"], "own": ["b"]},
        {"names": ["a"], "rules": {"v": 1}},
        {"names": ["a"], "by": "edge"},
        {"names": ["a"], "by": "nobody", "rules": {"v": 1}},
        {"names": ["a"], "by": "application", "rules": {"v": 2}},
        {"names": ["a"], "own": ["a"], "later": 1},
        {"names": [["a"]], "own": []},
    ],
)
def test_a_claim_that_is_not_known_here_is_refused(claim: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_claim(claim)
