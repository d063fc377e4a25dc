from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from identity_world import AWAY, HOME, PASSWORD, PORTAL, World
from software_authenticator import SoftwareAuthenticator, b64, unb64
from sqlalchemy import select

from watchword.identity import (
    AuthenticatorKind,
    CeremonyInvalidError,
    IdentityError,
    IdentitySettings,
    PasskeyRefusedError,
    SignInFailedError,
    ThrottledError,
    TooManyError,
    WrongStepError,
)
from watchword.identity.passkeys import (
    StoredPasskey,
    credential_id_of,
    is_cloned,
    user_handle_of,
    verify_assertion,
    verify_registration,
)
from watchword.identity.tables import ceremonies
from watchword.kernel import Acr

_CHEATS: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "https://evil.example"},
    "an application's origin": {"origin": "https://notes.localhost:8443"},
    "the same host on another port": {"origin": "https://watchword.localhost"},
    "the same host without TLS": {"origin": "http://watchword.localhost:8443"},
    "another relying party": {"rp_id": "evil.example"},
    "the parent domain as relying party": {"rp_id": "localhost"},
    "no user verification": {"user_verified": False},
    "no user presence": {"user_present": False},
    "a made-up challenge": {"challenge": b64(bytes(32))},
    "an empty challenge": {"challenge": ""},
    "a registration's answer": {"type": "webauthn.create"},
    "a frame of another site": {"cross_origin": True},
    "another key": {"key": ec.generate_private_key(ec.SECP256R1())},
    "another user's handle": {"user_handle": b"usr_01jd0000000000000000000000"},
    "no user handle": {"user_handle": None},
    "an unknown credential": {"credential_id": bytes(32)},
    "a credential that became synced": {"is_synced": True},
}
_AT_REGISTRATION = [name for name, cheat in _CHEATS.items() if not cheat.keys() & {"user_handle", "key", "is_synced"}]
_AT_REGISTRATION.remove("an unknown credential")


async def _with_passkey(world: World, **about: Any) -> SoftwareAuthenticator:
    await world.person()
    return await world.with_passkey((await world.signed_in()).session, **about)


async def test_a_discoverable_passkey_signs_in_alone_and_resists_phishing(world: World) -> None:
    authenticator = await _with_passkey(world)
    session = (await world.with_passkey_only(authenticator)).session
    assert session.acr is Acr.PHISHING_RESISTANT
    assert session.amr == ("hwk", "mfa", "user")
    assert session.mfa_at == world.clock.now()


