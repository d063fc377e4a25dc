"""The tables of this room; only the stores beside it read them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from watchword.storage import UtcDateTime, metadata

_ID = String(40)


def _owner() -> ForeignKey:
    return ForeignKey("identity_users.id", ondelete="CASCADE")


def _session() -> ForeignKey:
    return ForeignKey("identity_sessions.id", ondelete="CASCADE")


users = Table(
    "identity_users",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("name", String(256), nullable=False),
    # Case-folded and normalised: what sign-in looks up.
    Column("name_key", String(256), nullable=False, unique=True),
    # Look-alike letters of other scripts folded onto Latin: two names that look the same cannot both exist.
    Column("skeleton", String(256), nullable=False, unique=True),
    Column("display_name", String(256), nullable=False),
    Column("email", String(254)),
    Column("timezone", String(64), nullable=False),
    Column("is_disabled", Boolean(create_constraint=True, name="is_disabled"), nullable=False),
    Column("is_privileged", Boolean(create_constraint=True, name="is_privileged"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

groups = Table(
    "identity_groups",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
)

memberships = Table(
    "identity_memberships",
    metadata,
    Column("user_id", _ID, _owner(), primary_key=True),
    Column("group_id", _ID, ForeignKey("identity_groups.id", ondelete="CASCADE"), primary_key=True, index=True),
)

authenticators = Table(
    "identity_authenticators",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("user_id", _ID, _owner(), nullable=False, index=True),
    Column("kind", String(20), nullable=False),
    Column("label", String(100), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime),
    Column("is_confirmed", Boolean(create_constraint=True, name="is_confirmed"), nullable=False),
    # password: the Argon2 encoding; totp: the sealed secret; passkey: the COSE public key; recovery codes: empty
    Column("material", LargeBinary, nullable=False),
    Column("credential_id", LargeBinary, unique=True),
    # passkey: its counter; totp: the last time step that was used
    Column("counter", BigInteger, nullable=False),
    Column("is_synced", Boolean(create_constraint=True, name="is_synced"), nullable=False),
    # password: whether it is long enough to stand alone
    Column("stands_alone", Boolean(create_constraint=True, name="stands_alone"), nullable=False),
    CheckConstraint("kind IN ('password', 'passkey', 'totp', 'recovery_codes')", name="kind"),
    CheckConstraint("(kind = 'passkey') = (credential_id IS NOT NULL)", name="credential"),
)
Index(
    "uq_identity_authenticators_single",
    authenticators.c.user_id,
    authenticators.c.kind,
    unique=True,
    sqlite_where=text("kind IN ('password', 'recovery_codes')"),
    postgresql_where=text("kind IN ('password', 'recovery_codes')"),
)

recovery_codes = Table(
    "identity_recovery_codes",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column(
        "authenticator_id",
        _ID,
        ForeignKey("identity_authenticators.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
)

sessions = Table(
    "identity_sessions",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("user_id", _ID, _owner(), nullable=False, index=True),
    Column("device_id", _ID),
    Column("acr", String(64), nullable=False),
    Column("amr", String(100), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("authenticated_at", UtcDateTime, nullable=False),
    Column("mfa_at", UtcDateTime),
    Column("mfa_network", String(64)),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("ended_at", UtcDateTime),
    Column("ip", String(64), nullable=False),
    Column("user_agent", String(400), nullable=False),
)

handles = Table(
    "identity_handles",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("session_id", _ID, _session(), nullable=False),
    Column("host", String(255), nullable=False),
    UniqueConstraint("session_id", "host"),
)

ceremonies = Table(
    "identity_ceremonies",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("user_id", _ID, _owner(), nullable=False),
    Column("proofs", String(100), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("is_finished", Boolean(create_constraint=True, name="is_finished"), nullable=False),
)

handoffs = Table(
    "identity_handoffs",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("session_id", _ID, _session(), nullable=False, index=True),
    Column("host", String(255), nullable=False),
    Column("state_digest", LargeBinary, nullable=False),
    Column("return_to", Text, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)

invitations = Table(
    "identity_invitations",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("user_id", _ID, _owner(), nullable=False, unique=True),
    Column("expires_at", UtcDateTime, nullable=False),
)

throttles = Table(
    "identity_throttles",
    metadata,
    Column("key", String(80), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("failed_at", UtcDateTime, nullable=False),
    Column("blocked_until", UtcDateTime, nullable=False),
    # network buckets: eight bytes for each distinct account, at most as many as the rule counts
    Column("members", LargeBinary, nullable=False),
)

recognised = Table(
    "identity_recognised",
    metadata,
    Column("pair", LargeBinary, primary_key=True),
    Column("user_id", _ID, _owner(), nullable=False, index=True),
    Column("used_at", UtcDateTime, nullable=False),
)
