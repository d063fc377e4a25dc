"""A node that follows bundles: what it takes, what it refuses, what it remembers, and that nobody waits meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from bundle_world import ALICE, BOB, FILES, MALLORY, NOW, OTHER, Node, bundle, follows, manifest_of, trusted

from watchword.policy import Effect, EntityUid, PolicyRequest
from watchword.policy.bundles import (
    BundleError,
    BundleKeptError,
    BundleRollbackError,
    BundleUnreachableError,
    Form,
    Kept,
    Memory,
    VerifiedBundle,
    verify,
    write,
)

MORE = {**FILES, "20-others.cedar": OTHER}
WRONG = {"10-members.cedar": b"permit (principal, actoin, resource);\n"}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


# --- what is taken ----------------------------------------------------------------------------------------------------


async def test_a_node_without_a_bundle_denies_and_says_why(tmp_path: Path) -> None:
    node = Node(tmp_path, follows(tmp_path / "policies.tar"))
    await node.source.reload()
    assert len(node.source.current) == 0
    assert not node.source.is_well
    assert "there is no bundle" in (node.source.problem or "")


@pytest.mark.parametrize("form", list(Form))
async def test_a_signed_bundle_is_put_in_force_in_every_form(tmp_path: Path, form: Form) -> None:
    place = tmp_path / "offered"
    write(bundle(), place, form)
    node = Node(tmp_path, follows(place))
    assert await node.source.reload() is True, node.source.problem
    assert [policy.id for policy in node.source.current.bundle.policies] == ["members"]
    assert node.source.problem is None
    assert node.alarm.types == ["policy.bundle.accepted"]
    write(bundle(2, MORE), place, form)
    assert await node.source.reload() is True, node.source.problem
    assert node.version == 2
    assert node.alarm.heard[-1].data["former_version"] == 1


async def test_a_bundle_that_is_offered_again_changes_nothing_and_is_told_once(node: Node) -> None:
    assert await node.offer(bundle())
    before = node.source.current
    assert not await node.offer(bundle())
    assert node.source.current.version == before.version
    assert node.alarm.types == ["policy.bundle.accepted"]


async def test_a_change_is_followed_without_being_asked(tmp_path: Path) -> None:
    place = tmp_path / "policies.tar"
    write(bundle(1), place, Form.TAR)
    node = Node(tmp_path, follows(place))
    source = node.make(poll_s=0.001)
    await source.start()
    write(bundle(2, MORE), place, Form.TAR)
    async with asyncio.timeout(20):
        while len(source.current) < 2:  # noqa: ASYNC110  # the watcher has no event to wait for; a limit ends it
            await asyncio.sleep(0)
    await source.stop()


async def test_no_request_is_lost_while_bundles_change(node: Node) -> None:
    await node.offer(bundle(1))
    user = EntityUid("Watchword::User", "u")
    asked, answered, stop = 0, set(), False
    request = PolicyRequest(user, EntityUid("Watchword::Action", "access"), EntityUid("Watchword::Route", "r"), {}, {})

    async def ask() -> None:
        nonlocal asked
        while not stop:
            answer = node.source.current.evaluate(request)
            assert answer.version in known
            answered.add(answer.version)
            asked += 1
            await asyncio.sleep(0)

    known = {node.source.current.version}
    asking = asyncio.create_task(ask())
    for version in range(2, 7):
        files = MORE if version % 2 == 0 else FILES
        parcel = bundle(version, files)
        # The two contents alternate; their versions are known before they are in force.
        if version == 2:
            other = Node(node.root / "other")
            await other.offer(parcel)
            known.add(other.source.current.version)
        assert await node.offer(parcel)
    stop = True
    await asking
    assert asked > 10
    assert len(answered) == 2


async def test_reading_and_compiling_do_not_run_in_the_event_loops_thread(tmp_path: Path) -> None:
    threads: list[int] = []

    class Noted(type(follows(tmp_path))):  # type: ignore[misc]
        def fetch(self) -> None:
            threads.append(threading.get_ident())

    node = Node(tmp_path, Noted(tmp_path))
    await node.source.reload()
    assert threads != [threading.get_ident()]
    assert len(threads) == 1


async def test_a_source_that_hangs_does_not_hold_up_a_start_with_a_kept_bundle(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.offer(bundle())
    monkeypatch.setattr("watchword.policy.bundles.source._NEWER_LOOK_S", 0.05)
    hung = threading.Event()
    node.shelf.fetch = lambda: hung.wait(60) and None  # type: ignore[method-assign]  # a carrier that never comes back
    source = await node.restart()
    assert len(source.current) == 1
    hung.set()


def test_a_source_that_hangs_does_not_keep_a_node_from_stopping(tmp_path: Path) -> None:
    hung, begun = threading.Event(), threading.Event()

    class Hanging:
        def fetch(self) -> None:
            begun.set()
            hung.wait(60)

    async def scenario() -> None:
        source = Node(tmp_path, Hanging()).source
        looking = asyncio.create_task(source.reload())
        await asyncio.to_thread(begun.wait, 20)
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        await source.stop()

    asyncio.run(scenario())  # waits for every thread of the loop's own
    assert not hung.is_set()
    hung.set()


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offer", "code"),
    [
        (lambda: bundle(2, MORE, keys=[MALLORY]), "policy.bundle_signature"),
        (lambda: bundle(1, MORE), "policy.bundle_rollback"),
        (lambda: bundle(2, MORE, created=NOW - timedelta(days=40)), "policy.bundle_expired"),
        (lambda: bundle(2, MORE, name="staging"), "policy.bundle_malformed"),
        (lambda: bundle(2, WRONG), "policy.invalid"),
    ],
    ids=["wrong signature", "older version", "expired date", "another installation", "wrong policies"],
)
async def test_a_bad_bundle_is_refused_alerted_and_leaves_what_was_in_force(
    node: Node, offer: object, code: str
) -> None:
    assert callable(offer)
    await node.offer(bundle(1))
    good = node.source.current
    assert await node.offer(offer()) is False
    assert node.source.current is good
    assert node.source.is_well
    assert node.source.problem
    assert node.alarm.reasons() == [code]
    assert node.alarm.heard[-1].data["version"] in {1, 2}
    await node.offer(offer())
    assert node.alarm.reasons() == [code], "told once"
    assert await node.offer(bundle(3, MORE))
    assert node.source.problem is None
    await node.offer(bundle(2, keys=[MALLORY]))
    assert len(node.alarm.reasons()) == 2, "told again after a good one"


async def test_a_bad_policy_in_a_signed_bundle_is_told_with_its_place(node: Node) -> None:
    await node.offer(bundle(1, WRONG))
    assert (node.source.problem or "").startswith("10-members.cedar:1:20")


async def test_a_wrong_signature_on_the_very_first_bundle_denies(node: Node) -> None:
    await node.offer(bundle(keys=[MALLORY]))
    assert len(node.source.current) == 0
    assert node.kept.memory().version == 0


async def test_a_refused_bundle_leaves_no_trace_on_disk(node: Node) -> None:
    await node.offer(bundle(1))
    before = sorted(path for path in node.root.rglob("*"))
    await node.offer(bundle(2, WRONG))
    await node.offer(bundle(3, keys=[MALLORY]))
    assert sorted(path for path in node.root.rglob("*")) == before


async def test_a_source_that_offers_ever_new_nonsense_does_not_fill_the_memory(node: Node) -> None:
    node.alarm.is_deaf = True
    for version in range(150):
        await node.offer(bundle(version + 1, keys=[MALLORY]))
    node.alarm.is_deaf = False
    await node.source.reload()
    assert len(node.alarm.heard) == 100


async def test_an_alert_that_could_not_be_told_is_told_later(node: Node) -> None:
    node.alarm.is_deaf = True
    await node.offer(bundle(keys=[MALLORY]))
    assert node.alarm.heard == []
    node.alarm.is_deaf = False
    await node.source.reload()
    assert node.alarm.types == ["policy.bundle.refused"]


async def test_a_source_that_does_not_answer_is_a_problem_and_after_three_times_an_alert(node: Node) -> None:
    await node.offer(bundle())
    node.shelf.error = BundleUnreachableError("the bundle server answers 503")
    for turn in range(5):
        await node.source.reload()
        assert node.source.is_well
        assert "503" in (node.source.problem or "")
        assert ("policy.bundle.unreachable" in node.alarm.types) == (turn >= 2)
    node.shelf.error = None
    await node.source.reload()
    assert node.source.problem is None
    assert node.alarm.types.count("policy.bundle.unreachable") == 1


async def test_a_carrier_that_fails_in_a_way_nobody_foresaw_leaves_what_was_in_force(node: Node) -> None:
    await node.offer(bundle())
    node.shelf.error = MemoryError()
    assert await node.source.reload() is False
    assert len(node.source.current) == 1
    assert "MemoryError" in (node.source.problem or "")


async def test_a_bundle_of_a_publisher_with_a_fast_clock_is_taken_when_its_time_has_come(node: Node) -> None:
    await node.offer(bundle(created=NOW + timedelta(minutes=10)))
    assert len(node.source.current) == 0
    node.clock.advance(timedelta(seconds=600))
    assert await node.source.reload() is True
    assert node.source.problem is None


# --- the end ----------------------------------------------------------------------------------------------------------


async def test_a_bundle_whose_time_is_over_denies_although_nothing_new_came_freeze(node: Node) -> None:
    await node.offer(bundle(days=30))
    node.clock.advance(timedelta(days=30))
    assert await node.source.reload() is True
    assert len(node.source.current) == 0
    assert "expired" in (node.source.problem or "")
    assert node.alarm.types == ["policy.bundle.accepted", "policy.bundle.expired"]
    assert node.alarm.heard[-1].data["denies"] is True
    assert await node.offer(bundle(2, created=node.clock.now()))
    assert len(node.source.current) == 1


async def test_a_clock_that_is_set_back_does_not_revive_an_expired_bundle_not_even_after_a_restart(node: Node) -> None:
    await node.offer(bundle(days=30))
    node.clock.advance(timedelta(days=31))
    await node.source.reload()
    node.clock.step(NOW - node.clock.now())
    await node.source.reload()
    assert len(node.source.current) == 0
    assert len((await node.restart()).current) == 0
    await node.offer(bundle(days=30))
    assert len(node.source.current) == 0


async def test_a_clock_that_is_far_behind_for_a_moment_denies_for_that_moment_only(node: Node) -> None:
    await node.offer(bundle(days=30))
    node.clock.step(timedelta(days=-400))
    await node.source.reload()
    assert len(node.source.current) == 0
    assert "from the future" in (node.source.problem or "")
    assert node.alarm.types == ["policy.bundle.accepted", "policy.bundle.refused"]
    node.clock.step(timedelta(days=400))
    await node.source.reload()
    assert len(node.source.current) == 1
    assert node.source.problem is None
    assert len((await node.restart()).current) == 1


async def test_an_expired_bundle_stays_in_force_where_the_operator_chose_so(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.make(denies_when_expired=False)
    await node.offer(bundle(days=30))
    node.clock.advance(timedelta(days=31))
    await node.source.reload()
    assert len(node.source.current) == 1
    assert "expired" in (node.source.problem or "")
    assert node.alarm.heard[-1].data["denies"] is False
    again = await node.restart(denies_when_expired=False)
    assert len(again.current) == 1
    assert "expired" in (again.problem or "")


async def test_the_end_is_told_before_it_comes(node: Node) -> None:
    await node.offer(bundle(days=40))
    node.clock.advance(timedelta(days=29))
    await node.source.reload()
    assert "policy.bundle.expiring" not in node.alarm.types
    node.clock.advance(timedelta(days=2))
    await node.source.reload()
    await node.source.reload()
    assert node.alarm.types.count("policy.bundle.expiring") == 1
    assert node.source.problem is None


# --- what is remembered -----------------------------------------------------------------------------------------------


async def test_the_last_good_bundle_is_in_force_after_a_restart_without_its_source(node: Node) -> None:
    await node.offer(bundle(3))
    node.shelf.error = BundleUnreachableError("gone")
    source = await node.restart()
    assert len(source.current) == 1
    assert node.version == 3
    assert source.directory is not None
    assert (source.directory / "10-members.cedar").read_bytes() == FILES["10-members.cedar"]


async def test_an_older_version_is_refused_after_a_restart_too_rollback(node: Node) -> None:
    await node.offer(bundle(8))
    await node.restart()
    assert await node.offer(bundle(7, MORE)) is False
    assert node.version == 8
    assert node.alarm.reasons() == ["policy.bundle_rollback"]


async def test_an_older_version_is_refused_although_the_kept_files_are_gone(node: Node) -> None:
    await node.offer(bundle(8))
    for path in sorted((node.root / "bundles").rglob("versions/**/*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    source = await node.restart()
    assert len(source.current) == 0
    await node.offer(bundle(7))
    assert len(source.current) == 0
    assert await node.offer(bundle(8)), "the very same one is welcome again"


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 90_000, b'{"version":"x","digest":"","is_expired":false}'])
async def test_a_memory_that_cannot_be_read_lets_nothing_in(node: Node, content: bytes) -> None:
    await node.offer(bundle(8))
    (node.root / "bundles" / "policies" / "state.json").write_bytes(content)
    source = await node.restart()
    assert len(source.current) == 0
    await node.offer(bundle(7))
    assert len(source.current) == 0
    assert "nobody knows which version" in (source.problem or "")


async def test_kept_files_that_were_altered_are_refused_at_the_start(node: Node) -> None:
    await node.offer(bundle())
    directory = node.source.directory
    assert directory is not None
    (directory / "10-members.cedar").write_bytes(b"permit (principal, action, resource);")
    node.shelf.error = BundleUnreachableError("gone")
    source = await node.restart()
    assert len(source.current) == 0
    assert "not the file that was signed" in (source.problem or "")


async def test_a_policy_file_slipped_into_the_kept_folder_is_refused_at_the_start(node: Node) -> None:
    await node.offer(bundle())
    assert node.source.directory is not None
    (node.source.directory / "99-mallory.cedar").write_bytes(b"permit (principal, action, resource);")
    node.shelf.error = BundleUnreachableError("gone")
    assert len((await node.restart()).current) == 0


async def test_kept_files_that_were_damaged_are_mended_by_the_source(node: Node) -> None:
    await node.offer(bundle())
    assert node.source.directory is not None
    (node.source.directory / "10-members.cedar").write_bytes(b"")
    await node.restart()
    await node.offer(bundle())
    assert len(node.source.current) == 1
    assert (node.source.directory / "10-members.cedar").read_bytes() == FILES["10-members.cedar"]


async def test_a_key_that_is_withdrawn_takes_its_bundle_with_it_at_the_next_start(node: Node) -> None:
    await node.offer(bundle())
    node.keys = trusted(BOB)
    node.shelf.error = BundleUnreachableError("gone")
    assert len((await node.restart()).current) == 0
    assert await node.offer(bundle(2, keys=[BOB]))


@pytest.mark.parametrize("step", ["fsync", "rename", "replace"])
async def test_a_disk_that_fails_at_any_step_leaves_the_former_bundle_in_force_atomic(
    node: Node, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.offer(bundle(1))

    def fail(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    target = os if step == "fsync" else Path
    monkeypatch.setattr(target, step, fail)
    assert await node.offer(bundle(2, MORE)) is False
    monkeypatch.undo()
    assert node.version == 1
    assert "No space left" in (node.source.problem or "")
    node.shelf.error = BundleUnreachableError("gone")
    source = await node.restart()
    assert (len(source.current), node.version) == (1, 1)
    assert await node.offer(bundle(2, MORE))


async def test_a_disk_that_is_full_for_a_while_is_tried_again(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    await node.offer(bundle(1))
    monkeypatch.undo()
    node.clock.advance(timedelta(seconds=6))
    assert await node.source.reload() is True


async def test_two_processes_cannot_take_each_others_place_backwards(tmp_path: Path) -> None:
    one, two = Node(tmp_path), Node(tmp_path)
    await one.offer(bundle(1))
    await two.offer(bundle(5))
    assert await one.offer(bundle(4)) is False
    assert one.alarm.reasons() == ["policy.bundle_rollback"]


def test_a_second_process_decides_only_after_the_first_has_remembered(tmp_path: Path) -> None:
    """Without the lock the second would find nothing remembered yet, and take the older bundle."""
    decided, refused = threading.Event(), list[BundleError]()

    def admit(version: int, check: Callable[[Path], None], seen: threading.Event) -> None:
        def decide(memory: Memory) -> VerifiedBundle:
            seen.set()
            return verify(bundle(version), trusted=trusted(), memory=memory, name="policies", now=NOW)

        Kept(tmp_path, "policies").admit(decide, check)

    def late() -> None:
        try:
            admit(7, lambda _folder: None, decided)
        except BundleError as error:
            refused.append(error)

    other = threading.Thread(target=late)

    def check(_folder: Path) -> None:
        other.start()
        assert not decided.wait(0.1)

    admit(8, check, threading.Event())
    other.join(20)
    assert [type(error) for error in refused] == [BundleRollbackError]


async def test_so_many_older_versions_are_kept_and_the_rest_forgotten(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchword.policy.bundles.kept._MOST_KEPT", 2)
    for version in range(1, 6):
        await node.offer(bundle(version))
    assert list(node.kept.versions()) == [3, 4, 5]


async def test_a_version_that_is_not_kept_is_named_with_those_that_are(node: Node) -> None:
    await node.offer(bundle(4))
    with pytest.raises(BundleKeptError) as caught:
        node.kept.read(3)
    assert "4" in (caught.value.hint or "")


def test_the_memory_says_nothing_that_only_its_owner_may_read(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "policies")
    kept.keep(bundle(), manifest_of(bundle()))
    assert (tmp_path / "policies").stat().st_mode & 0o077 == 0
    with pytest.raises(BundleError):
        kept.read(9)


async def test_what_is_remembered_is_plain_to_read(node: Node) -> None:
    await node.offer(bundle(3))
    state = json.loads((node.root / "bundles" / "policies" / "state.json").read_text())
    assert state == {"version": 3, "digest": manifest_of(bundle(3)).digest, "is_expired": False}


async def test_without_a_bundle_every_request_is_denied(node: Node) -> None:
    request = PolicyRequest(EntityUid("A", "a"), EntityUid("B", "b"), EntityUid("C", "c"), {}, {})
    answer = node.source.current.evaluate(request)
    assert answer.effect is Effect.ERROR
    assert answer.code == "policy_missing"


async def test_a_threshold_of_two_holds_for_a_node(tmp_path: Path) -> None:
    node = Node(tmp_path, keys=trusted(ALICE, BOB, threshold=2))
    await node.offer(bundle(1, key_ids=[BOB.public.id]))
    assert len(node.source.current) == 0
    assert await node.offer(bundle(1, keys=[ALICE, BOB]))


async def test_every_part_of_a_policy_directory_rides_in_a_bundle(node: Node) -> None:
    parts = {
        "10-members.cedar": FILES["10-members.cedar"].replace(
            b'@id("members")', b'@id("members")\n@obligation("mask")'
        ),
        "links.json": b"[]",
        "obligations.yaml": b"obligations:\n  mask: {kind: mask, fields: [ssn]}\n",
        "own.cedarschema": b"entity Thing;\n",
        "relations.fga": b"model\n  schema 1.1\n\ntype user\n",
        "rego/extra.rego": b"package extra\n\ndefault allow = false\n",
        "invariants.yaml": b"invariants: []\n",
        "tests/a.yaml": b"tests: []\n",
    }
    await node.offer(bundle(1, parts))
    assert node.source.problem is None
    assert node.source.directory is not None
    lying = {str(path.relative_to(node.source.directory)) for path in node.source.directory.rglob("*.*")}
    assert lying == {*parts, "watchword-bundle.json"}
    assert node.source.current.bundle.obligations.named("mask").rules is not None
    assert "Thing" in node.source.current.bundle.schema
    await node.offer(bundle(2, {**parts, "obligations.yaml": b"obligations: {}\n"}))
    assert (node.version, node.alarm.reasons()) == (1, ["policy.invalid"])
