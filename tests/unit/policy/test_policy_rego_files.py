"""Rego on disk: what is wrong is told with its place, what is right is in force without being asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from rego_world import EXAMPLE, HEAD, MEMBERS, request, write

from watchword.policy import (
    Datetime,
    Effect,
    EntityUid,
    PolicyLoadError,
    PolicyRequest,
    PolicySet,
    PolicySource,
    Value,
    decimal,
    duration,
    instant,
    ip,
    set_of,
)
from watchword.policy.rego import document_of, source
from watchword.policy.rego.document import plain


@pytest.fixture
def sets() -> Iterator[list[PolicySet]]:
    made: list[PolicySet] = []
    yield made
    for each in made:
        if each.bundle.rego is not None:
            each.bundle.rego.close()


def problems(directory: Path) -> list[str]:
    with pytest.raises(PolicyLoadError) as caught:
        PolicySet.load(directory)
    return [str(problem) for problem in caught.value.problems]


def test_a_file_that_cannot_be_read_is_told_with_line_and_column(tmp_path: Path) -> None:
    (told,) = problems(write(tmp_path, a=HEAD + "allow if {\n  input.a ==\n}"))
    assert told.startswith("rego/a.rego:6:1: ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "rego/a.rego:"),
        ("allow := true", "rego/a.rego:1:1: expecting `package` Missing package declaration."),
        (HEAD + "allow if { x == y }", "rego/a.rego:4:12: use of undefined variable `x` is unsafe"),
        ('package a["b c"]\nallow := true', "rego/a.rego:1:1: the name of the package is not one of plain words"),
        ("package a\nhelper := 1", "rego/a.rego: no package answers a request; expected a rule `allow` or `deny`"),
        ("package a\nallow(x) := x", "rego/a.rego: no package answers a request; expected a rule `allow` or `deny`"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    assert problems(write(tmp_path, a=text))[0].startswith(told)


def test_every_wrong_file_is_told(tmp_path: Path) -> None:
    told = problems(write(tmp_path, a="package", b=HEAD, c="nonsense {"))
    assert [line.partition(":")[0] for line in told] == ["rego/a.rego", "rego/c.rego"]


def test_what_is_no_text_or_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, a=HEAD)
    (tmp_path / "rego" / "b.rego").write_bytes(b"\xff")
    assert problems(tmp_path) == ["rego/b.rego: not UTF-8"]
    monkeypatch.setattr(source, "_MAX_FILE_BYTES", 10)
    assert problems(tmp_path)[0] == "rego/a.rego: the file is too large; expected 10 bytes"


def test_without_the_optional_part_a_directory_with_rego_is_refused_and_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "site_of_regorus", lambda: None)
    (told,) = problems(write(tmp_path, MEMBERS, a=HEAD))
    assert told.startswith("rego: policies in Rego are evaluated by an optional part that is not installed; ")
    assert told.endswith("expected `pip install 'watchword[rego]'`")


def test_the_version_covers_the_files_of_rego(tmp_path: Path, sets: list[PolicySet]) -> None:
    plain_version = PolicySet.load(write(tmp_path, MEMBERS)).version
    sets.append(PolicySet.load(write(tmp_path, MEMBERS, a=HEAD)))
    sets.append(PolicySet.load(write(tmp_path, MEMBERS, a=HEAD + "allow if input.a")))
    assert len({plain_version, *(each.version for each in sets)}) == 3
    assert [len(each) for each in sets] == [2, 2]


def test_files_in_folders_count_and_data_files_are_refused(tmp_path: Path, sets: list[PolicySet]) -> None:
    folder = write(tmp_path, a=HEAD + "allow if true") / "rego" / "deeper" / "still"
    folder.mkdir(parents=True)
    (folder / "no.rego").write_text("package no\nimport rego.v1\ndeny := true")
    sets.append(PolicySet.load(tmp_path))
    assert sets[0].evaluate(request("members")).effect is Effect.FORBID
    (folder / "no.rego").write_text("package")
    assert problems(tmp_path)[0].startswith("rego/deeper/still/no.rego:1:")
    (folder / "no.rego").unlink()
    (folder / "data.json").write_text("{}")
    assert problems(tmp_path) == [
        "rego/deeper/still/data.json: data files are not read; expected the values in a file of Rego"
    ]


def test_tests_for_opa_and_hidden_files_are_left_out(tmp_path: Path, sets: list[PolicySet]) -> None:
    sets.append(PolicySet.load(write(tmp_path, a=HEAD, a_test="package x.authz_test\ntest_a { true }")))
    (tmp_path / "rego" / ".hidden.rego").write_text("nonsense")
    sets.append(PolicySet.load(tmp_path))
    assert sets[0].version == sets[1].version


def test_a_changed_file_is_in_force_and_a_wrong_one_changes_nothing(tmp_path: Path) -> None:
    async def until(holds: object) -> None:
        async with asyncio.timeout(20):
            while not holds():  # type: ignore[operator]  # noqa: ASYNC110  # the watcher has no event to wait for
                await asyncio.sleep(0.002)

    async def scenario() -> None:
        source_ = PolicySource(write(tmp_path, MEMBERS, a=HEAD + "allow if true"), poll_s=0.005)
        await source_.start()
        assert source_.current.evaluate(request("members")).effect is Effect.PERMIT
        write(tmp_path, a=HEAD + "allow if input.nothing")
        await until(lambda: source_.current.evaluate(request("members")).effect is Effect.FORBID)
        version = source_.current.version
        write(tmp_path, a="package")
        await until(lambda: source_.problem)
        assert source_.current.version == version
        assert source_.current.evaluate(request("members")).effect is Effect.FORBID
        (tmp_path / "rego" / "a.rego").unlink()
        await until(lambda: source_.current.bundle.rego is None)
        await source_.stop()

    asyncio.run(scenario())


def test_an_explanation_names_each_package_and_what_each_rule_came_to(tmp_path: Path, sets: list[PolicySet]) -> None:
    body = 'late if input.time.hour > 20\nallow if { "members" in input.user.roles; not late }'
    sets.append(PolicySet.load(write(tmp_path, MEMBERS, a=HEAD + body)))
    found = sets[0].explain(request("members"))
    assert found.answer.effect is Effect.PERMIT
    trace = found.candidates[-1]
    assert (trace.id, trace.effect, trace.path, trace.line) == ("rego:x.authz", "permit", "rego/a.rego", 3)
    assert {clause.text.partition(" ")[0]: clause.value for clause in trace.clauses} == {
        "allow": "true",
        "late": "undefined",
    }
    failing = sets[0].explain(request("guests")).candidates[-1]
    assert failing.first_failed is not None
    assert failing.first_failed.text.startswith("allow (rego/a.rego:3)")


def test_an_explanation_of_the_example_says_what_failed(tmp_path: Path, sets: list[PolicySet]) -> None:
    sets.append(PolicySet.load(write(tmp_path, policy=EXAMPLE)))
    found = sets[0].explain(request("finance_admin"))
    values = {clause.text.partition(" ")[0]: clause.value for clause in found.candidates[-1].clauses}
    assert values["verify_time_window"].startswith("failed")
    assert values["verify_location"] == "undefined"


# ---- the input document ----------------------------------------------------------------------------------------------


def test_the_input_has_the_facts_that_cedar_sees_under_the_names_that_policies_for_opa_use() -> None:
    found = document_of(request("members", "ops", path="/a/b"))
    found.pop("rel", None)  # on a node it is asked, not listed, and is no part of the document
    assert found == {
        "http": {"method": "GET", "host": "notes.localhost", "path": "/a/b"},
        "risk": {"score": 7, "level": 0},
        "trust": {"score": 60},
        "mfa": {"is_verified": True, "age_min": 3},
        "session": {"age_min": 4, "acr": 2, "amr": ["otp", "pwd"]},
        "device": {"is_known": True, "age_days": 30, "posture": "unknown"},
        "network": {"ip": "192.0.2.7", "country": "CH", "is_allowed": False, "is_suspicious": False},
        "time": {"hour": 10, "minute": 0, "weekday": 3, "is_working_hours": True},
        "user": {
            "id": "usr_1",
            "name": "kim",
            "is_administrator": False,
            "is_privileged": False,
            "roles": ["members", "ops"],
            "groups": ["members", "ops"],
        },
        "action": "read",
        "resource": "notes/pages",
        "resource_attributes": {"sensitivity": "internal"},
        "application": "notes",
        "request": {
            "method": "GET",
            "host": "notes.localhost",
            "path": "/a/b",
            "ip": "192.0.2.7",
            "geo_location": {"country": "CH", "risk_score": 7},
        },
        "cedar": {
            "principal": {"type": "Watchword::User", "id": "usr_1"},
            "action": {"type": "Watchword::Action", "id": "read"},
            "resource": {"type": "Watchword::Resource", "id": "notes/pages"},
        },
    }


def test_what_is_not_known_is_left_out() -> None:
    asked = request()
    bare = PolicyRequest(asked.principal, asked.action, asked.resource, {}, {})
    found = document_of(bare)
    assert found["request"] == {"geo_location": {}}
    assert found["user"] == {"id": "usr_1", "roles": [], "groups": []}
    assert not {"risk", "network", "device"} & found.keys()


def test_a_context_cannot_pass_for_the_user() -> None:
    """An attribute of one's own schema that is called `user` does not stand in the place of who asks."""
    asked = request("members")
    context = {**asked.context, "user": {"roles": set_of(["admin"])}, "resource": "other", "cedar": {}}
    found = document_of(PolicyRequest(asked.principal, asked.action, asked.resource, context, asked.entities))
    assert found["user"]["roles"] == ["members"]
    assert found["resource"] == "notes/pages"
    assert found["cedar"]["principal"]["id"] == "usr_1"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, True),
        (-5, -5),
        ("ü", "ü"),
        (set_of([True, 2, "b", "a"]), ["a", "b", 2, True]),
        (set_of([{"k": set_of([1])}]), [{"k": [1]}]),
        (EntityUid("A", "b"), {"type": "A", "id": "b"}),
        (ip("10.0.0.0/8"), "10.0.0.0/8"),
        (ip("::1"), "::1"),
        (decimal("1.50"), "1.5000"),
        (instant("2026-11-22T10:00:00Z"), "2026-11-22T10:00:00.000Z"),
        (Datetime(2**62), f"{2**62}ms"),
        (duration("1h1ms"), 3_600_001),
    ],
)
def test_every_kind_of_value_has_one_form_in_json(value: Value, said: object) -> None:
    assert plain(value) == said


def test_entities_that_are_each_others_parents_do_not_keep_the_document_busy() -> None:
    asked = request("members")
    loop = EntityUid("Watchword::Group", "members")
    entities = dict(asked.entities)
    entities[loop] = type(entities[loop])(loop, {}, (asked.principal, loop))
    found = document_of(PolicyRequest(asked.principal, asked.action, asked.resource, asked.context, entities))
    assert found["user"]["roles"] == ["members"]
