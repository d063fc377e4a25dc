"""A sign-in in progress: what was proven, what may come next, what the outcome is worth.

The opening of a ceremony travels inside its handle, authenticated, and a row is written only once something was proven:
pages that nobody finishes cost no storage.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from watchword.identity.errors import CeremonyInvalidError
from watchword.identity.handles import decode, encode, keyed
from watchword.kernel import Acr, DeviceId, Entropy, Secret, SessionId, UserId

LIFE = timedelta(minutes=10)
_GRACE = timedelta(seconds=60)
_LONGEST_HANDLE = 4000
_LONGEST_RETURN = 2000

PASSWORD = "password"  # noqa: S105  # the name of a proof
TOTP = "totp"
RECOVERY_CODE = "recovery_code"
PASSKEY = "passkey"
SYNCED_PASSKEY = "synced_passkey"
NEW_PASSWORD = "new_password"  # noqa: S105  # as above
NEW_PASSKEY = "new_passkey"
_PASSKEYS = frozenset({PASSKEY, SYNCED_PASSKEY, NEW_PASSKEY})
_SECONDS = frozenset({TOTP, RECOVERY_CODE}) | _PASSKEYS


class Purpose(StrEnum):
    """Why the ceremony was opened."""

    SIGN_IN = "sign_in"
    STEP_UP = "step_up"
    INVITATION = "invitation"


@dataclass(frozen=True, slots=True)
class Means:
    """What a user can prove identity with."""

    password: bool = False
    totp: bool = False
    passkey: bool = False
    recovery_code: bool = False

    @property
    def has_second_factor(self) -> bool:
        """Recovery codes alone do not count: they stand in for something that is lost."""
        return self.totp or self.passkey

    @property
    def seconds(self) -> frozenset[str]:
        """The second factors this user has."""
        given = {PASSKEY: self.passkey, TOTP: self.totp, RECOVERY_CODE: self.recovery_code}
        return frozenset(name for name, has in given.items() if has) if self.has_second_factor else frozenset()


@dataclass(frozen=True, slots=True)
class Opening:
    """How a ceremony began; fixed for its life."""

    id: str
    purpose: Purpose
    started_at: datetime
    return_to: str | None = None
    device_id: DeviceId | None = None
    session_id: SessionId | None = None
    user_id: UserId | None = None
    invitation: str | None = None


@dataclass(frozen=True, slots=True)
class Ceremony:
    """Where a ceremony stands.

    Attributes:
        offers: which of `password`, `passkey`, `totp`, `recovery_code` (with an invitation `new_password`,
            `new_passkey`) may come next; empty when complete.
        user_name: known once something was proven, or from the start for a step-up and an invitation.
        has_second_factor: nothing as long as the user is not known.
    """

    purpose: Purpose
    offers: frozenset[str]
    is_complete: bool
    expires_at: datetime
    return_to: str | None
    device_id: DeviceId | None
    user_id: UserId | None = None
    user_name: str | None = None
    has_second_factor: bool | None = None


def offers(purpose: Purpose, proofs: Collection[str], means: Means) -> frozenset[str]:
    """Say what may come next; nothing when enough was proven.

    INVARIANT: a user who has a second factor never completes a sign-in without one, and a password is never asked
    after something else.
    """
    if purpose is Purpose.INVITATION:
        return frozenset() if proofs else frozenset({NEW_PASSWORD, NEW_PASSKEY})
    if _SECONDS.intersection(proofs):
        return frozenset()
    if purpose is Purpose.STEP_UP:
        return means.seconds or (frozenset() if proofs else frozenset({PASSWORD}))
    if PASSWORD in proofs:
        return means.seconds
    return frozenset({PASSWORD, PASSKEY})


def acr_of(proofs: Collection[str]) -> Acr:
    """Grade what was proven.

    A new password counts as one factor; a passkey with user verification resists phishing.
    """
    if _PASSKEYS.intersection(proofs):
        return Acr.PHISHING_RESISTANT
    if {TOTP, RECOVERY_CODE}.intersection(proofs):
        return Acr.MULTI_FACTOR
    return Acr.SINGLE_FACTOR if proofs else Acr.NONE


def amr_of(proofs: Collection[str]) -> tuple[str, ...]:
    """Name the methods. Source: RFC 8176 section 2; `recovery` is ours."""
    named = {
        PASSWORD: "pwd",
        NEW_PASSWORD: "pwd",
        TOTP: "otp",
        RECOVERY_CODE: "recovery",
        PASSKEY: "hwk",
        NEW_PASSKEY: "hwk",
        SYNCED_PASSKEY: "swk",
    }
    methods = {named[proof] for proof in proofs}
    if _PASSKEYS.intersection(proofs):
        methods.add("user")
    if _SECONDS.intersection(proofs):
        methods.add("mfa")
    return tuple(sorted(methods))


def is_second_factor(proofs: Collection[str]) -> bool:
    """Tell whether the proofs contain a second factor or a passkey."""
    return bool(_SECONDS.intersection(proofs))


def sign_opening(opening: Opening, key: bytes) -> Secret[str]:
    """Make the handle of a ceremony: its opening and a MAC over it. Nothing in it is secret from its own browser."""
    fields = {
        "i": opening.id,
        "p": opening.purpose.value,
        "t": int(opening.started_at.timestamp()),
        "r": opening.return_to or "",
        "d": opening.device_id or "",
        "s": opening.session_id or "",
        "u": opening.user_id or "",
        "n": opening.invitation or "",
    }
    payload = encode(json.dumps(fields, separators=(",", ":")).encode())
    return Secret(f"{payload}.{encode(keyed(key, payload))}")


def open_handle(handle: str, key: bytes, now: datetime) -> Opening:
    """Read the handle of a ceremony.

    Raises:
        CeremonyInvalidError: not one of ours, or older than ten minutes.
    """
    payload, _, shown = handle.partition(".") if len(handle) <= _LONGEST_HANDLE else ("", "", "")
    # Prevents: a ceremony that somebody made up; nothing of it is read before the MAC was found right.
    if not payload or not hmac.compare_digest(keyed(key, payload), decode(shown) or b""):
        raise cannot_go_on()
    fields = json.loads(decode(payload) or b"")
    started_at = datetime.fromtimestamp(fields["t"], UTC)
    # A minute of grace for a clock that is a little behind; a clock set far back ends the ceremony.
    if not -_GRACE <= now - started_at < LIFE:
        raise cannot_go_on()
    return Opening(
        id=fields["i"],
        purpose=Purpose(fields["p"]),
        started_at=started_at,
        return_to=fields["r"] or None,
        device_id=DeviceId(fields["d"]) if fields["d"] else None,
        session_id=SessionId(fields["s"]) if fields["s"] else None,
        user_id=UserId(fields["u"]) if fields["u"] else None,
        invitation=fields["n"] or None,
    )


def storable_return(url: str | None) -> str | None:
    """Keep a return address that fits into a handle; one that does not is forgotten rather than cut."""
    return url if url and url.isascii() and url.isprintable() and len(url) <= _LONGEST_RETURN else None


def new_ceremony_id(entropy: Entropy) -> str:
    """Make the name of a ceremony: 128 bits, unique to one handle."""
    return encode(entropy.token_bytes(16))


def cannot_go_on() -> CeremonyInvalidError:
    """The one error for every ceremony that cannot go on."""
    return CeremonyInvalidError("this sign-in cannot go on", hint="start again")