async def test_options_ask_for_user_verification_on_our_own_relying_party(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    create = await world.identity.accounts.passkey_options(session)
    assert create["rp"]["id"] == "watchword.localhost"
    assert create["authenticatorSelection"]["userVerification"] == "required"
    assert create["authenticatorSelection"]["residentKey"] == "required"
    assert create["attestation"] == "none"
    get = await world.identity.sign_in.passkey_options(await world.start())
    assert get["userVerification"] == "required"
    assert get["rpId"] == "watchword.localhost"
    assert get["allowCredentials"] == []


@pytest.mark.parametrize("cheat", _CHEATS.values(), ids=_CHEATS.keys())
async def test_a_cheating_passkey_is_refused(sqlite_world: World, cheat: dict[str, Any]) -> None:
    world = sqlite_world
    authenticator = await _with_passkey(world)
    handle = await world.start()
    options = await world.identity.sign_in.passkey_options(handle)
    with pytest.raises(SignInFailedError) as caught:
        await world.identity.sign_in.passkey(handle, authenticator.get(options, **cheat), HOME)
    assert str(caught.value) == "that did not work"
    assert (await world.events("identity.sign_in.failed"))[-1]["type"]
    # The same ceremony still takes the honest answer.
    assert (await world.identity.sign_in.passkey(handle, authenticator.get(options), HOME)).is_complete


async def test_a_replayed_assertion_is_refused_in_another_ceremony(world: World) -> None:
    authenticator = await _with_passkey(world)
    first, second = await world.start(), await world.start()
    answer = authenticator.get(await world.identity.sign_in.passkey_options(first))
    await world.identity.sign_in.passkey(first, answer, HOME)
    with pytest.raises(SignInFailedError):
        await world.identity.sign_in.passkey(second, answer, HOME)


async def test_a_replayed_assertion_is_refused_in_its_own_ceremony(world: World) -> None:
    for_ever_zero = await _with_passkey(world, counts=False, is_synced=True)
    handle = await world.start()
    answer = for_ever_zero.get(await world.identity.sign_in.passkey_options(handle))
    outcomes = await asyncio.gather(
        *(world.identity.sign_in.passkey(handle, answer, HOME) for _ in range(3)), return_exceptions=True
    )
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 1
    assert all(isinstance(outcome, IdentityError) for outcome in outcomes if isinstance(outcome, BaseException))
    await world.identity.sign_in.complete(handle, HOME, device_id=None, host=PORTAL)
    with pytest.raises(CeremonyInvalidError):
        await world.identity.sign_in.passkey(handle, answer, HOME)


async def test_a_cloned_passkey_counter_is_refused_and_told(world: World) -> None:
    authenticator = await _with_passkey(world)
    await world.with_passkey_only(authenticator)
    for counter in (authenticator.counter, 1, 0):
        handle = await world.start()
        options = await world.identity.sign_in.passkey_options(handle)
        with pytest.raises(SignInFailedError):
            await world.identity.sign_in.passkey(handle, authenticator.get(options, counter=counter), HOME)
    told = await world.events("identity.passkey.cloned")
    assert [json.loads(event["data"])["shown"] for event in told] == [2, 1, 0]


async def test_a_stranger_cannot_raise_the_alarm_of_a_cloned_passkey(world: World) -> None:
    authenticator = await _with_passkey(world)
    await world.with_passkey_only(authenticator)
    handle = await world.start()
    options = await world.identity.sign_in.passkey_options(handle)
    forged = authenticator.get(options, counter=1, key=ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(SignInFailedError):
        await world.identity.sign_in.passkey(handle, forged, HOME)
    assert await world.events("identity.passkey.cloned") == []


async def test_a_synced_passkey_that_never_counts_signs_in_again_and_again(world: World) -> None:
    authenticator = await _with_passkey(world, counts=False, is_synced=True)
    for _ in range(3):
        session = (await world.with_passkey_only(authenticator)).session
    assert session.amr == ("mfa", "swk", "user")


async def test_a_passkey_is_the_second_factor_after_a_password(world: World) -> None:
    authenticator = await _with_passkey(world)
    ceremony, handle = await world.password()
    assert ceremony.offers == {"passkey"}
    options = await world.identity.sign_in.passkey_options(handle)
    assert [one["id"] for one in options["allowCredentials"]] == [b64(authenticator.credential_id)]
    answer = authenticator.get(options, user_handle=None)
    assert (await world.identity.sign_in.passkey(handle, answer, HOME)).is_complete
    session = (await world.identity.sign_in.complete(handle, HOME, device_id=None, host=PORTAL)).session
    assert session.amr == ("hwk", "mfa", "pwd", "user")


async def test_the_password_of_one_user_and_the_passkey_of_another_open_nothing(world: World) -> None:
    await _with_passkey(world)
    await world.person("eve")
    eves = await world.with_passkey((await world.signed_in("eve")).session)
    _, handle = await world.password("ada")
    options = await world.identity.sign_in.passkey_options(handle)
    for user_handle in (eves.user_handle, None):
        with pytest.raises(SignInFailedError):
            await world.identity.sign_in.passkey(handle, eves.get(options, user_handle=user_handle), HOME)


async def test_a_passkey_of_another_user_does_not_step_a_session_up(world: World) -> None:
    await _with_passkey(world)
    await world.person("eve")
    eves = await world.with_passkey((await world.signed_in("eve")).session)
    session = (await world.identity.sessions.list_for((await world.identity.reader.users())[0].id))[0]
    handle = await world.step_up(session)
    options = await world.identity.sign_in.passkey_options(handle)
    with pytest.raises(SignInFailedError):
        await world.identity.sign_in.passkey(handle, eves.get(options), HOME)


async def test_a_disabled_user_does_not_sign_in_with_a_passkey(world: World) -> None:
    authenticator = await _with_passkey(world)
    user = (await world.identity.reader.users())[0]
    await world.identity.accounts.disable(user.id, actor="test")
    with pytest.raises(SignInFailedError):
        await world.with_passkey_only(authenticator)


async def test_a_throttled_password_does_not_keep_the_owner_from_the_passkey(world: World) -> None:
    authenticator = await _with_passkey(world)
    for _ in range(5):
        with pytest.raises(SignInFailedError):
            await world.password(password="wrong")
    with pytest.raises(ThrottledError):
        await world.password()
    assert (await world.with_passkey_only(authenticator)).session


async def test_a_flood_of_wrong_passkeys_is_throttled_by_its_network(world: World) -> None:
    authenticator = await _with_passkey(world)
    handle = await world.start()
    looked_at = 0
    for _ in range(200):
        try:
            await world.identity.sign_in.passkey(handle, {"id": "AAAA"}, AWAY)
        except SignInFailedError:
            looked_at += 1
        except ThrottledError:
            continue
    assert looked_at == 20
    assert (await world.with_passkey_only(authenticator, HOME)).session


@pytest.mark.parametrize("name", _AT_REGISTRATION)
async def test_a_cheating_registration_is_refused(sqlite_world: World, name: str) -> None:
    world = sqlite_world
    await world.person()
    session = (await world.signed_in()).session
    cheat = dict(_CHEATS[name])
    if "type" in cheat:
        cheat["type"] = "webauthn.get"
    options = await world.identity.accounts.passkey_options(session)
    with pytest.raises(PasskeyRefusedError):
        await world.identity.accounts.register_passkey(session, SoftwareAuthenticator().create(options, **cheat), HOME)


async def test_a_registration_challenge_works_once_even_when_the_answer_was_wrong(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    options = await world.identity.accounts.passkey_options(session)
    authenticator = SoftwareAuthenticator()
    with pytest.raises(PasskeyRefusedError):
        await world.identity.accounts.register_passkey(
            session, authenticator.create(options, origin="https://evil.example"), HOME
        )
    with pytest.raises(PasskeyRefusedError, match="nothing waits"):
        await world.identity.accounts.register_passkey(session, authenticator.create(options), HOME)
    options = await world.identity.accounts.passkey_options(session)
    made = await world.identity.accounts.register_passkey(session, authenticator.create(options), HOME, label=" Key\n")
    assert (made.kind, made.label) == (AuthenticatorKind.PASSKEY, "Key")
    with pytest.raises(PasskeyRefusedError, match="nothing waits"):
        await world.identity.accounts.register_passkey(session, SoftwareAuthenticator().create(options), HOME)
    world.step(599)
    with pytest.raises(PasskeyRefusedError, match="nothing waits"):
        await world.identity.accounts.register_passkey(session, SoftwareAuthenticator().create(options), HOME)


async def test_registrations_in_several_tabs_do_not_void_one_another_however_many_are_opened(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    pages = [await world.identity.accounts.passkey_options(session) for _ in range(3)]
    for _ in range(50):
        await world.identity.accounts.passkey_options(session)
    for options in pages:
        made = await world.identity.accounts.register_passkey(session, SoftwareAuthenticator().create(options), HOME)
        assert made.kind is AuthenticatorKind.PASSKEY
    async with world.database.read() as connection:
        rows = await connection.execute(select(ceremonies).where(ceremonies.c.proofs == ""))
        assert len(rows.all()) == 3  # of the pages that nobody finished nothing is kept


async def test_one_challenge_answered_twice_at_the_same_moment_registers_one_passkey(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    options = await world.identity.accounts.passkey_options(session)
    answers = [
        world.identity.accounts.register_passkey(session, SoftwareAuthenticator().create(options), HOME)
        for _ in range(4)
    ]
    outcomes = await asyncio.gather(*answers, return_exceptions=True)
    assert sorted(isinstance(outcome, PasskeyRefusedError) for outcome in outcomes) == [False, True, True, True]


async def test_a_challenge_of_ones_own_making_registers_nothing(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    options = await world.identity.accounts.passkey_options(session)
    genuine = unb64(options["challenge"])
    later = genuine[:16] + (int.from_bytes(genuine[16:24]) + 300).to_bytes(8) + genuine[24:]
    for challenge in (b"", bytes(32), bytes(56), later, genuine + b"x", genuine[:-1], bytes(16) + b"\xff" * 40):
        made_up = options | {"challenge": b64(challenge)}
        with pytest.raises(PasskeyRefusedError, match="nothing waits"):
            await world.identity.accounts.register_passkey(session, SoftwareAuthenticator().create(made_up), HOME)
    for credential in ({}, None, {"response": {}}, {"response": {"clientDataJSON": "e30"}}):
        with pytest.raises(PasskeyRefusedError, match="nothing waits"):
            await world.identity.accounts.register_passkey(session, credential, HOME)
    await world.identity.accounts.register_passkey(session, SoftwareAuthenticator().create(options), HOME)


async def test_a_registration_challenge_is_good_for_ten_minutes_and_one_session(world: World) -> None:
    await world.person()
    one, other = (await world.signed_in()).session, (await world.signed_in()).session
    options = await world.identity.accounts.passkey_options(one)
    with pytest.raises(PasskeyRefusedError):
        await world.identity.accounts.register_passkey(other, SoftwareAuthenticator().create(options), HOME)
    await world.person("eve")
    eve = (await world.signed_in("eve")).session
    with pytest.raises(PasskeyRefusedError):
        await world.identity.accounts.register_passkey(eve, SoftwareAuthenticator().create(options), HOME)
    world.step(600)
    with pytest.raises(PasskeyRefusedError):
        await world.identity.accounts.register_passkey(one, SoftwareAuthenticator().create(options), HOME)


async def test_a_credential_of_another_user_is_not_registered_again(world: World) -> None:
    authenticator = await _with_passkey(world)
    await world.person("eve")
    session = (await world.signed_in("eve")).session
    options = await world.identity.accounts.passkey_options(session)
    with pytest.raises(PasskeyRefusedError):
        await world.identity.accounts.register_passkey(session, authenticator.create(options), HOME)


async def test_passkeys_of_one_user_are_bounded(world: World) -> None:
    await world.person()
    session = (await world.signed_in()).session
    for _ in range(20):
        await world.with_passkey(session)
    with pytest.raises(TooManyError):
        await world.identity.accounts.passkey_options(session)


async def test_an_invited_user_starts_with_a_passkey_and_no_password(world: World) -> None:
    user = await world.identity.accounts.create_user("ada", actor="test")
    token = (await world.identity.accounts.invite(user.id, actor="test")).token.reveal()
    handle = await world.start(invitation=token)
    authenticator = SoftwareAuthenticator()
    options = await world.identity.welcome.passkey_options(handle)
    bad = authenticator.create(options, origin="https://evil.example")
    with pytest.raises(PasskeyRefusedError):
        await world.identity.welcome.passkey(handle, bad, HOME)
    ceremony = await world.identity.welcome.passkey(handle, authenticator.create(options), HOME)
    assert ceremony.is_complete
    signed_in = await world.identity.sign_in.complete(handle, HOME, device_id=None, host=PORTAL)
    assert signed_in.session.acr is Acr.PHISHING_RESISTANT
    assert (await world.with_passkey_only(authenticator)).session.user_id == user.id
    with pytest.raises(SignInFailedError):
        await world.password(password=PASSWORD)


async def test_the_challenge_of_a_registration_does_not_serve_a_sign_in(world: World) -> None:
    user = await world.identity.accounts.create_user("ada", actor="test")
    token = (await world.identity.accounts.invite(user.id, actor="test")).token.reveal()
    handle = await world.start(invitation=token)
    options = await world.identity.welcome.passkey_options(handle)
    with pytest.raises(WrongStepError):
        await world.identity.sign_in.passkey(handle, SoftwareAuthenticator().get(options), HOME)


@pytest.mark.parametrize(
    ("stored", "shown", "cloned"),
    [(0, 0, False), (0, 1, False), (5, 6, False), (5, 5, True), (5, 4, True), (5, 0, True)],
)
def test_a_counter_must_move_on_unless_it_is_zero_for_ever(stored: int, shown: int, *, cloned: bool) -> None:
    assert is_cloned(stored, shown) is cloned


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet=st.characters(), max_size=50),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "rawId",
                    "type",
                    "response",
                    "clientDataJSON",
                    "authenticatorData",
                    "signature",
                    "userHandle",
                    "attestationObject",
                    "x",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)
_SETTINGS = IdentitySettings()
_STORED = StoredPasskey(b"x" * 32, b"not a key", 0, is_synced=False)


def _refuses(credential: object) -> None:
    credential_id_of(credential)
    user_handle_of(credential)
    for check in (
        lambda: verify_assertion(_SETTINGS, credential, _STORED, challenge=bytes(32)),
        lambda: verify_registration(_SETTINGS, credential, challenge=bytes(32)),
    ):
        with pytest.raises(PasskeyRefusedError):
            check()


@given(_JSON)
def test_no_json_makes_a_passkey_raise_anything_else(credential: object) -> None:
    _refuses(credential)


_OPTIONS = {"challenge": b64(bytes(32)), "user": {"id": b64(b"usr")}}
_HONEST = SoftwareAuthenticator()
_CREATED = _HONEST.create(_OPTIONS)
_GOT = _HONEST.get(_OPTIONS)


_FIELDS = [(_CREATED, "clientDataJSON"), (_CREATED, "attestationObject")] + [
    (_GOT, field) for field in ("clientDataJSON", "authenticatorData", "signature")
]


@given(
    st.sampled_from(_FIELDS),
    st.one_of(st.binary(max_size=200).map(b64), st.text(alphabet=st.characters(), max_size=20), _JSON),
)
def test_no_damaged_field_makes_a_passkey_raise_anything_else(part: tuple[Any, str], value: object) -> None:
    honest, field = part
    _refuses({**honest, "response": {**honest["response"], field: value}})


@given(st.integers(min_value=0, max_value=600), st.integers(min_value=0, max_value=7))
def test_no_flipped_bit_of_an_attestation_is_accepted_as_the_same_key(at: int, bit: int) -> None:
    raw = bytearray(unb64(_CREATED["response"]["attestationObject"]))
    raw[at % len(raw)] ^= 1 << bit
    changed = {**_CREATED, "response": {**_CREATED["response"], "attestationObject": b64(bytes(raw))}}
    try:
        stored = verify_registration(_SETTINGS, changed, challenge=bytes(32))
    except PasskeyRefusedError:
        return
    # Without attestation a changed counter, model or backup flag cannot be told; the rest must be.
    assert replace(stored, sign_count=0, is_synced=False).credential_id


def test_a_deeply_nested_or_huge_answer_is_refused_quickly() -> None:
    _refuses({"id": "A" * 10**7, "rawId": "A", "type": "public-key", "response": {"clientDataJSON": "A" * 10**7}})
    bomb = b64(b"\x81" * 40_000 + b"\x00")
    _refuses({**_CREATED, "response": {**_CREATED["response"], "attestationObject": bomb}})
    deep = b64(b"[" * 40_000)
    _refuses({**_CREATED, "response": {**_CREATED["response"], "clientDataJSON": deep}})
    lying = b64(b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff")
    _refuses({**_CREATED, "response": {**_CREATED["response"], "attestationObject": lying}})
