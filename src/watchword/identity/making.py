"""New authenticators, and what must stay when one is taken away. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from watchword.identity.errors import LastFactorError
from watchword.identity.model import AuthenticatorFacts, AuthenticatorKind, UserFacts, printable
from watchword.identity.passkeys import StoredPasskey
from watchword.identity.passwords import MIN_ALONE
from watchword.identity.settings import IdentitySettings
from watchword.identity.store import Authenticator
from watchword.kernel import AuthenticatorId, Entropy, UserId

_LABEL_LENGTH = 100
_DEFAULT_LABEL = {
    AuthenticatorKind.PASSWORD: "Password",
    AuthenticatorKind.PASSKEY: "Passkey",
    AuthenticatorKind.TOTP: "Authenticator app",
    AuthenticatorKind.RECOVERY_CODES: "Recovery codes",
}


def new_authenticator(
    kind: AuthenticatorKind,
    user_id: UserId,
    material: bytes,
    *,
    now: datetime,
    entropy: Entropy,
    label: str = "",
    is_confirmed: bool = True,
) -> Authenticator:
    """Make an authenticator of any kind."""
    facts = AuthenticatorFacts(
        id=AuthenticatorId.new(now, entropy),
        kind=kind,
        label=clean_label(label) or _DEFAULT_LABEL[kind],
        created_at=now,
        last_used_at=None,
    )
    return Authenticator(facts, user_id, is_confirmed, material, None, 0, stands_alone=False)


def new_password(user_id: UserId, encoded: str, normal: str, now: datetime, entropy: Entropy) -> Authenticator:
    """Make a password; whether it is long enough to stand alone is kept, since a hash does not tell."""
    made = new_authenticator(AuthenticatorKind.PASSWORD, user_id, encoded.encode(), now=now, entropy=entropy)
    return replace(made, stands_alone=stands_alone(normal))


def new_passkey(user_id: UserId, stored: StoredPasskey, label: str, now: datetime, entropy: Entropy) -> Authenticator:
    """Make a passkey."""
    made = new_authenticator(
        AuthenticatorKind.PASSKEY, user_id, stored.public_key, now=now, entropy=entropy, label=label
    )
    return replace(
        made,
        facts=replace(made.facts, is_synced=stored.is_synced),
        credential_id=stored.credential_id,
        counter=stored.sign_count,
    )


def stands_alone(normal_password: str) -> bool:
    """Tell whether a password is long enough for an account without a second factor."""
    return len(normal_password) >= MIN_ALONE


def clean_label(label: str) -> str:
    """Keep what can be shown of a label."""
    return printable(label.strip(), _LABEL_LENGTH).strip()


def context_words(user: UserFacts, settings: IdentitySettings) -> tuple[str, ...]:
    """Name the words an attacker would try first for this user."""
    return (user.name, user.display_name, user.email or "", settings.service_name, settings.rp_id)


def require_enough_left(
    user: UserFacts, authenticators: Sequence[Authenticator], removed: Collection[AuthenticatorId]
) -> None:
    """Refuse a removal that would lock the user out or weaken the account below what it must have.

    Raises:
        LastFactorError: it would.
    """
    before = {one.facts.kind for one in authenticators if one.is_confirmed}
    left = [one for one in authenticators if one.is_confirmed and one.facts.id not in removed]
    kinds = {one.facts.kind for one in left}
    if not kinds & {AuthenticatorKind.PASSWORD, AuthenticatorKind.PASSKEY}:
        raise LastFactorError("you could not sign in any more", hint="add another passkey or a password first")
    seconds = {AuthenticatorKind.PASSKEY, AuthenticatorKind.TOTP}
    if not before & seconds or kinds & seconds:
        return
    # Prevents: privileged accounts falling back to a password alone.
    if user.is_administrator or user.is_privileged:
        raise LastFactorError("your account needs a second factor", hint="add another one first")
    if not all(one.stands_alone for one in left if one.facts.kind is AuthenticatorKind.PASSWORD):
        raise LastFactorError(
            f"your password has fewer than {MIN_ALONE} characters and may not stand alone",
            hint="choose a longer password first",
        )
