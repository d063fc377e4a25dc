"""A peer group keeps its name from night to night, so that what is known of it goes on and nobody joins strangers."""

from __future__ import annotations

from watchword.trust.learning.batch import PeerGroups, continued

LEDGER, CODE, DESK = {"erp ledger": 1.0}, {"forge code": 1.0}, {"desk tickets": 0.8, "wiki pages": 0.6}


def groups(**centres: dict[str, float]) -> PeerGroups:
    named = {name.replace("_", "-"): centre for name, centre in centres.items()}
    return PeerGroups({}, named, {f"usr_{name}": name for name in named})


def test_the_first_night_names_as_it_likes() -> None:
    found = groups(peers_01=LEDGER)
    assert continued(found, None) is found


def test_groups_that_were_found_in_another_order_keep_their_names_and_their_members_follow() -> None:
    before = groups(peers_01=LEDGER, peers_02=CODE)
    found = continued(groups(peers_01=CODE, peers_02=LEDGER), before)
    assert found.centres == {"peers-02": CODE, "peers-01": LEDGER}
    assert found.members == {"usr_peers-01": "peers-02", "usr_peers-02": "peers-01"}


def test_a_group_like_none_of_the_night_before_gets_a_name_that_none_had() -> None:
    before = groups(peers_02=LEDGER, peers_07=CODE, peers=DESK, peers_99999999999=DESK)
    found = continued(groups(peers_01={"hr files": 1.0}, peers_02=CODE), before)
    assert found.centres == {"peers-08": {"hr files": 1.0}, "peers-07": CODE}


def test_of_two_that_are_like_one_the_liker_keeps_its_name() -> None:
    before = groups(peers_01={"desk tickets": 1.0})
    found = continued(groups(peers_01={"desk tickets": 0.6, "erp ledger": 0.8}, peers_02=DESK), before)
    assert found.members == {"usr_peers-02": "peers-01", "usr_peers-01": "peers-02"}
