from __future__ import annotations

from pathlib import Path

import pytest

from watchword.policy import DEFAULT_SCHEMA, Effect, Entity, EntityUid, PolicyLoadError, PolicyRequest, PolicySet
from watchword.policy.load import load_bundle

SCHEMA = """
entity User in [Group]; entity Group; entity File;
action read appliesTo { principal: User, resource: File, context: { fresh: Bool } };
"""
ALICE, FILE = EntityUid("User", "alice"), EntityUid("File", "x")
PERMIT = '@id("all") permit (principal, action, resource);'


def loaded(directory: Path, text: str) -> PolicySet:
    (directory / "own.cedarschema").write_text(SCHEMA)
    (directory / "test.cedar").write_text(text)
    return PolicySet.load(directory, schema=None)


def asked(*, fresh: bool = False) -> PolicyRequest:
    return PolicyRequest(ALICE, EntityUid("Action", "read"), FILE, {"fresh": fresh}, {ALICE: Entity(ALICE)})


def test_a_forbid_that_only_reports_never_decides_and_says_what_it_would_have_done(tmp_path: Path) -> None:
    policies = loaded(
        tmp_path,
        PERMIT + '@id("fresh") @mode("report_only") forbid (principal, action, resource) unless { context.fresh };',
    )
    assert policies.evaluate(asked()).effect is Effect.PERMIT
    assert [policy.id for policy in policies.bundle.reported] == ["fresh"]
    tried = policies.rehearsed()
    assert tried is not None
    assert tried.evaluate(asked()).effect is Effect.FORBID
    assert tried.evaluate(asked(fresh=True)).effect is Effect.PERMIT


def test_a_permit_that_only_reports_opens_nothing(tmp_path: Path) -> None:
    policies = loaded(tmp_path, PERMIT.replace("permit", '@mode("report_only") permit'))
    assert len(policies) == 0
    answer = policies.evaluate(asked())
    assert (answer.effect, answer.code) == (Effect.ERROR, "policy_missing")


def test_a_link_of_a_template_that_only_reports_does_so_too(tmp_path: Path) -> None:
    (tmp_path / "links.json").write_text(
        '[{"template": "t", "id": "linked", "values": {"?principal": {"type": "User", "id": "alice"}}}]'
    )
    policies = loaded(
        tmp_path, PERMIT + '@id("t") @mode("report_only") forbid (principal == ?principal, action, resource);'
    )
    assert policies.evaluate(asked()).effect is Effect.PERMIT
    assert [policy.id for policy in policies.bundle.reported] == ["linked"]


def test_switching_a_policy_to_deciding_is_another_version(tmp_path: Path) -> None:
    forbid = '@id("f") {} forbid (principal, action, resource);'
    watching = loaded(tmp_path, PERMIT + forbid.format('@mode("report_only")'))
    deciding = loaded(tmp_path, PERMIT + forbid.format('@mode("enforce")'))
    assert watching.version != deciding.version
    assert deciding.rehearsed() is None
    assert deciding.evaluate(asked()).effect is Effect.FORBID


@pytest.mark.parametrize("mode", ["report-only", "Report_Only", "", "off"])
def test_a_mode_that_is_none_is_refused_with_its_place(tmp_path: Path, mode: str) -> None:
    with pytest.raises(PolicyLoadError) as refused:
        loaded(tmp_path, PERMIT + f'\n@mode("{mode}") @id("f")\nforbid (principal, action, resource);')
    (problem,) = refused.value.problems
    assert (problem.path, problem.line, problem.policy) == ("test.cedar", 2, "f")
    assert problem.expected == "enforce or report_only"


def test_a_policy_that_only_reports_is_checked_like_any_other(tmp_path: Path) -> None:
    with pytest.raises(PolicyLoadError, match="freshness"):
        loaded(tmp_path, '@mode("report_only") forbid (principal, action, resource) when { context.freshness };')


def test_the_shipped_policies_all_decide() -> None:
    bundle = load_bundle(DEFAULT_SCHEMA.parent / "policies")
    assert bundle.policies
    assert not bundle.reported
