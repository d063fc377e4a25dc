"""The verification of assertions against those who would forge one."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from assertion_maker import AUDIENCE, ISSUER, KID, Maker, encode
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.enforcement.asgi import InvalidAssertionError, KeysUnavailableError, VerifiedAssertion, verify_assertion
from watchword.enforcement.asgi.jws import parse, read_jwks, verify_signature
from watchword.kernel import Acr, FrozenClock

BESIDE = Path(__file__).parents[3].parent / "shared" / "vectors" / "jose" / "json_web_signature_test.json"


@pytest.fixture
def maker(clock: FrozenClock) -> Maker:
    return Maker(clock.now())


def check(maker: Maker, token: str, **changes: Any) -> VerifiedAssertion:
    values = {"issuer": ISSUER, "audience": AUDIENCE, "now": maker.now} | changes
    return verify_assertion(token, changes.pop("keys", read_jwks(maker.jwks())), **values)


def test_a_good_assertion_says_who_is_here(maker: Maker) -> None:
    here = check(maker, maker.token())
    assert (here.name, here.acr, here.risk, here.trust) == ("ada", Acr.MULTI_FACTOR, 12, 70)
    assert here.permissions == {"delete", "reports"}
    assert here.last_active_at == maker.now - timedelta(minutes=5)
    assert here.country == "NL"


def refused(maker: Maker, token: str, **changes: Any) -> None:
    with pytest.raises(InvalidAssertionError):
        check(maker, token, **changes)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, ..., "ES384", "RS256", "es256", ["ES256"], 256])
def test_another_algorithm_is_refused(maker: Maker, alg: Any) -> None:
    refused(maker, maker.token(header={"alg": alg}))


@pytest.mark.parametrize("signature", ["", "."])
def test_an_unsigned_token_is_refused(maker: Maker, signature: str) -> None:
    head = encode(json.dumps(maker.header(alg="none")).encode())
    refused(maker, f"{head}.{encode(json.dumps(maker.claims()).encode())}.{signature}")
    good = maker.token().rpartition(".")[0]
    refused(maker, f"{good}.{signature}")
    refused(maker, good)


def test_an_hmac_keyed_with_the_public_key_is_refused(maker: Maker) -> None:
    public = maker.key.public_key()
    forms = [
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint),
        maker.jwks(),
    ]
    for key in forms:
        for header in (maker.header(alg="HS256"), maker.header()):
            signed = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(maker.claims()).encode())}"
            mac = hmac.new(key, signed.encode(), hashlib.sha256).digest()
            refused(maker, f"{signed}.{encode(mac)}")
            refused(maker, f"{signed}.{encode(mac + mac)}")


def test_the_signature_of_another_key_is_refused(maker: Maker) -> None:
    keys = read_jwks(maker.jwks())
    maker.key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(InvalidAssertionError):
        verify_assertion(maker.token(), keys, issuer=ISSUER, audience=AUDIENCE, now=maker.now)


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c", "x5t", "crit", "b64", "zip", "cty", "extra"])
def test_a_header_that_brings_more_than_it_may_is_refused(maker: Maker, name: str) -> None:
    values: dict[str, Any] = {"jwk": json.loads(maker.jwks())["keys"][0], "crit": ["b64"], "b64": False}
    refused(maker, maker.token(header={name: values.get(name, "https://evil.example/keys")}))


KIDS = [
    "",
    "../../../../dev/null",
    "file:///dev/null",
    "https://evil.example/k",
    "' OR 1=1 --",
    "x" * 5000,
    7,
    None,
    ...,
    [KID],
]


@pytest.mark.parametrize("kid", KIDS)
def test_a_key_id_is_only_ever_looked_up(maker: Maker, kid: Any) -> None:
    refused(maker, maker.token(header={"kid": kid}))


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "watchword-assertion", "WATCHWORD-ASSERTION+JWT", "", ..., 1])
def test_a_token_of_another_type_is_refused(maker: Maker, typ: Any) -> None:
    refused(maker, maker.token(header={"typ": typ}))


@pytest.mark.parametrize("aud", ["other", "", "NOTES", ["notes"], ["notes", "other"], None, ...])
def test_an_assertion_for_another_application_is_refused(maker: Maker, aud: Any) -> None:
    refused(maker, maker.token(aud=aud))


@pytest.mark.parametrize("iss", ["https://evil.example", ISSUER + "/", ISSUER.upper(), "", None, ..., [ISSUER]])
def test_an_assertion_of_another_issuer_is_refused(maker: Maker, iss: Any) -> None:
    refused(maker, maker.token(iss=iss))


@pytest.mark.parametrize("after_s", [66, 3600, 10**7])
def test_an_expired_assertion_is_refused(maker: Maker, after_s: int) -> None:
    refused(maker, maker.token(), now=maker.now + timedelta(seconds=after_s))


@pytest.mark.parametrize("before_s", [6, 3600])
def test_an_assertion_from_the_future_is_refused(maker: Maker, before_s: int) -> None:
    refused(maker, maker.token(), now=maker.now - timedelta(seconds=before_s))


def test_clocks_may_differ_by_five_seconds(maker: Maker) -> None:
    check(maker, maker.token(), now=maker.now - timedelta(seconds=5))
    check(maker, maker.token(), now=maker.now + timedelta(seconds=64))


@pytest.mark.parametrize("span_s", [0, -1, 301, 10**6])
def test_an_assertion_that_lives_too_long_or_never_is_refused(maker: Maker, span_s: int) -> None:
    refused(maker, maker.token(exp=int(maker.now.timestamp()) + span_s))


BAD_TIMES = [..., None, "1", 1.5, True, 10**40, -(10**40)]


@pytest.mark.parametrize("value", BAD_TIMES)
@pytest.mark.parametrize("claim", ["iat", "exp", "auth_time"])
def test_a_time_that_is_none_is_refused(maker: Maker, claim: str, value: Any) -> None:
    refused(maker, maker.token(**{claim: value}))


@pytest.mark.parametrize(
    "claim", ["sub", "jti", "sid", "name", "display_name", "groups", "acr", "amr", "device", "permissions"]
)
def test_a_missing_claim_is_refused(maker: Maker, claim: str) -> None:
    refused(maker, maker.token(**{claim: ...}))


BAD_CLAIMS = [
    ("sub", "root"),
    ("sub", "ses_01jd0000000000000000000000"),
    ("jti", "dec_"),
    ("sid", 1),
    ("groups", "administrators"),
    ("groups", [1]),
    ("permissions", {"reports": True}),
    ("acr", "urn:other:acr"),
    ("risk", True),
    ("risk", "0"),
    ("trust", 99.5),
    ("device", "known"),
    ("device", {"id": None, "is_known": 1, "posture": "compliant"}),
    ("obligations", "mask"),
    ("mfa_time", "now"),
]


@pytest.mark.parametrize(("claim", "value"), BAD_CLAIMS)
def test_a_claim_of_another_form_is_refused(maker: Maker, claim: str, value: Any) -> None:
    refused(maker, maker.token(**{claim: value}))


def signed(maker: Maker, head: bytes, payload: bytes) -> str:
    first = f"{encode(head)}.{encode(payload)}"
    return f"{first}.{encode(maker.sign(first))}"


def test_a_member_that_comes_twice_is_refused(maker: Maker) -> None:
    head, payload = json.dumps(maker.header()).encode(), json.dumps(maker.claims()).encode()
    check(maker, signed(maker, head, payload))
    refused(maker, signed(maker, head, payload[:-1] + b', "sub": "usr_01jd0000000000000000000001"}'))
    refused(maker, signed(maker, head[:-1] + b', "alg": "ES256"}', payload))


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b"1", b'"x"', b"{", b"\xff", b'{"iss": NaN}', b"[" * 4000])
def test_a_payload_that_is_no_object_is_refused(maker: Maker, payload: bytes) -> None:
    refused(maker, signed(maker, json.dumps(maker.header()).encode(), payload))


def test_another_spelling_of_a_good_token_is_refused(maker: Maker) -> None:
    token = maker.token()
    head, payload, signature = token.split(".")
    standard = base64.b64encode(base64.urlsafe_b64decode(signature + "==")).decode()
    for other in (
        token + "=",
        token + "\n",
        " " + token,
        token + ".",
        f"{head}.{payload}.{standard}",
        f"{head}.{payload}.{signature}AA",
        f"{head}.{payload}.{signature[:-1]}{chr(ord(signature[-1]) + 1)}",
        token.replace(".", ".."),
        json.dumps({"payload": payload, "protected": head, "signature": signature}),
    ):
        refused(maker, other)


def test_a_signature_in_another_encoding_is_refused(maker: Maker) -> None:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415  # only this attack signs in DER

    first = maker.token().rpartition(".")[0]
    der = maker.key.sign(first.encode(), ec.ECDSA(hashes.SHA256()))
    refused(maker, f"{first}.{encode(der)}")
    refused(maker, f"{first}.{encode(bytes(64))}")
    refused(maker, f"{first}.{encode(bytes([255] * 64))}")


def test_a_token_longer_than_8_kib_is_refused(maker: Maker) -> None:
    refused(maker, maker.token(groups=["x" * 8000]))


@given(at=st.integers(0, 10**6), bit=st.integers(0, 7))
@settings(max_examples=150, deadline=None)
def test_no_single_changed_bit_is_believed(at: int, bit: int) -> None:
    raw = bytearray(_token.encode())
    raw[at % len(raw)] ^= 1 << bit
    with pytest.raises(InvalidAssertionError):
        check(_maker, raw.decode("latin-1"))


_maker = Maker(datetime(2026, 11, 21, tzinfo=UTC))
_token = _maker.token()


@given(text=st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_is_refused_in_good_order(text: str) -> None:
    with pytest.raises(InvalidAssertionError):
        check(_maker, text)


# --- keys -------------------------------------------------------------------------------------------------------------


def key_set(maker: Maker, **changes: Any) -> bytes:
    key = json.loads(maker.jwks())["keys"][0] | changes
    return json.dumps({"keys": [{name: value for name, value in key.items() if value is not ...}]}).encode()


BAD_KEYS = [
    {"x": "AA"},
    {"y": ...},
    {"x": "!"},
    {"kid": ...},
    {"kid": 1},
    {"x": encode(bytes(32)), "y": encode(bytes(32))},
]


@pytest.mark.parametrize("changes", BAD_KEYS)
def test_a_damaged_key_fails_the_whole_set(maker: Maker, changes: dict[str, Any]) -> None:
    with pytest.raises(KeysUnavailableError):
        read_jwks(key_set(maker, **changes))


@pytest.mark.parametrize("changes", [{"kty": "oct"}, {"crv": "P-384"}, {"use": "enc"}, {"alg": "ES384"}])
def test_a_key_of_another_kind_is_no_key(maker: Maker, changes: dict[str, Any]) -> None:
    assert not read_jwks(key_set(maker, **changes))


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": {}}', b"\xff"])
def test_what_is_no_key_set_is_refused(document: bytes) -> None:
    with pytest.raises(KeysUnavailableError):
        read_jwks(document)


def test_one_key_id_for_two_keys_is_refused(maker: Maker) -> None:
    key = json.loads(maker.jwks())["keys"][0]
    with pytest.raises(KeysUnavailableError):
        read_jwks(json.dumps({"keys": [key, key]}).encode())


# --- published vectors ------------------------------------------------------------------------------------------------


def vectors() -> list[Any]:
    path = BESIDE
    if not path.exists():
        return []
    groups = json.loads(path.read_text())["testGroups"]
    return [
        pytest.param(group.get("public") or group.get("private"), case, id=f"{case['tcId']}-{case['comment'][:40]}")
        for group in groups
        for case in group["tests"]
        if isinstance(case["jws"], str)
    ]


@pytest.mark.skipif(not vectors(), reason="the Wycheproof vectors (shared/vectors/jose) are not beside the project")
@pytest.mark.parametrize(("public", "case"), vectors())
def test_wycheproof_no_invalid_signature_is_believed(public: dict[str, Any], case: dict[str, Any]) -> None:
    """Ours takes a part of what the standard allows, so valid vectors may be refused unless they are plain ES256."""
    believed = False
    with contextlib.suppress(InvalidAssertionError, KeysUnavailableError):
        key = read_jwks(json.dumps({"keys": [public | {"kid": "k"}]}).encode()).get("k")
        if key is not None:
            verify_signature(parse(case["jws"]), key)
            believed = True
    if case["result"] == "invalid":
        assert not believed
    if believed:
        assert public["kty"] == "EC"
        assert public["crv"] == "P-256"


@pytest.mark.skipif(not vectors(), reason="the Wycheproof vectors (shared/vectors/jose) are not beside the project")
def test_wycheproof_holds_valid_es256_vectors_that_we_verify() -> None:
    believed = 0
    for parameters in vectors():
        public, case = parameters.values
        if public.get("crv") != "P-256" or case["result"] != "valid":
            continue
        header = json.loads(base64.urlsafe_b64decode(case["jws"].split(".")[0] + "=="))
        if not header.keys() <= {"alg", "kid", "typ"} or "kid" not in header:
            continue
        keys = read_jwks(json.dumps({"keys": [public | {"kid": header["kid"]}]}).encode())
        verify_signature(parse(case["jws"]), keys[header["kid"]])
        believed += 1
    assert believed > 0
