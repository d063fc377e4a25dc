"""JSON Web Signature: RFC 7515 and RFC 8037 appendix A, wycheproof's ES256 groups, and the attacks of RFC 8725."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from watchword.kernel import KeyId, SystemClock, SystemEntropy
from watchword.keys import (
    Algorithm,
    JwsSigner,
    MalformedKeyError,
    SignatureInvalidError,
    Signer,
    VerificationKey,
    verify_jws,
)

# RFC 7515 appendix A.3.1
_RFC7515_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
_RFC7515_TOKEN = (
    "eyJhbGciOiJFUzI1NiJ9"
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)
# RFC 8037 appendix A.2 and A.4
_RFC8037_KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
_RFC8037_COVERED = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
_RFC8037_SIGNATURE = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

# Beside the project, if at all.
_WYCHEPROOF = Path(__file__).parents[3] / "shared" / "vectors" / "jose"


def test_rfc_7515_appendix_a_3_verifies() -> None:
    header, payload, signature = _RFC7515_TOKEN.split(".")
    key = VerificationKey.from_jwk(_RFC7515_KEY)
    key.verify(f"{header}.{payload}".encode(), _unb64(signature))
    assert b"http://example.com/is_root" in verify_jws(_RFC7515_TOKEN, {"None": key}, typ=None).payload


def test_rfc_8037_appendix_a_4_verifies() -> None:
    VerificationKey.from_jwk(_RFC8037_KEY).verify(_RFC8037_COVERED, _unb64(_RFC8037_SIGNATURE))


def _wycheproof(name: str) -> list[Any]:
    path = _WYCHEPROOF / name
    if not path.is_file():
        return [pytest.param(None, None, None, marks=pytest.mark.skip(reason=f"wycheproof's {name} is not here"))]
    cases = []
    for group in json.loads(path.read_text())["testGroups"]:
        public = group.get("public") or group.get("private") or {}
        keys = public.get("keys", [public])
        if any(key.get("kty") == "EC" and key.get("crv") == "P-256" for key in keys):
            cases += [
                pytest.param(keys, test["jws"], test["result"], id=f"{test['tcId']}-{test['comment']}")
                for test in group["tests"]
                if "jws" in test
            ]
    assert cases
    return cases


@pytest.mark.parametrize(
    ("jwks", "token", "result"),
    _wycheproof("json_web_signature_test.json")
    + _wycheproof("json_web_key_test.json")
    + _wycheproof("json_web_crypto_test.json"),
)
def test_wycheproof(jwks: list[dict[str, Any]], token: Any, result: str) -> None:
    def verified() -> None:
        keys = {}
        for jwk in jwks:
            key = VerificationKey.from_jwk(jwk)
            keys[key.kid] = key
        verify_jws(token if isinstance(token, str) else json.dumps(token), keys, typ=None)

    if result == "valid":
        verified()
    else:
        with pytest.raises((SignatureInvalidError, MalformedKeyError)):
            verified()


def _b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _unb64(value: str) -> bytes:
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))


# --- ours -----------------------------------------------------------------------------------------------------------

_SIGNER = Signer.generate(KeyId.new(SystemClock().now(), SystemEntropy()), Algorithm.ES256)
_KEYS = {_SIGNER.kid: _SIGNER.verification_key}
_TOKEN = JwsSigner(_SIGNER, "watchword-assertion+jwt").sign(b'{"sub":"ada"}')


def _forged(header: str, payload: bytes = b"{}", *, signed: bool = True) -> str:
    """Make a token whose signature is good and whose header alone is wrong."""
    header = header.replace("KID", f'"kid":"{_SIGNER.kid}"').replace("TYP", '"typ":"watchword-assertion+jwt"')
    covered = _b64(header.encode()) + "." + _b64(payload)
    return covered + "." + (_b64(_SIGNER.sign_es256(covered.encode())) if signed else "")


# Letters that differ only in bits behind the last whole byte.
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_SIBLING = {letter: _ALPHABET[_ALPHABET.index(letter) ^ 1] for letter in _ALPHABET}


def test_a_forgery_with_a_right_header_would_pass() -> None:
    """So that each refusal below is for the one thing that is wrong."""
    verify_jws(_forged('{"alg":"ES256",KID,TYP}'), _KEYS, typ="watchword-assertion+jwt")


def test_a_token_of_ours_verifies_here_and_in_another_library() -> None:
    from joserfc import jws  # noqa: PLC0415  # the other implementation
    from joserfc.jwk import ECKey  # noqa: PLC0415  # as above

    verified = verify_jws(_TOKEN, _KEYS, typ="watchword-assertion+jwt")
    assert verified.payload == b'{"sub":"ada"}'
    theirs = jws.deserialize_compact(_TOKEN, ECKey.import_key(dict(_SIGNER.verification_key.jwk())))
    assert theirs.payload == verified.payload


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="nothing"),
        pytest.param("a.b", id="two parts"),
        pytest.param(_TOKEN + ".", id="four parts"),
        pytest.param(_TOKEN + "=", id="padding"),
        pytest.param(_TOKEN + "\n", id="white space"),
        pytest.param("." * 20_000, id="too long"),
        pytest.param(_TOKEN[:-1] + _SIBLING[_TOKEN[-1]], id="stray bits"),
        pytest.param(_forged('{"alg":"none",KID,TYP}', signed=False), id="alg none"),
        pytest.param(_forged('{"alg":"HS256",KID,TYP}'), id="another algorithm over a good signature"),
        pytest.param(_forged("{KID,TYP}"), id="no algorithm"),
        pytest.param(_forged('{"alg":"ES256","kid":"key_other",TYP}'), id="unknown key"),
        pytest.param(_forged('{"alg":"ES256",TYP}'), id="no key named"),
        pytest.param(_forged('{"alg":"ES256",KID,TYP,"crit":["x"]}'), id="crit"),
        pytest.param(_forged('{"alg":"ES256",KID,TYP,"b64":false}'), id="b64"),
        pytest.param(_forged('{"alg":"ES256","alg":"ES256",KID,TYP}'), id="twins"),
        pytest.param(_forged('{"alg":"ES256",KID,"typ":"JWT"}'), id="another type"),
        pytest.param(_forged('{"alg":"ES256",KID}'), id="no type"),
        pytest.param(_forged("[" * 9000), id="deep nesting"),
        pytest.param(_forged('["ES256"]'), id="no object"),
    ],
)
def test_a_forged_token_is_refused(token: str) -> None:
    with pytest.raises(SignatureInvalidError):
        verify_jws(token, _KEYS, typ="watchword-assertion+jwt")
