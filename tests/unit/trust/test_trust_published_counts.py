"""A node counts sign-ins for the published score: guarded, bounded, and by the formula that was published."""

from __future__ import annotations

from dataclasses import replace
from math import exp

import pytest
from behaviour_cases import AT_WORK, CURL, SYDNEY, THIEF, event

from watchword.trust import Finding, Observation
from watchword.trust.behaviour import (
    Everybody,
    Freeman,
    Lesson,
    SignIns,
    dump_sign_ins,
    everybody_parts,
    learn_sign_in,
    parse_everybody,
    parse_sign_ins,
    read,
    score_reading,
    values_of,
)
from watchword.trust.behaviour.freeman_counts import MOST_OWN
from watchword.trust.observation import Act

DAY = 86_400.0
NOW = AT_WORK.at + 400 * DAY
BERT = replace(THIEF, user="usr_bert", is_verified=True)


def month(one: Observation = AT_WORK, days: int = 30) -> tuple[SignIns, Everybody]:
    own, everybody = SignIns(), Everybody()
    for day in range(days):
        act = replace(one, id=f"{one.user} {day}", at=one.at + day * DAY, is_verified=True)
        assert learn_sign_in(act, own, everybody, now=NOW) is Lesson.LEARNED
    return own, everybody


def test_what_a_node_learned_gives_the_published_score_to_the_bit() -> None:
    own, everybody, freeman, other = SignIns(), Everybody(), Freeman(), SignIns()
    for number in range(6):
        mine, his = event(number), replace(BERT, id=f"b{number}", at=BERT.at + number * DAY)
        learn_sign_in(mine, own, everybody, now=NOW)
        learn_sign_in(his, other, everybody, now=NOW)
        freeman.observe(mine)
        freeman.observe(his)
    for asked in (AT_WORK, THIEF, replace(AT_WORK, agent=CURL), replace(AT_WORK, place=SYDNEY, ip="1.2.3.4")):
        found = score_reading(read(values_of(asked), own, everybody, everybody.users))
        assert found.log_odds == freeman.score(asked).log_odds
        assert found.risk == freeman.score(asked).risk
        rare = score_reading(read(values_of(asked), own, everybody, everybody.users), prior=-4.0)
        assert rare.log_odds == found.log_odds - 4.0
        assert [term.indicator for term in found.contributions] == ["prior", "account", "address", "agent"]


def test_what_lists_and_watchers_found_is_added_and_named_and_the_sum_is_exact() -> None:
    own, everybody = month()
    reading = read(values_of(AT_WORK), own, everybody, everybody.users)
    causes = [
        Finding("spray", 1.7, "many accounts"),
        Finding("reputation", 9.0, "listed"),
        Finding("x", 0.0, "", False),
    ]
    plain, found = score_reading(reading), score_reading(reading, causes)
    added = {term.indicator: term.value for term in found.contributions[len(plain.contributions) :]}
    assert added["reputation"] == 3.0  # however many lists name an address
    assert added["spray"] == pytest.approx(1.7, abs=1e-6)
    assert found.log_odds == sum(term.value for term in found.contributions)
    assert found.log_odds == pytest.approx(plain.log_odds + 4.7, abs=1e-5)
    assert found.probability == pytest.approx(1 / (1 + exp(-found.log_odds)))


def test_what_speaks_against_a_request_names_what_is_new_and_no_habit() -> None:
    own, everybody = month()
    told = {t.indicator: t.detail for t in score_reading(read(values_of(THIEF), own, everybody, 1)).contributions}
    assert "never shown with this account: address" in told["address"]
    assert AT_WORK.ip not in " ".join(told.values())
    owner = score_reading(read(values_of(AT_WORK), own, everybody, 1))
    assert {term.detail for term in owner.contributions if term.value <= 0} == {""}


def test_nothing_to_compare_with_is_said_to_be_so() -> None:
    found = score_reading(read(values_of(AT_WORK), SignIns(), Everybody(), 0))
    assert found.is_cold
    own, everybody = month()
    assert score_reading(read(values_of(AT_WORK), SignIns(), everybody, 1)).is_cold
    assert not score_reading(read(values_of(AT_WORK), own, everybody, 1)).is_cold
    assert score_reading(read(values_of(AT_WORK), own, Everybody(), 1)).is_cold  # everybody together was lost


def test_two_hundred_verified_looking_sign_ins_of_one_afternoon_do_not_make_a_place_usual() -> None:
    """Attack: poisoning. Whoever holds an account signs in from their own place again and again."""
    own, everybody = month()
    for number in range(200):
        poison = replace(BERT, user=AT_WORK.user, id=f"poison {number}", at=AT_WORK.at + 31 * DAY + number)
        learn_sign_in(poison, own, everybody, now=NOW)
    assert own.sign_ins == 32
    elsewhere = [
        replace(BERT, user=AT_WORK.user, id=f"p{n}", ip=f"9.9.{n}.9", at=AT_WORK.at + 32 * DAY) for n in range(200)
    ]
    became = [learn_sign_in(each, own, everybody, now=NOW) for each in elsewhere]
    assert became.count(Lesson.LEARNED) == 8
    assert became[-1] is Lesson.ENOUGH


