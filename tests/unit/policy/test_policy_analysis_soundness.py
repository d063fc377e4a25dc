"""The analysis against the engine, on generated schemas, policies and requests: it claims nothing that is not so."""

from __future__ import annotations

import pytest
from policy_cases import Seeded

pytest.importorskip("z3", reason="the solver is an optional extra")

from analysis_cases import case, check_claims, hold_against  # needs the solver

from watchword.policy.analysis import FindingKind, Limits, Verdict

QUICK = Limits(query_s=0.3, total_s=3.0)


def test_what_the_engine_says_of_a_request_is_possible_for_the_solver_and_the_contrary_is_not() -> None:
    seeds = (*range(8), 28)  # the last one found an entity above that nobody had described
    pictures = [hold_against(found) for seed in seeds if (found := case(Seeded(seed), policies=4, requests=3))]
    assert sum(picture.compared for picture in pictures) > 8
    assert sum(picture.exact for picture in pictures) > 6


def test_no_request_contradicts_a_claim() -> None:
    claims = [
        claim
        for seed in range(6)
        if (found := case(Seeded(seed), policies=5, requests=6))
        for claim in check_claims(found, QUICK)
    ]
    assert {FindingKind.NEVER_MATCHES, FindingKind.CONSTANT, Verdict.HOLDS} <= set(claims)
