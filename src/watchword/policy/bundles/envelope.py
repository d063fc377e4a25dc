"""Signatures over exact bytes: the DSSE envelope, which says in what is signed what kind of thing it is.

Source: github.com/secure-systems-lab/dsse, protocol.md and envelope.md, version 1.0.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Final

from watchword.policy.bundles.errors import BundleMalformedError
from watchword.policy.bundles.manifest import MOST_MANIFEST_BYTES

PAYLOAD_TYPE: Final = "application/vnd.watchword.policy.bundle.v1+json"
MOST_ENVELOPE_BYTES: Final = 2 * MOST_MANIFEST_BYTES
_MOST_SIGNATURES: Final = 64


@dataclass(frozen=True, slots=True)
class Signature:
    """What a key says of a manifest; nothing is verified yet."""

    key_id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """Unverified bytes of a manifest with the signatures that came with them."""

    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def signed_bytes(self) -> bytes:
        """What each signature is over."""
        return pre_authentication_encoding(PAYLOAD_TYPE, self.payload)

    def to_bytes(self) -> bytes:
        """Return the JSON form, signatures in the order of their keys."""
        ordered = sorted(self.signatures, key=lambda signature: (signature.key_id, signature.value))
        document = {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": one.key_id, "sig": base64.b64encode(one.value).decode()} for one in ordered],
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Envelope:
        """Read the JSON form; other payload types are refused.

        Raises:
            BundleMalformedError: it is none.
        """
        if len(data) > MOST_ENVELOPE_BYTES:
            raise BundleMalformedError("the signed manifest is too large", hint="at most 2 MiB")
        document = strict_json(data, what="the signed manifest")
        try:
            if document["payloadType"] != PAYLOAD_TYPE:
                raise BundleMalformedError("what is signed is not a policy bundle")
            listed = document["signatures"]
            if not isinstance(listed, list) or len(listed) > _MOST_SIGNATURES:
                raise BundleMalformedError(f"the bundle has more than {_MOST_SIGNATURES} signatures")
            return cls(
                _decoded(document["payload"]),
                tuple(Signature(str(one["keyid"]), _decoded(one["sig"])) for one in listed),
            )
        except (KeyError, TypeError, ValueError, RecursionError, binascii.Error) as error:
            raise BundleMalformedError("the signed manifest is not a DSSE envelope") from error


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Join type and payload so that no other type and payload give the same bytes.

    # Prevents: a signature made for one kind of document being shown for another.
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def strict_json(data: bytes, *, what: str) -> dict[str, Any]:
    """Read one JSON object in which no key stands twice.

    Raises:
        BundleMalformedError: it is none.
    """
    try:
        document = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise BundleMalformedError(f"{what} is not JSON, or names a key twice") from error
    if not isinstance(document, dict):
        raise BundleMalformedError(f"{what} is not a JSON object")
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _decoded(text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError
    return base64.b64decode(text, validate=True)
