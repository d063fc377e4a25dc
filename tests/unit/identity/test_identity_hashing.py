from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from watchword.identity import Argon2Profile, BusyError, IdentitySettings
from watchword.identity.hashing import PasswordHashing
from watchword.kernel import ConfigurationError

_CHEAP = Argon2Profile(time_cost=1, memory_kib=8, parallelism=1)


def _hashing(entropy: Any, **about: Any) -> PasswordHashing:
    return PasswordHashing(IdentitySettings(argon2=about.pop("argon2", _CHEAP), **about), entropy)


@pytest.fixture
def hashing(entropy: Any) -> Iterator[PasswordHashing]:
    made = _hashing(entropy)
    yield made
    made.close()


async def test_a_password_is_kept_as_argon2id_under_the_low_memory_profile(entropy: Any) -> None:
    made = _hashing(entropy, argon2=Argon2Profile())
    try:
        assert (await made.hash("x")).startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    finally:
        made.close()


async def test_right_and_wrong_passwords_are_told_apart(hashing: PasswordHashing) -> None:
    stored = await hashing.hash("right")
    assert (await hashing.verify(stored, "right")).is_right
    assert not (await hashing.verify(stored, "wrong")).is_right
    assert not (await hashing.verify(stored, None)).is_right


async def test_nobody_signs_in_without_a_stored_hash(hashing: PasswordHashing) -> None:
    assert not (await hashing.verify(None, hashing._dummy_password)).is_right
    assert not (await hashing.verify(None, "")).is_right
    assert not (await hashing.verify(None, None)).is_right


@pytest.mark.parametrize("stored", ["", "garbage", "$argon2id$v=19$m=8,t=1,p=1$", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_a_damaged_hash_means_no(hashing: PasswordHashing, stored: str) -> None:
    assert not (await hashing.verify(stored, "x")).is_right


async def test_an_unknown_user_costs_exactly_the_work_of_a_known_one(
    hashing: PasswordHashing, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hashing.prepare()
    stored = await hashing.hash("right")
    work: list[tuple[str, int]] = []
    real = partial(type(hashing._argon2).verify, hashing._argon2)

    def counted(encoded: str, password: str) -> bool:
        work.append((encoded.rpartition("$")[0].rpartition("$")[0], len(encoded)))
        return real(encoded, password)

    monkeypatch.setattr(type(hashing._argon2), "verify", lambda _self, *arguments: counted(*arguments))
    for encoded, password in ((stored, "wrong"), (None, "wrong"), (stored, None), (None, None)):
        await hashing.verify(encoded, password)
    assert len(work) == 4
    assert len(set(work)) == 1


async def test_a_changed_cost_rehashes_at_the_next_sign_in(hashing: PasswordHashing, entropy: Any) -> None:
    dearer = _hashing(entropy, argon2=Argon2Profile(time_cost=2, memory_kib=16, parallelism=1))
    try:
        stored = await hashing.hash("right")
        verdict = await dearer.verify(stored, "right")
        assert verdict.is_right
        assert verdict.rehashed is not None
        assert "m=16,t=2" in verdict.rehashed
        assert (await dearer.verify(verdict.rehashed, "right")).rehashed is None
        assert (await dearer.verify(stored, "wrong")).rehashed is None
    finally:
        dearer.close()


async def test_a_full_queue_answers_at_once_and_the_loop_never_waits(entropy: Any) -> None:
    made = _hashing(entropy, hash_workers=1, hash_queue=2)
    gate = threading.Event()
    try:
        waiting = [asyncio.create_task(made._run(gate.wait, limit=3)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await made.verify(None, "x")
        assert made.under_way == 3
        # A browser that was here before may still queue.
        recognised = asyncio.create_task(made.verify(None, "x", is_recognised=True))
        await asyncio.sleep(0)
        assert made.under_way == 4
        gate.set()
        await asyncio.gather(*waiting, recognised)
        assert made.under_way == 0
    finally:
        gate.set()
        made.close()


async def test_a_client_that_goes_away_frees_no_thread_that_still_computes(entropy: Any) -> None:
    made = _hashing(entropy, hash_workers=1, hash_queue=1)
    gate, began = threading.Event(), threading.Event()

    def work() -> bool:
        began.set()
        return gate.wait(30)

    try:
        task = asyncio.create_task(made._run(work, limit=2))
        await asyncio.to_thread(began.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert made.under_way == 1
        gate.set()
        await made._run(lambda: True, limit=2)
        assert made.under_way == 0
    finally:
        gate.set()
        made.close()


async def test_after_the_end_the_answer_is_busy(hashing: PasswordHashing) -> None:
    hashing.close()
    with pytest.raises(BusyError):
        await hashing.hash("x")
    assert hashing.under_way == 0


@pytest.mark.parametrize(
    "values",
    [
        {"session_minutes": 14},
        {"session_minutes": 61},
        {"hash_workers": 0},
        {"portal_origin": "https://"},
        {"portal_origin": "https://a/b"},
        {"portal_origin": ""},
    ],
)
def test_settings_out_of_range_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        IdentitySettings(**values)
