"""A score of what was taken out is the score of the whole, to the bit, and can be had again from the numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from behaviour_cases import AT_WORK, CURL, DAY_S, POTSDAM, RENTED, START, SYDNEY, THIEF, crowd, taught
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.trust import Place
from watchword.trust.behaviour import Excerpt, ExcerptError, Model, excerpt, paths_of, restored, score
from watchword.trust.observation import UNKNOWN_AGENT, Agent, NetworkTraits

NOW = START + 21 * DAY_S
EVERYBODY = crowd(30)
HISTORIES = [taught(events, crowd(3)) for events in (0, 1, 6, 20)]
MODEL = Model()

_CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "at": st.floats(NOW - 40 * DAY_S, NOW + 40 * DAY_S),
        "ip": st.sampled_from(("", "84.1.2.3", "85.0.4.9", "2001:db8::1")),
        "network": st.sampled_from(("", "84.1.2.0/24", "85.0.4.0/24", "2001:db8::/48")),
        "place": st.sampled_from((AT_WORK.place, POTSDAM, SYDNEY, Place(), replace(AT_WORK.place, asn=3004))),
        "traits": st.sampled_from((NetworkTraits(), RENTED, NetworkTraits(is_mobile=True), NetworkTraits(is_tor=True))),
        "agent": st.sampled_from((AT_WORK.agent, CURL, UNKNOWN_AGENT, Agent("x" * 9000, "Firefox 9", "", ""))),
        "device": st.sampled_from(("", "dev_anna", "dev_1", "dev_new", "d" * 2000)),
        "application": st.sampled_from(("", "wiki", "vault")),
        "resource": st.sampled_from(("", "/pages", "/admin")),
        "action": st.sampled_from(("", "read", "delete")),
        "user": st.sampled_from(("usr_anna", "usr_1", "")),
    },
)


@settings(max_examples=250, deadline=None)
@given(_CHANGES, st.sampled_from(HISTORIES))
def test_what_a_record_keeps_scores_as_the_whole_to_the_bit(changes: Any, profile: Any) -> None:
    seen = replace(AT_WORK, **{"at": NOW, **changes})
    paths = paths_of(seen)
    whole = score(seen, profile, EVERYBODY, MODEL, now=seen.at)
    kept = Excerpt(*json.loads(json.dumps(excerpt(paths, seen.user, profile, EVERYBODY))))
    part = score(seen, *restored(paths, kept), MODEL, now=seen.at, paths=paths)
    assert part == whole
    assert not [term for term in whole.contributions if term.indicator == "unreadable"]


def test_taking_out_changes_nothing_and_takes_no_more_than_a_score_reads() -> None:
    before = repr((HISTORIES[-1], EVERYBODY))
    taken = excerpt(paths_of(THIEF), THIEF.user, HISTORIES[-1], EVERYBODY)
    assert repr((HISTORIES[-1], EVERYBODY)) == before
    assert len(taken.read) < 160


@pytest.mark.parametrize("changes", [{"resource": ""}, {"network": "84.1.3.0/24"}, {"device": "dev_1"}, {"ip": "::1"}])
def test_the_numbers_of_another_observation_are_refused(changes: Any) -> None:
    taken = excerpt(paths_of(AT_WORK), AT_WORK.user, HISTORIES[-1], EVERYBODY)
    with pytest.raises(ExcerptError):
        restored(paths_of(replace(AT_WORK, **changes)), taken)
