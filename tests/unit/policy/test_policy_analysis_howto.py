"""What the pages on analysis and filters show is what the programs do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, insert

from watchword.policy import DEFAULT_DIRECTORY, Entity, EntityUid, PolicySet
from watchword.policy.analysis import FindingKind, Verdict, analyse, read_invariants

_PAGES = Path(__file__).parents[3] / "docs" / "how-to"


def block(page: str, language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", (_PAGES / page).read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def test_the_promises_that_are_delivered_are_kept() -> None:
    pytest.importorskip("z3", reason="the solver is an optional extra")
    directory = DEFAULT_DIRECTORY / "policies"
    bundle = PolicySet.load(directory).bundle
    report = analyse(bundle, read_invariants(directory, bundle))
    assert len(report.invariants) == 2
    assert set(report.invariants.values()) == {Verdict.HOLDS}
    assert report.is_clean


def test_the_promises_of_the_page_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "invariants.yaml").write_text(block("analyse-policies.md", "yaml"))
    found = read_invariants(tmp_path, PolicySet.load(tmp_path).bundle)
    assert [(one.id, one.is_never) for one in found] == [
        ("payroll-wants-a-second-factor", True),
        ("the-office-can-read-the-wiki", False),
    ]


def test_the_page_lists_every_kind_of_finding() -> None:
    page = (_PAGES / "analyse-policies.md").read_text(encoding="utf-8")
    assert [kind.value for kind in FindingKind if f"| `{kind.value}` |" not in page] == []


def test_the_filter_of_the_page_selects_what_its_policies_permit(tmp_path: Path) -> None:
    (tmp_path / "docs.cedarschema").write_text(block("filter-queries.md", "cedarschema"))
    (tmp_path / "docs.cedar").write_text(block("filter-queries.md", "cedar"))
    policies = PolicySet.load(tmp_path)
    names: dict[str, Any] = {}
    exec(block("filter-queries.md", "python"), names)  # noqa: S102  # the page's own example
    engine = create_engine("sqlite://")
    documents, labels = names["documents"], names["labels"]
    user = Entity(EntityUid("Docs::User", "ada"), {"clearance": 1})
    rows = [
        {"id": "own", "owner": "ada", "is_draft": True, "folder": None},
        {"id": "secret", "owner": "ada", "is_draft": False, "folder": None},
        {"id": "handbook", "owner": "bob", "is_draft": False, "folder": "handbook"},
        {"id": "draft", "owner": "bob", "is_draft": True, "folder": "handbook"},
        {"id": "other", "owner": "bob", "is_draft": False, "folder": "plans"},
    ]
    with engine.connect() as connection:
        names["metadata"].create_all(connection)
        connection.execute(insert(documents), rows)
        connection.execute(insert(labels), {"document": "secret", "label": "secret"})
        away = connection.execute(names["readable"](policies, user, {"at_work": False})).scalars().all()
        there = connection.execute(names["readable"](policies, user, {"at_work": True})).scalars().all()
    engine.dispose()
    assert sorted(away) == ["handbook", "own"]
    assert sorted(there) == ["handbook", "own", "secret"]
