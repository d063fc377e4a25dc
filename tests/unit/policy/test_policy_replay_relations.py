"""Relations in a replay: an answer counts for the model that gave it; for another one the tuples must answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson

from watchword.kernel import Answer, Reason
from watchword.policy import PolicySet
from watchword.policy.relations import Graph, RelationModel, RelationView, read_tuple
from watchword.policy.replay import Change, Outcome, Question, Recorded, Recorder, Rehearsal, Seen, question_of
from watchword.policy.trials import question_in

MODEL = """model
  schema 1.1
type user
type resource
  relations
    define banned: [user]
    define viewer: [user, user with until]
condition until(current_time: timestamp, end: timestamp) { current_time < end }
"""
OTHER = MODEL.replace("define viewer: [user, user with until]", "define viewer: [user, user with until] but not banned")
VIEWERS = '@id("v") permit (principal, action, resource) when { context.rel.contains("viewer") };'
UNBANNED = VIEWERS + '\n@id("b") forbid (principal, action, resource) when { context.rel.contains("banned") };'
REQUEST = {
    "principal": 'Watchword::User::"usr_a"',
    "action": "read",
    "resource": 'Watchword::Resource::"notes/admin"',
    "context": {
        "http": {"method": "GET", "host": "n", "path": "/"},
        "risk": {"score": 0, "level": 0},
        "trust": {"score": 70},
        "mfa": {"is_verified": False},
        "session": {"age_min": 4, "acr": 1, "amr": ["pwd"]},
        "device": {"is_known": True, "posture": "unknown"},
        "network": {"ip": "192.0.2.7", "is_allowed": False, "is_suspicious": False},
        "time": {"hour": 10, "minute": 30, "weekday": 2, "is_working_hours": True},
    },
    "entities": [
        {
            "uid": 'Watchword::User::"usr_a"',
            "attrs": {"name": "a", "is_administrator": False, "is_privileged": False},
        },
        {"uid": 'Watchword::Resource::"notes/admin"', "attrs": {"sensitivity": "internal"}},
    ],
}


def policies(directory: Path, text: str, model: str = MODEL) -> PolicySet:
    directory.mkdir()
    (directory / "p.cedar").write_text(text)
    (directory / "relations.fga").write_text(model)
    return PolicySet.load(directory)


def tuples(*words: str, until: str = "") -> Seen:
    graph = Graph()
    for each in words:
        user, relation, object_ = each.split()
        condition = {"condition": "until", "context": {"end": until}} if until else {}
        graph.put(read_tuple(object_, relation, user, **condition))  # type: ignore[arg-type]

    def seen(model: RelationModel | None) -> RelationView | None:
        return RelationView(model, graph) if model is not None else None

    return seen


def recorded(live: PolicySet, seen: Seen, *, at: str = "2026-11-22T10:00:00+00:00") -> Recorded:
    """Decide with the policies in force, and read back what the journal would keep."""
    request = question_in(json.dumps(REQUEST).encode(), live.bundle, view=seen(live.relations))
    is_allowed = live.evaluate(request).effect.value == "permit"
    kept: dict[str, Any] = orjson.loads(orjson.dumps(Question(request).record(Recorder())))
    assert question_of(kept).request.principal.id == "usr_a"
    outcome = Outcome(
        Answer.ALLOW if is_allowed else Answer.DENY,
        Reason.POLICY_PERMITS if is_allowed else Reason.POLICY_SILENT,
        policies=("v",) if is_allowed else (),
    )
    return Recorded("dec_1", 1, at, "usr_a", "notes/admin", "read", live.version, outcome, kept, is_reached=True)


def test_the_same_model_is_answered_by_what_was_recorded(tmp_path: Path) -> None:
    live = policies(tmp_path / "live", VIEWERS)
    decision = recorded(live, tuples("user:usr_a viewer resource:notes/admin"))
    report = Rehearsal(live).look_at_all([decision])
    assert (report.compared, report.flips, report.unknown) == (1, 0, 0)


def test_a_relation_that_nobody_looked_up_then_is_unknown_unless_tuples_are_brought(tmp_path: Path) -> None:
    live, draft = policies(tmp_path / "live", VIEWERS), policies(tmp_path / "draft", UNBANNED)
    both = tuples("user:usr_a viewer resource:notes/admin", "user:usr_a banned resource:notes/admin")
    decision = recorded(live, both)
    assert Rehearsal(draft).look_at_all([decision]).unknown == 1
    report = Rehearsal(draft, relations=both).look_at_all([decision])
    assert (report.unknown, report.total.counts[Change.LOSES]) == (0, 1)


def test_another_model_is_never_answered_by_what_the_former_one_said(tmp_path: Path) -> None:
    live, draft = policies(tmp_path / "live", VIEWERS), policies(tmp_path / "draft", VIEWERS, OTHER)
    both = tuples("user:usr_a viewer resource:notes/admin", "user:usr_a banned resource:notes/admin")
    decision = recorded(live, both)
    assert decision.outcome.answer is Answer.ALLOW
    report = Rehearsal(draft).look_at_all([decision])
    assert (report.compared, report.unknown) == (0, 1)
    report = Rehearsal(draft, base=live, relations=both).look_at_all([decision])
    assert (report.unknown, report.total.counts[Change.LOSES]) == (0, 1)


def test_the_tuples_of_today_answer_both_sides_so_that_the_draft_alone_makes_the_difference(tmp_path: Path) -> None:
    live, draft = policies(tmp_path / "live", VIEWERS), policies(tmp_path / "draft", VIEWERS, OTHER)
    decision = recorded(live, tuples("user:usr_a viewer resource:notes/admin"))
    report = Rehearsal(draft, base=live, relations=tuples()).look_at_all([decision])
    assert (report.compared, report.flips) == (1, 0)


def test_a_condition_sees_the_time_of_each_decision(tmp_path: Path) -> None:
    live = policies(tmp_path / "live", VIEWERS)
    seen = tuples("user:usr_a viewer resource:notes/admin", until="2026-11-22T12:00:00Z")
    plain = tuples("user:usr_a viewer resource:notes/admin")
    early = recorded(live, plain)
    late = recorded(live, plain, at="2026-11-22T13:00:00+00:00")
    report = Rehearsal(live, relations=seen).look_at_all([early, late])
    assert (report.compared, report.total.counts[Change.LOSES], report.unknown) == (2, 1, 0)


def test_a_candidate_asks_its_own_model_about_live_requests_and_leaves_theirs_alone(tmp_path: Path) -> None:
    live, draft = policies(tmp_path / "live", VIEWERS), policies(tmp_path / "draft", UNBANNED, OTHER)
    both = tuples("user:usr_a viewer resource:notes/admin", "user:usr_a banned resource:notes/admin")
    request = question_in(json.dumps(REQUEST).encode(), live.bundle, view=both(live.relations))
    assert live.evaluate(request).effect.value == "permit"
    was = Outcome(Answer.ALLOW, Reason.POLICY_PERMITS, policies=("v",))
    decision = Recorded(
        "dec_1", 1, "2026-11-22T10:00:00+00:00", "a", "t", "read", "1", was, Question(request), is_reached=True
    )
    assert Rehearsal(draft).look_at_all([decision]).unknown == 1
    report = Rehearsal(draft, relations=both).look_at_all([decision])
    assert (report.unknown, report.total.counts[Change.LOSES]) == (0, 1)
    assert dict(request.context["rel"].asked) == {"viewer": True}  # type: ignore[union-attr]
