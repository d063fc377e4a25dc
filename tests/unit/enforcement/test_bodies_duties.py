"""What a door does beside reducing an answer: rows, marks, records, notices; and that it fails closed."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest

from watchword.enforcement.authzen.duties import duties
from watchword.enforcement.bodies import (
    BodyFilter,
    BodyRefusedError,
    DataAccess,
    Exchange,
    Means,
    Notice,
    ValueKeys,
    Verdict,
    Visitor,
    Watermark,
    judge,
    marked_headers,
    obligations_claim,
    read_claim,
)
from watchword.kernel import (
    Aggregate,
    BodyRules,
    FrozenClock,
    Limits,
    Mark,
    Note,
    Obligation,
    body_rules,
    merge,
    parse_list_path,
    parse_path,
)
from watchword.policy import Effect, PolicyAnswer, PolicyRef
from watchword.policy.obligations import ObligationBook

KEYS = ValueKeys(b"k" * 32)
MARK = Watermark("p_abc", "dec_1", datetime(2026, 11, 22, 8, 0, tzinfo=UTC))
VISITOR = Visitor("dec_1", "crm", "usr_1")
WHOLE = parse_list_path(".")
HTML = [(b"content-type", b"text/html; charset=utf-8")]


def reduce(rules: BodyRules, document: Any, mark: Watermark | None = None) -> Any:
    return json.loads(BodyFilter(rules, KEYS).apply(json.dumps(document).encode(), mark).body)


def rows(most: int, *paths: str) -> BodyRules:
    return body_rules(rows=[(parse_list_path(path), most) for path in paths])


def test_a_list_is_cut_at_the_smallest_limit() -> None:
    both = merge(frozenset({rows(3, "a", "b[*].c"), rows(2, "a")}))
    assert reduce(both, {"a": [1, 2, 3, 4], "b": [{"c": [1, 2, 3, 4]}, {"c": None}]}) == {
        "a": [1, 2],
        "b": [{"c": [1, 2, 3]}, {"c": None}],
    }
    assert reduce(rows(1, "."), [1, 2]) == [1]
    assert reduce(rows(0, "."), [1, 2]) == []


@pytest.mark.parametrize("document", [{}, {"a": {"0": 1}}, {"a": "1,2,3"}, [1, 2, 3], {"A": [1]}])
def test_an_answer_without_the_list_that_is_limited_is_withheld(document: Any) -> None:
    with pytest.raises(BodyRefusedError):
        reduce(rows(1, "a"), document)


def test_rows_are_counted_after_groups_were_made() -> None:
    figures = body_rules(groups=[(WHOLE, Aggregate(frozenset({"c"}), frozenset({("count", "")}), 2))])
    document = [{"c": "x"}] * 2 + [{"c": "y"}] * 2
    assert reduce(merge(frozenset({figures, rows(1, ".")})), document) == [{"c": "x", "count": 2}]


def test_aggregates_of_a_whole_document_without_a_common_form_leave_nothing() -> None:
    by = [body_rules(groups=[(WHOLE, Aggregate(frozenset({n}), frozenset({("count", "")}), 2))]) for n in "cd"]
    assert reduce(merge(frozenset(by)), [{"c": "x", "d": "y"}] * 9) == []


def test_a_record_counts_what_is_left_and_names_nothing_of_the_document() -> None:
    notes = [Note("answer", parse_path(path)) for path in ("**.ssn", "customers[*]", "by_mail.*.iban", "never")]
    rules = merge(frozenset({body_rules(notes=notes), rows(2, "customers")}))
    document = {
        "customers": [{"ssn": "1"}, {"ssn": None}, {"ssn": "3"}],
        "by_mail": {"ada@example.com": {"iban": "NL1"}},
    }
    counts = BodyFilter(rules).apply(json.dumps(document).encode()).counts
    assert counts == {"**.ssn": 2, "customers[*]": 2, "by_mail.*.iban": 1, "never": 0}


def test_a_mark_in_a_document_replaces_one_of_the_application() -> None:
    rules = body_rules(watermarks=[Mark("header"), Mark("member", "_for")])
    shown = reduce(rules, {"a": 1, "_for": "somebody else"}, MARK)
    assert shown == {"a": 1, "_for": {"subject": "p_abc", "decision": "dec_1", "at": "2026-11-22T08:00:00Z"}}
    for document, mark in (([1], MARK), ({"a": 1}, None)):
        with pytest.raises(BodyRefusedError):
            reduce(rules, document, mark)


def test_a_pseudonym_is_one_person_at_one_application_and_found_again_after_a_change_of_keys() -> None:
    name = KEYS.pseudonym("crm", "usr_1")
    assert name == ValueKeys(b"k" * 32).pseudonym("crm", "usr_1")
    others = [KEYS.pseudonym("crm", "usr_2"), KEYS.pseudonym("notes", "usr_1"), KEYS.pseudonym("c", "rmusr_1")]
    later = ValueKeys(b"n" * 32, b"k" * 32)
    assert len({name, later.pseudonym("crm", "usr_1"), *others}) == 5
    assert name in later.pseudonyms("crm", "usr_1")
    assert "usr" not in name


def test_a_token_is_turned_back_after_a_change_of_keys_and_new_ones_are_made_with_the_new_key() -> None:
    old, new = KEYS.tokenize("Ada", "name"), ValueKeys(b"n" * 32, b"k" * 32)
    assert new.reveal(old, "name") == "Ada"
    fresh = new.tokenize("Ada", "name")
    assert fresh != old
    assert new.reveal(fresh, "name") == "Ada"
    for token, context in ((old, "mail"), ("t_", "name"), ("t_!!", "name"), (fresh[:-4], "name")):
        with pytest.raises(BodyRefusedError):
            new.reveal(token, context)
    with pytest.raises(BodyRefusedError):
        KEYS.reveal(fresh, "name")
    with pytest.raises(ValueError, match="fewer than 32"):
        ValueKeys(b"n" * 32, b"short")


PAGE = body_rules(watermarks=[Mark("header"), Mark("page")])
HEADER = body_rules(watermarks=[Mark("header")])
MEMBER = body_rules(watermarks=[Mark("header"), Mark("member", "_for")])


@pytest.mark.parametrize(
    ("rules", "status", "headers", "verdict"),
    [
        (HEADER, 206, HTML, Verdict.PASS),
        (HEADER, 200, [*HTML, (b"content-encoding", b"br")], Verdict.PASS),
        (body_rules(told=["owner"]), 304, [], Verdict.PASS),
        (PAGE, 200, HTML, Verdict.MARK_PAGE),
        (PAGE, 404, [(b"content-type", b"Text/HTML")], Verdict.MARK_PAGE),
        (PAGE, 200, [(b"content-type", b"image/png")], Verdict.PASS),
        (PAGE, 200, [(b"content-type", b"application/json")], Verdict.PASS),
        (PAGE, 204, [], Verdict.HAS_NO_BODY),
        (MEMBER, 200, [(b"content-type", b"application/json")], Verdict.REDUCE),
        (MEMBER, 200, HTML, Verdict.PASS),
    ],
)
def test_what_is_only_marked_is_held_back_only_where_the_mark_is_in_it(
    rules: BodyRules, status: int, headers: Any, verdict: Verdict
) -> None:
    assert judge(status, headers, is_bodiless=False, rules=rules) is verdict


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, []),
        (200, [*HTML, *HTML]),
        (200, [(b"content-type", b"text/html; charset=utf-16")]),
        (200, [(b"content-type", b"text/html; charset=utf-7")]),
        (200, [(b"content-type", b"text/html, image/png")]),
        (200, [*HTML, (b"content-encoding", b"gzip")]),
        (206, HTML),
        (304, HTML),
        (101, HTML),
    ],
)
def test_a_page_that_cannot_be_marked_is_withheld(status: int, headers: Any) -> None:
    with pytest.raises(BodyRefusedError):
        judge(status, headers, is_bodiless=False, rules=PAGE)


def test_a_mark_of_the_application_is_not_taken_for_ours() -> None:
    forged = [(b"watchword-watermark", b"subject=p_other"), (b"x", b"1")]
    assert marked_headers(forged, None) == [(b"x", b"1")]
    assert marked_headers(forged, MARK) == [(b"x", b"1"), (b"watchword-watermark", b"subject=p_abc; decision=dec_1")]


class Fake:
    """Keeps what it is told, or fails."""

    def __init__(self, *, is_broken: bool = False) -> None:
        self.kept: list[DataAccess | Notice] = []
        self._is_broken = is_broken

    async def record(self, access: DataAccess) -> None:
        if self._is_broken:
            raise OSError("the disk is full")
        self.kept.append(access)

    async def notify(self, notice: Notice) -> None:
        if self._is_broken:
            raise OSError("the disk is full")
        self.kept.append(notice)


EVERYTHING = body_rules(notes=[Note("answer", parse_path("a")), Note("request", parse_path("b"))], told=["owner"])


async def test_everything_is_told_and_recorded_in_its_turn(clock: FrozenClock) -> None:
    witness = Fake()
    exchange = Exchange(EVERYTHING, VISITOR, Means(None, witness, clock))
    await exchange.begin()
    await exchange.record_request(b'{"b": 1}')
    await exchange.record_answer(exchange.filter.apply(b'{"a": 1, "b": 2}'), 200)
    notice, change, reading = witness.kept
    assert notice == Notice(VISITOR, ("owner",), clock.now())
    assert isinstance(change, DataAccess)
    assert (change.part, change.counts, change.status) == ("request", {"b": 1}, None)
    assert isinstance(reading, DataAccess)
    assert reading.record() == {
        "type": "data_access",
        "at": clock.now().isoformat(),
        "decision": "dec_1",
        "application": "crm",
        "user": "usr_1",
        "part": "answer",
        "status": 200,
        "counts": {"a": 1},
    }


async def test_a_witness_that_measures_hears_how_much_was_left_once_that_is_recorded(clock: FrozenClock) -> None:
    class Measuring(Fake):
        heard: list[tuple[Visitor, int]]

        def measure(self, visitor: Visitor, size: int) -> None:
            self.heard = [*getattr(self, "heard", []), (visitor, size)]

    for witness in (Measuring(), Measuring(is_broken=True)):
        exchange = Exchange(body_rules(notes=[Note("answer", parse_path("a"))]), VISITOR, Means(None, witness, clock))
        with nullcontext() if not witness._is_broken else pytest.raises(BodyRefusedError):
            await exchange.record_answer(exchange.filter.apply(b'{"a":1}'), 200)
        assert getattr(witness, "heard", []) == ([] if witness._is_broken else [(VISITOR, len(b'{"a":1}'))])


async def test_what_cannot_be_told_or_recorded_stops_the_exchange(clock: FrozenClock) -> None:
    exchange = Exchange(EVERYTHING, VISITOR, Means(None, Fake(is_broken=True), clock))
    with pytest.raises(BodyRefusedError, match="told"):
        await exchange.begin()
    with pytest.raises(BodyRefusedError, match="recorded"):
        await exchange.record_request(b"{}")
    with pytest.raises(BodyRefusedError, match="recorded"):
        await exchange.record_answer(exchange.filter.apply(b""), 204)
    with pytest.raises(BodyRefusedError, match="JSON"):
        await exchange.record_request(b"a=1")


@pytest.mark.parametrize("rules", [EVERYTHING, HEADER, PAGE, MEMBER, body_rules(told=["owner"])])
def test_a_door_without_the_means_refuses_before_anybody_is_asked(rules: BodyRules) -> None:
    with pytest.raises(BodyRefusedError):
        Exchange(rules, VISITOR, Means())


@pytest.mark.parametrize("mark", [Mark("header"), Mark("page"), Mark("member", "_for")])
def test_whatever_mark_is_asked_for_there_is_one_to_make(mark: Mark, clock: FrozenClock) -> None:
    exchange = Exchange(body_rules(watermarks=[mark]), VISITOR, Means(KEYS, None, clock))
    assert exchange.watermark == Watermark(KEYS.pseudonym("crm", "usr_1"), "dec_1", clock.now())


def test_limits_travel_in_the_claim_and_need_nothing_of_the_application() -> None:
    two = [Obligation("brief", limits=Limits(lease_s=9)), Obligation("lunch", limits=Limits(lease_s=20, session_s=60))]
    claim = json.loads(json.dumps(obligations_claim(two, is_edge=True)))
    assert claim["limits"] == {"lease_s": 9, "session_s": 60}
    duties = read_claim(claim)
    assert (duties.names, duties.own, duties.rules) == ({"brief", "lunch"}, set(), None)
    for broken in ({}, {"lease_s": 9}, {"lease_s": "9", "session_s": None}, {"lease_s": True, "session_s": None}, [9]):
        with pytest.raises(ValueError, match=r"."):
            read_claim(claim | {"limits": broken})


def test_limits_are_told_to_enforcement_points_that_are_not_ours() -> None:
    book = ObligationBook(
        {
            "brief": Obligation("brief", limits=Limits(lease_s=9)),
            "lunch": Obligation("lunch", limits=Limits(lease_s=20, session_s=60)),
        }
    )
    permit = PolicyRef("p", {"obligation": "brief, lunch"})
    [found] = duties(PolicyAnswer(Effect.PERMIT, (permit,), (), "v"), book) or ()
    told = {"vendor": "watchword", "action": "limit", "names": ["brief", "lunch"], "lease_s": 9, "session_s": 60}
    assert found == {"type": "custom", "properties": told}


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":' + b'"\\' * 500_000,
        b'"' * 1_000_001,
        b"[" * 500_000 + b"]" * 500_000,
        b'{"a":"' + b"\\u0022" * 200_000,
        b'["' + b'\\"' * 500_000 + b"[" * 100,
    ],
)
def test_a_document_made_to_be_searched_for_ever_is_refused(body: bytes) -> None:
    # Without bounds each of these takes hours; the run itself has a limit.
    with pytest.raises(BodyRefusedError):
        BodyFilter(rows(1, "a")).apply(body)


def test_brackets_in_strings_have_no_depth() -> None:
    document = {"a": ["[" * 500, '\\"[' * 500, "]" * 500, {"{": "}"}]}
    assert reduce(rows(9, "a"), document) == document
