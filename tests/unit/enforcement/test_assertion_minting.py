"""What an application gets: only for a permit, and exactly what the decision found out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from decision_world import LONDON, NOTES, DecisionWorld
from door_world import PORTAL, DoorWorld, header
from joserfc import jws, jwt
from joserfc.jwk import KeySet
from joserfc.registry import HeaderParameter

from watchword.enforcement.asgi import FileKeys, InvalidAssertionError, verify_assertion
from watchword.kernel import Acr, Answer, KeyId, Obligation
from watchword.keys import Algorithm, Signer


@pytest.fixture
def doors(world: DecisionWorld) -> DoorWorld:
    return DoorWorld(world)


async def test_a_minted_assertion_verifies_in_the_application(doors: DoorWorld, tmp_path: Path) -> None:
    visit = await doors.world.visit()
    token = header(await doors.ask(visit), "x-watchword-assertion")
    assert token is not None
    keys = await FileKeys(doors.publish(tmp_path / "jwks.json")).keys(now_s=0.0)
    seen = verify_assertion(token, keys, issuer=PORTAL, audience="notes", now=doors.world.clock.now())
    assert (seen.subject, seen.session_id, seen.name) == (visit.user.id, visit.session.id, "ada")
    assert seen.permissions == {"delete"}
    for wrong in ({"audience": "wiki"}, {"issuer": "https://evil.example"}):
        with pytest.raises(InvalidAssertionError):
            verify_assertion(
                token, keys, **({"issuer": PORTAL, "audience": "notes", "now": doors.world.clock.now()} | wrong)
            )


async def test_an_assertion_lives_a_minute(doors: DoorWorld, tmp_path: Path) -> None:
    token = header(await doors.ask(await doors.world.visit()), "x-watchword-assertion")
    assert token is not None
    keys = await FileKeys(doors.publish(tmp_path / "jwks.json")).keys(now_s=0.0)
    later = doors.world.clock.now() + timedelta(seconds=66)
    with pytest.raises(InvalidAssertionError):
        verify_assertion(token, keys, issuer=PORTAL, audience="notes", now=later)


async def test_another_implementation_verifies_it_too(doors: DoorWorld) -> None:
    token = header(await doors.ask(await doors.world.visit()), "x-watchword-assertion")
    assert token is not None
    registry = jws.JWSRegistry(header_registry={"typ": HeaderParameter("Type", "str")})
    decoded = jwt.decode(token, KeySet.import_key_set(doors.jwks()), algorithms=["ES256"], registry=registry)
    assert decoded.header == {"alg": "ES256", "kid": str(doors.signer.kid), "typ": "watchword-assertion+jwt"}
    assert decoded.claims["aud"] == "notes"


async def test_the_claims_are_the_documented_ones(doors: DoorWorld) -> None:
    world = doors.world
    user = await world.person(email="ada@example.com", groups=["members", "builders"])
    now = world.clock.now()
    device = await world.device(user, is_managed=True, disk_encrypted=True, os_patched=True, posture_at=now)
    visit = await world.session(user, device, ip=LONDON)
    world.clock.advance(timedelta(seconds=30))
    decision = visit.asks()
    claims = jwt.decode(doors.minter.mint(decision), KeySet.import_key_set(doors.jwks()), algorithms=["ES256"]).claims
    at = int(world.clock.now().timestamp())
    assert claims == {
        "iss": PORTAL,
        "aud": "notes",
        "sub": user.id,
        "iat": at,
        "exp": at + 60,
        "jti": decision.id,
        "sid": visit.session.id,
        "name": "ada",
        "display_name": "Ada",
        "email": "ada@example.com",
        "groups": ["builders", "members"],
        "acr": Acr.MULTI_FACTOR.value,
        "amr": ["pwd", "otp"],
        "auth_time": at - 30,
        "mfa_time": at - 30,
        "risk": 0,
        "trust": 80,
        "device": {"id": device.id, "is_known": True, "posture": "compliant"},
        "network": {"country": "GB"},
        "permissions": ["delete"],
    }


async def test_what_is_not_known_is_not_claimed(doors: DoorWorld) -> None:
    user = await doors.world.person(email=None)
    visit = await doors.world.session(user)
    await visit.change(mfa_at=doors.world.clock.now(), mfa_network="203.0.113.0/24")
    claims = doors.minter._claims(visit.asks())
    assert "email" not in claims
    assert claims["device"] == {"id": None, "is_known": False, "posture": "unknown"}
    assert claims["network"] == {"country": None}


async def test_there_is_no_assertion_without_a_permit(doors: DoorWorld) -> None:
    visit = await doors.world.visit()
    allowed, refused = visit.asks(), visit.asks("/admin")
    question = doors.world.point.evaluate(visit.request())
    open_route = visit.asks("/healthz")
    for decision in (
        refused,
        question,
        open_route,
        replace(refused, answer=Answer.ALLOW),
        replace(allowed, permit=None),
        replace(allowed, user=None),
        replace(allowed, session=None),
    ):
        with pytest.raises(ValueError, match="needs a permit"):
            doors.minter.mint(decision)


async def test_the_permit_of_one_decision_does_not_speak_for_another(doors: DoorWorld) -> None:
    ada, eve = await doors.world.visit(name="ada"), await doors.world.visit(name="eve", groups=[])
    allowed, refused = ada.asks(), eve.asks()
    for forged in (
        replace(refused, answer=Answer.ALLOW, permit=allowed.permit),
        replace(allowed, application="wiki"),
    ):
        with pytest.raises(ValueError, match="another decision"):
            doors.minter.mint(forged)


async def test_a_rotated_key_signs_the_next_assertion(doors: DoorWorld) -> None:
    visit = await doors.world.visit()
    first = doors.minter.mint(visit.asks())
    old = doors.jwks()
    doors.signer = Signer.generate(KeyId.new(doors.world.clock.now(), doors.world.entropy), Algorithm.ES256)
    second = doors.minter.mint(visit.asks())
    assert jws.extract_compact(first.encode()).headers()["kid"] != jws.extract_compact(second.encode()).headers()["kid"]
    jwt.decode(first, KeySet.import_key_set(old), algorithms=["ES256"])
    jwt.decode(second, KeySet.import_key_set(doors.jwks()), algorithms=["ES256"])


async def test_obligations_ride_along(doors: DoorWorld) -> None:
    visit = await doors.world.visit()
    decision = replace(visit.asks(), obligations=(Obligation("record"),))
    assert doors.minter._claims(decision)["obligations"] == {"names": ["record"], "own": ["record"]}
    assert NOTES.name == "notes"


async def test_repetitions_share_an_assertion_for_ten_seconds_and_no_longer(doors: DoorWorld) -> None:
    visit = await doors.world.visit()
    doors.world.clock.advance(timedelta(seconds=1))
    first, second, third = [header(await doors.ask(visit), "x-watchword-assertion") for _ in range(3)]
    assert first != second
    assert second == third
    doors.world.clock.advance(timedelta(seconds=9.9))
    assert header(await doors.ask(visit), "x-watchword-assertion") == second
    doors.world.clock.advance(timedelta(seconds=0.2))
    assert header(await doors.ask(visit), "x-watchword-assertion") != second


async def test_a_rotated_key_signs_the_next_repetition(doors: DoorWorld, entropy: Any) -> None:
    visit = await doors.world.visit()
    doors.world.clock.advance(timedelta(seconds=1))
    before = [header(await doors.ask(visit), "x-watchword-assertion") for _ in range(2)][-1]
    doors.signer = Signer.generate(KeyId.new(doors.world.clock.now(), entropy), Algorithm.ES256)
    after = header(await doors.ask(visit), "x-watchword-assertion")
    assert after is not None
    assert after != before
    assert jws.extract_compact(after.encode()).headers()["kid"] == doors.signer.kid


async def test_nobody_is_given_the_assertion_of_somebody_else(doors: DoorWorld) -> None:
    ada, mallory = await doors.world.visit(), await doors.world.visit(name="mallory")
    doors.world.clock.advance(timedelta(seconds=1))
    for visit in (ada, mallory, ada, mallory, ada, mallory):
        token = header(await doors.ask(visit), "x-watchword-assertion")
        assert token is not None
        claims = jwt.decode(token, KeySet.import_key_set(doors.jwks()), algorithms=["ES256"]).claims
        assert (claims["sub"], claims["sid"]) == (visit.user.id, visit.session.id)
