"""Passkeys: options for the browser, and the checks on what it answers.

User verification is required everywhere, so a passkey is two factors by itself. Attestation is not asked for.
Source: Web Authentication Level 3, sections 7.1 and 7.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import options_to_json_dict, parse_client_data_json
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AttestationFormat,
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from watchword.identity.errors import PasskeyRefusedError
from watchword.identity.handles import decode
from watchword.identity.settings import IdentitySettings

_TIMEOUT_MS = 300_000
_LONGEST_FIELD = 65_536
_LONGEST_CREDENTIAL_ID = 1023
_ALGORITHMS = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
_FORMATS = frozenset({AttestationFormat.NONE, AttestationFormat.PACKED})


@dataclass(frozen=True, slots=True)
class StoredPasskey:
    """What was kept at registration."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    is_synced: bool


@dataclass(frozen=True, slots=True)
class VerifiedAssertion:
    """An answer whose origin, challenge, user verification and signature were found right.

    The counter is *not* judged here: `is_cloned` compares it, now that it is known to be the authenticator's own.
    """

    sign_count: int


def is_cloned(stored: int, shown: int) -> bool:
    """Tell whether the counter went back or stood still; synced passkeys show zero for ever, which is fine."""
    return (stored > 0 or shown > 0) and shown <= stored


def registration_options(
    settings: IdentitySettings,
    *,
    user_id: str,
    name: str,
    display_name: str,
    challenge: bytes,
    existing: Iterable[bytes],
) -> dict[str, Any]:
    """Return the argument of `navigator.credentials.create`, in its JSON form."""
    options = generate_registration_options(
        rp_id=settings.rp_id,
        rp_name=settings.service_name,
        user_id=user_id.encode(),
        user_name=name,
        user_display_name=display_name or name,
        challenge=challenge,
        timeout=_TIMEOUT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            require_resident_key=True,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=credential) for credential in existing],
        supported_pub_key_algs=_ALGORITHMS,
    )
    return options_to_json_dict(options)


def authentication_options(
    settings: IdentitySettings, *, challenge: bytes, allowed: Iterable[bytes] = ()
) -> dict[str, Any]:
    """Return the argument of `navigator.credentials.get`; without `allowed` the browser offers what it has."""
    options = generate_authentication_options(
        rp_id=settings.rp_id,
        challenge=challenge,
        timeout=_TIMEOUT_MS,
        allow_credentials=[PublicKeyCredentialDescriptor(id=credential) for credential in allowed],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def credential_id_of(credential: object) -> bytes | None:
    """Read which credential an answer claims to be from, or nothing. Never raises."""
    claimed = credential.get("id") if isinstance(credential, Mapping) else None
    if not isinstance(claimed, str) or len(claimed) > _LONGEST_CREDENTIAL_ID * 2:
        return None
    return decode(claimed) or None


def user_handle_of(credential: object) -> str | None:
    """Read which user a discoverable credential says it belongs to, or nothing. Never raises."""
    response = credential.get("response") if isinstance(credential, Mapping) else None
    claimed = response.get("userHandle") if isinstance(response, Mapping) else None
    if not isinstance(claimed, str) or len(claimed) > _LONGEST_CREDENTIAL_ID:
        return None
    return (decode(claimed) or b"").decode("utf-8", "replace") or None


def challenge_of(credential: object) -> bytes | None:
    """Read which challenge an answer claims to answer, or nothing. Never raises."""
    try:
        return bytes(
            parse_client_data_json(decode(_bounded(credential)["response"]["clientDataJSON"]) or b"").challenge
        )
    except Exception:  # noqa: BLE001  # the parser meets the network: whatever it raises, there is none
        return None


def verify_registration(settings: IdentitySettings, credential: object, *, challenge: bytes) -> StoredPasskey:
    """Check the answer to `registration_options`.

    Raises:
        PasskeyRefusedError: any check failed; which one is not told.
    """
    fields = _bounded(credential)
    try:
        _same_origin_only(fields)
        verified = verify_registration_response(
            credential=fields,
            expected_challenge=challenge,
            expected_rp_id=settings.rp_id,
            expected_origin=settings.portal_origin,
            require_user_verification=True,
            supported_pub_key_algs=_ALGORITHMS,
        )
    except PasskeyRefusedError:
        raise
    except Exception as error:  # the parser meets the network: whatever it raises is a refusal
        raise PasskeyRefusedError("the passkey could not be registered") from error
    if verified.fmt not in _FORMATS or len(verified.credential_id) > _LONGEST_CREDENTIAL_ID:
        raise PasskeyRefusedError("the passkey could not be registered")
    return StoredPasskey(
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        is_synced=verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
    )


def verify_assertion(
    settings: IdentitySettings, credential: object, stored: StoredPasskey, *, challenge: bytes
) -> VerifiedAssertion:
    """Check the answer to `authentication_options`.

    Raises:
        PasskeyRefusedError: any check failed; which one is not told.
    """
    fields = _bounded(credential)
    try:
        _same_origin_only(fields)
        verified = verify_authentication_response(
            credential=fields,
            expected_challenge=challenge,
            expected_rp_id=settings.rp_id,
            expected_origin=settings.portal_origin,
            credential_public_key=stored.public_key,
            # The library compares counters before it has checked the signature; `is_cloned` does it afterwards.
            # Prevents: a stranger raising a false alarm about somebody's passkey with an unsigned counter.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except PasskeyRefusedError:
        raise
    except Exception as error:  # as above
        raise PasskeyRefusedError("the passkey was not accepted") from error
    is_synced = verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE
    # Backup eligibility never changes in the life of a credential. Source: section 7.2, step 18.
    if verified.credential_id != stored.credential_id or is_synced is not stored.is_synced:
        raise PasskeyRefusedError("the passkey was not accepted")
    return VerifiedAssertion(verified.new_sign_count)


def _bounded(credential: object) -> dict[str, Any]:
    """Keep only the fields that are read, each a short string. Prevents: work or memory chosen by the sender."""
    if not isinstance(credential, Mapping) or not isinstance(credential.get("response"), Mapping):
        raise PasskeyRefusedError("the answer of the authenticator is not well formed")
    outer = {name: credential.get(name) for name in ("id", "rawId", "type")}
    names = ("clientDataJSON", "authenticatorData", "signature", "userHandle", "attestationObject")
    inner = {name: credential["response"][name] for name in names if credential["response"].get(name) is not None}
    if not all(isinstance(value, str) and len(value) <= _LONGEST_FIELD for value in (*outer.values(), *inner.values())):
        raise PasskeyRefusedError("the answer of the authenticator is not well formed")
    return {**outer, "response": inner}


def _same_origin_only(fields: Mapping[str, Any]) -> None:
    """Refuse an answer made inside a frame of another site, which the browser reports in the client data."""
    client_data = parse_client_data_json(decode(fields["response"]["clientDataJSON"]) or b"")
    if client_data.cross_origin:
        raise PasskeyRefusedError("the passkey was used from within another site")
