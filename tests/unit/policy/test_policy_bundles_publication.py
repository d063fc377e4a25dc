"""Keys, signing, gates, and what a diff says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from bundle_world import ALICE, BOB, FILES, MALLORY, NOW, OTHER, PERMIT, bundle, manifest_of, trusted

from watchword.keys import MasterKey, Sealer
from watchword.policy import PolicyLoadError, Problem
from watchword.policy.bundles import (
    BundleKeyError,
    BundleMalformedError,
    Change,
    FileKey,
    Form,
    Memory,
    PublicKey,
    Release,
    RightPolicies,
    build,
    checked,
    compare,
    form_of,
    offered_version,
    sign,
    verify,
    write,
)

# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_key_is_read_as_it_was_written_and_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "k"
    ALICE.write(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert FileKey.read(path).public == ALICE.public
    assert list(tmp_path.iterdir()) == [path]


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    ALICE.write(tmp_path / "k")
    with pytest.raises(BundleKeyError, match="already"):
        BOB.write(tmp_path / "k")
    assert FileKey.read(tmp_path / "k").public == ALICE.public


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_key_file_that_others_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    ALICE.write(tmp_path / "k")
    (tmp_path / "k").chmod(mode)
    with pytest.raises(BundleKeyError, match="open to others"):
        FileKey.read(tmp_path / "k")


@pytest.mark.parametrize(
    "text", ["", "hello", "wwbundle1_", "wwbundle1_AAAA", "wwmaster1_" + "A" * 43, "wwbundlesealed1_AAAA", "\xff"]
)
def test_a_file_that_holds_no_key_is_refused_without_repeating_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "k"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(BundleKeyError) as caught:
        FileKey.read(path, sealer=Sealer(MasterKey(bytes(32))))
    assert not text or text not in caught.value.message


def test_a_sealed_key_opens_only_under_its_own_master_key(tmp_path: Path) -> None:
    sealer = Sealer(MasterKey(bytes(range(32))))
    ALICE.write(tmp_path / "k", sealer=sealer)
    assert FileKey.read(tmp_path / "k", sealer=sealer).public == ALICE.public
    for other in (None, Sealer(MasterKey(bytes(32)))):
        with pytest.raises(BundleKeyError):
            FileKey.read(tmp_path / "k", sealer=other)


def test_a_sealed_key_does_not_hold_the_key_in_the_clear(tmp_path: Path) -> None:
    ALICE.write(tmp_path / "plain")
    ALICE.write(tmp_path / "sealed", sealer=Sealer(MasterKey(bytes(32))))
    secret = (tmp_path / "plain").read_text().strip().removeprefix("wwbundle1_")
    assert secret not in (tmp_path / "sealed").read_text()


def test_a_key_shows_nothing_when_printed(tmp_path: Path) -> None:
    ALICE.write(tmp_path / "k")
    secret = (tmp_path / "k").read_text().strip().removeprefix("wwbundle1_")
    assert secret not in repr(ALICE) + str(ALICE)
    assert repr(ALICE).startswith("FileKey(")


@pytest.mark.parametrize(
    "text", ["", "ed25519:", "ed25519:AAAA", "ed25519:" + "A" * 44, "rsa:" + "A" * 43, "ed25519:" + "!" * 43]
)
def test_a_text_that_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(BundleKeyError):
        PublicKey.parse(text)


def test_a_public_key_is_read_as_it_was_written() -> None:
    assert PublicKey.parse(f" {ALICE.public}\n") == ALICE.public


# --- building and signing ---------------------------------------------------------------------------------------------


def test_a_second_person_adds_a_signature_without_changing_what_is_signed() -> None:
    first = bundle(key_ids=[BOB.public.id])
    both = sign(sign(first, BOB), BOB)
    assert both.envelope.payload == first.envelope.payload
    assert len(both.envelope.signatures) == 2
    found = verify(both, trusted=trusted(ALICE, BOB, threshold=2), memory=Memory(), name="policies", now=NOW)
    assert len(found.signers) == 2


def test_a_key_that_the_bundle_does_not_name_is_not_let_sign_in_vain() -> None:
    with pytest.raises(BundleKeyError, match="does not name"):
        sign(bundle(), MALLORY)


def test_a_bundle_without_a_key_is_not_built() -> None:
    with pytest.raises(BundleKeyError):
        build(FILES, Release("policies", 1, NOW, timedelta(days=1)), [])


def test_times_in_a_bundle_are_whole_seconds() -> None:
    manifest = manifest_of(bundle(created=NOW + timedelta(microseconds=700_000)))
    assert manifest.created == NOW


def test_the_form_and_version_of_what_lies_there_are_told(tmp_path: Path) -> None:
    assert form_of(tmp_path / "nothing") is Form.TAR
    assert offered_version(tmp_path / "nothing") == 0
    for form in Form:
        write(bundle(7), tmp_path / form, form)
        assert form_of(tmp_path / form) is form
        assert offered_version(tmp_path / form) == 7


# --- gates ------------------------------------------------------------------------------------------------------------


@dataclass
class Noted:
    """A gate that notes what it was shown."""

    name: str
    finds: Sequence[Problem] = ()
    shown: list[list[str]] = field(default_factory=list)

    def __call__(self, directory: Path) -> Sequence[Problem]:
        self.shown.append(sorted(path.name for path in directory.iterdir()))
        return self.finds


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "mine"
    path.mkdir()
    (path / "10-members.cedar").write_bytes(PERMIT)
    (path / "README.md").write_text("hello")
    return path


def test_every_gate_sees_a_copy_of_exactly_what_is_signed(directory: Path) -> None:
    gate, begun = Noted("one"), list[str]()
    files, left_out, problems = checked(directory, [RightPolicies(), gate], begun=begun.append)
    assert gate.shown == [["10-members.cedar"]]
    assert (files, left_out, problems) == ({"10-members.cedar": PERMIT}, ("README.md",), ())
    assert begun == ["policies and schema", "one"]


def test_a_file_that_changes_while_a_gate_looks_is_not_signed_unseen(directory: Path) -> None:
    class Slow(Noted):
        def __call__(self, copy: Path) -> Sequence[Problem]:
            (directory / "20-late.cedar").write_bytes(OTHER)
            return super().__call__(copy)

    files, _, _ = checked(directory, [Slow("slow")])
    assert sorted(files) == ["10-members.cedar"]


def test_the_first_gate_that_finds_something_stops_a_publication(directory: Path) -> None:
    first, second = Noted("first", [Problem("a", 1, 1, "wrong")]), Noted("second")
    assert checked(directory, [first, second])[2] == tuple(first.finds)
    assert second.shown == []


def test_wrong_policies_and_an_empty_directory_do_not_pass_the_first_gate(directory: Path, tmp_path: Path) -> None:
    (directory / "b.cedar").write_text("permit (principal, actoin, resource);")
    assert checked(directory, [RightPolicies()])[2][0].place == "b.cedar:1:20"
    (tmp_path / "empty").mkdir()
    assert "no policy" in checked(tmp_path / "empty", [RightPolicies()])[2][0].message


def test_a_policy_file_that_is_a_link_is_not_published(directory: Path) -> None:
    (directory / "b.cedar").symlink_to("/etc/passwd")
    with pytest.raises(BundleMalformedError, match="symbolic link"):
        checked(directory, [])


def test_the_gates_copies_are_gone_afterwards(directory: Path) -> None:
    places: list[Path] = []

    class Where(Noted):
        def __call__(self, copy: Path) -> Sequence[Problem]:
            places.append(copy)
            assert copy.parent.stat().st_mode & 0o077 == 0
            return ()

    checked(directory, [Where("where")])
    assert not os.path.exists(places[0])  # noqa: PTH110  # the path itself, whatever it is


# --- differences ------------------------------------------------------------------------------------------------------


def policy(name: str, effect: str = "permit", group: str = "members", note: str = "") -> bytes:
    return f'@id("{name}")\n{effect} (principal in Watchword::Group::"{group}", action, resource);{note}\n'.encode()


def test_changes_of_effect_come_first_then_what_is_gone_new_and_changed() -> None:
    before = {"a.cedar": policy("flips") + policy("goes") + policy("changes") + policy("stays")}
    after = {
        "a.cedar": policy("stays") + policy("comes") + policy("changes", group="others") + policy("flips", "forbid"),
    }
    found = compare(before, after)
    assert [(change.id, change.change) for change in found.policies] == [
        ("flips", Change.EFFECT),
        ("goes", Change.REMOVED),
        ("comes", Change.ADDED),
        ("changes", Change.CHANGED),
    ]
    flips = found.policies[0]
    assert (flips.before, flips.after, flips.place) == ("permit", "forbid", "a.cedar:7")
    assert {line for line in flips.lines if line[:1] in "+-"} == {
        '-permit (principal in Watchword::Group::"members", action, resource);',
        '+forbid (principal in Watchword::Group::"members", action, resource);',
    }


def test_what_may_permit_more_is_marked() -> None:
    found = compare(
        {"a.cedar": policy("p") + policy("f", "forbid") + policy("lost")},
        {"a.cedar": policy("p", group="all") + policy("new")},
    )
    assert {change.id: change.may_permit_more for change in found.policies} == {
        "p": True,
        "f": True,
        "lost": False,
        "new": True,
    }


def test_a_policy_that_from_now_on_only_reports_has_another_effect_and_a_new_one_is_told() -> None:
    def watching(name: str, effect: str) -> bytes:
        return policy(name, effect).replace(b"@id", b'@mode("report_only")\n@id')

    found = compare(
        {"a.cedar": policy("f", "forbid") + watching("p", "permit")},
        {"a.cedar": watching("f", "forbid") + policy("p") + watching("new", "permit")},
    )
    assert [(change.id, change.change, change.may_permit_more) for change in found.policies] == [
        ("f", Change.EFFECT, True),
        ("p", Change.EFFECT, True),
        ("new", Change.ADDED, False),
    ]
    assert (found.policies[0].before, found.policies[0].after) == ("forbid", "forbid, which only reports")


def test_comments_order_and_files_do_not_change_what_policies_mean() -> None:
    before = {"a.cedar": policy("one") + policy("two")}
    assert not compare(before, {"b.cedar": policy("two", note=" // why"), "a.cedar": b"// hello\n" + policy("one")})
    worded = compare(before, {"a.cedar": policy("one").replace(b"(principal", b"( principal") + policy("two")})
    assert [change.change for change in worded.policies] == [Change.REWORDED]


def test_policies_without_a_name_that_only_moved_are_not_told() -> None:
    unnamed = b'permit (principal in Watchword::Group::"a", action, resource);\n'
    other = unnamed.replace(b'"a"', b'"b"')
    new = unnamed.replace(b'"a"', b'"c"')
    found = compare({"a.cedar": unnamed + other}, {"a.cedar": new + unnamed + other})
    assert [(change.id, change.change) for change in found.policies] == [("a.cedar#1", Change.ADDED)]


def test_other_parts_are_told_by_their_names() -> None:
    before = {"a.cedar": policy("one"), "x.cedarschema": b"entity Thing;\n"}
    after = {
        "a.cedar": policy("one"),
        "x.cedarschema": b"entity Thing;\nentity Other;\n",
        "tests/a.yaml": b"",
    }
    found = compare(before, after)
    assert [(change.part, change.path, change.change) for change in found.files] == [
        ("schema", "x.cedarschema", Change.CHANGED),
        ("tests", "tests/a.yaml", Change.ADDED),
    ]
    assert "+entity Other;" in found.files[0].lines


def test_what_cannot_be_read_is_not_compared() -> None:
    with pytest.raises(PolicyLoadError):
        compare({"a.cedar": policy("one")}, {"a.cedar": b"permit ("})


def test_the_same_set_differs_in_nothing() -> None:
    assert not compare(FILES, dict(FILES))