@pytest.mark.parametrize(
    ("about", "becomes"),
    [
        ({"is_verified": False}, Lesson.NOT_VERIFIED),
        ({"is_success": False}, Lesson.NOT_VERIFIED),
        ({"act": Act.REQUEST}, Lesson.NOT_VERIFIED),
        ({"act": Act.PROMPT}, Lesson.LEARNED),
        ({"at": NOW + 61}, Lesson.FROM_THE_FUTURE),
        ({"at": float("nan")}, Lesson.UNREADABLE),
        ({"at": "soon"}, Lesson.UNREADABLE),
        ({"place": None}, Lesson.UNREADABLE),
        ({"agent": None}, Lesson.UNREADABLE),
    ],
)
def test_only_proofs_that_can_be_read_teach(about: dict[str, object], becomes: Lesson) -> None:
    own, everybody = SignIns(), Everybody()
    assert learn_sign_in(replace(AT_WORK, **about), own, everybody, now=NOW) is becomes  # type: ignore[arg-type]  # fields of an observation
    assert own.sign_ins == everybody.sign_ins == (becomes is Lesson.LEARNED)


def test_sign_ins_twice_and_too_late_teach_nothing_and_a_clock_that_ran_ahead_does_not_end_the_learning() -> None:
    own, everybody = SignIns(), Everybody()
    one = replace(AT_WORK, is_verified=True)
    assert learn_sign_in(one, own, everybody, now=NOW) is Lesson.LEARNED
    assert learn_sign_in(one, own, everybody, now=NOW) is Lesson.DUPLICATE
    assert learn_sign_in(replace(one, id="late", at=one.at - 3 * DAY), own, everybody, now=NOW) is Lesson.TOO_LATE
    assert learn_sign_in(replace(one, id="a", at=one.at - DAY), own, everybody, now=NOW) is Lesson.LEARNED
    ahead = NOW + 4000 * DAY
    assert learn_sign_in(replace(one, id="ahead", at=ahead), own, everybody, now=ahead) is Lesson.LEARNED
    assert learn_sign_in(replace(one, id="back", at=NOW), own, everybody, now=NOW) is Lesson.LEARNED


def test_one_account_and_everybody_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchword.trust.behaviour.freeman_counts.MOST_VALUES", 60)
    own, everybody = month()
    agent = replace(AT_WORK.agent, full="A" * 2_000_000, browser="B" * 2_000_000)
    for number in range(120):
        one = replace(AT_WORK, id=f"t{number}", ip=f"10.0.{number}.1", agent=agent, at=AT_WORK.at + (40 + number) * DAY)
        assert learn_sign_in(replace(one, is_verified=True), own, everybody, now=NOW) is Lesson.LEARNED
    assert own.sign_ins == 150
    assert len(own.seen) <= MOST_OWN
    assert len(everybody.seen) <= 60
    assert len(own.days) <= 3
    assert len(dump_sign_ins(own)) < 8_000
    # What is usual stays, whatever went; and of everybody the kinds are those that are there.
    assert not score_reading(read(values_of(AT_WORK), own, everybody, 1)).is_cold
    assert own.seen[values_of(AT_WORK)[0][0]] == 30
    assert sum(everybody.kinds.values()) == len(everybody.seen)
    assert min(everybody.kinds.values()) >= 0


def test_what_was_written_is_read_back() -> None:
    own, everybody = month()
    assert parse_sign_ins(dump_sign_ins(own)) == own
    assert parse_everybody("".join(everybody_parts(everybody))) == everybody
    assert parse_everybody("".join(everybody_parts(Everybody()))) == Everybody()


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "{}", "null", '{"v":9}', '{"v":1}', '{"v":1,"n":-1,"s":{},"m":0,"d":{},"e":[]}',
        '{"v":1,"n":1,"s":{"a":"b"},"m":0,"d":{},"e":[]}', '{"v":1,"n":1,"s":[],"m":1,"d":{},"e":[]}',
        '{"v":1,"n":1.5,"s":{},"m":1,"d":{},"e":[]}', '{"v":1,"n":true,"s":{},"m":1,"d":3,"e":[]}', "[" * 100_000,
    ],
)  # fmt: skip
def test_damaged_counts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_sign_ins(text)
    with pytest.raises(ValueError, match=r"."):
        parse_everybody(text)


def test_counts_that_fit_no_sign_in_are_the_worst_there_is() -> None:
    own, everybody = month()
    own.sign_ins = 10**400
    found = score_reading(read(values_of(AT_WORK), own, everybody, 1))
    assert (found.risk, found.is_cold) == (100, False)
    assert found.contributions[0].indicator == "unreadable"
