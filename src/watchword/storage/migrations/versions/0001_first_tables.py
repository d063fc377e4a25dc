"""Create the tables of the first release.

Names of constraints follow the convention of `watchword.storage.metadata`. Boolean columns carry a named check, because
SQLite would store any number in them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create them, the referred ones first."""
    _storage()
    _keys()
    _identity_directory()
    _identity_sessions()
    _identity_defences()
    _devices()
    _trust()


def _storage() -> None:
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        _id(unique=True),
        sa.Column("type", sa.String(80), nullable=False),
        _time("at"),
        sa.Column("actor", sa.String(120), nullable=False),
        sa.Column("subject", sa.String(120), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sqlite_autoincrement=True,
    )


def _keys() -> None:
    op.create_table(
        "signing_keys",
        _id(primary_key=True),
        sa.Column("purpose", sa.String(40), nullable=False),
        sa.Column("algorithm", sa.String(16), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        _time("created_at"),
        _time("rotated_at", nullable=True),
        _time("published_until", nullable=True),
        _time("retired_at", nullable=True),
        sa.CheckConstraint("(rotated_at IS NULL) = (published_until IS NULL)", name="rotated_has_an_end"),
        sa.CheckConstraint("retired_at IS NULL OR rotated_at IS NOT NULL", name="retired_was_rotated"),
    )
    _unique_where("uq_signing_keys_current", "signing_keys", ["purpose"], "rotated_at IS NULL")
    op.create_table(
        "sealing_canary",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id = 1", name="single"),
    )


def _identity_directory() -> None:
    op.create_table(
        "identity_users",
        _id(primary_key=True),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("name_key", sa.String(256), nullable=False, unique=True),
        sa.Column("skeleton", sa.String(256), nullable=False, unique=True),
        sa.Column("display_name", sa.String(256), nullable=False),
        sa.Column("email", sa.String(254)),
        sa.Column("timezone", sa.String(64), nullable=False),
        _flag("is_disabled"),
        _flag("is_privileged"),
        _time("created_at"),
    )
    op.create_table(
        "identity_groups",
        _id(primary_key=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        _time("created_at"),
    )
    op.create_table(
        "identity_memberships",
        _ref("user_id", "identity_users", primary_key=True),
        _ref("group_id", "identity_groups", primary_key=True, index=True),
    )
    op.create_table(
        "identity_authenticators",
        _id(primary_key=True),
        _ref("user_id", "identity_users", index=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("label", sa.String(100), nullable=False),
        _time("created_at"),
        _time("last_used_at", nullable=True),
        _flag("is_confirmed"),
        sa.Column("material", sa.LargeBinary(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), unique=True),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        _flag("is_synced"),
        _flag("stands_alone"),
        sa.CheckConstraint("kind IN ('password', 'passkey', 'totp', 'recovery_codes')", name="kind"),
        sa.CheckConstraint("(kind = 'passkey') = (credential_id IS NOT NULL)", name="credential"),
    )
    _unique_where(
        "uq_identity_authenticators_single",
        "identity_authenticators",
        ["user_id", "kind"],
        "kind IN ('password', 'recovery_codes')",
    )
    op.create_table(
        "identity_recovery_codes",
        _digest(),
        _ref("authenticator_id", "identity_authenticators", index=True),
    )
    op.create_table(
        "identity_invitations",
        _digest(),
        _ref("user_id", "identity_users", unique=True),
        _time("expires_at"),
    )


def _identity_sessions() -> None:
    op.create_table(
        "identity_sessions",
        _id(primary_key=True),
        _ref("user_id", "identity_users", index=True),
        sa.Column("device_id", sa.String(40)),
        sa.Column("acr", sa.String(64), nullable=False),
        sa.Column("amr", sa.String(100), nullable=False),
        _time("started_at"),
        _time("authenticated_at"),
        _time("mfa_at", nullable=True),
        sa.Column("mfa_network", sa.String(64)),
        _time("expires_at", index=True),
        _time("ended_at", nullable=True),
        sa.Column("ip", sa.String(64), nullable=False),
        sa.Column("user_agent", sa.String(400), nullable=False),
    )
    op.create_table(
        "identity_handles",
        _digest(),
        _ref("session_id", "identity_sessions"),
        sa.Column("host", sa.String(255), nullable=False),
        sa.UniqueConstraint("session_id", "host"),
    )
    op.create_table(
        "identity_ceremonies",
        _digest(),
        _ref("user_id", "identity_users"),
        sa.Column("proofs", sa.String(100), nullable=False),
        _time("expires_at", index=True),
        _flag("is_finished"),
    )
    op.create_table(
        "identity_handoffs",
        _digest(),
        _ref("session_id", "identity_sessions", index=True),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("state_digest", sa.LargeBinary(), nullable=False),
        sa.Column("return_to", sa.Text(), nullable=False),
        _time("expires_at", index=True),
    )
    op.create_table(
        "identity_registrations",
        _ref("session_id", "identity_sessions", primary_key=True),
        sa.Column("challenge", sa.LargeBinary(), nullable=False),
        _time("expires_at"),
    )


def _identity_defences() -> None:
    op.create_table(
        "identity_throttles",
        sa.Column("key", sa.String(80), primary_key=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        _time("failed_at"),
        _time("blocked_until"),
        sa.Column("members", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "identity_recognised",
        sa.Column("pair", sa.LargeBinary(), primary_key=True),
        _ref("user_id", "identity_users", index=True),
        _time("used_at"),
    )


def _devices() -> None:
    op.create_table(
        "devices_devices",
        _id(primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        _time("first_seen_at"),
        _time("last_seen_at"),
        _flag("is_managed", nullable=True),
        _flag("disk_encrypted", nullable=True),
        _flag("os_patched", nullable=True),
        _time("posture_at", nullable=True),
    )
    op.create_table(
        "devices_users",
        _ref("device_id", "devices_devices", primary_key=True),
        sa.Column("user_id", sa.String(40), primary_key=True, index=True),
        _time("seen_at"),
    )


def _trust() -> None:
    op.create_table(
        "trust_networks",
        sa.Column("list", sa.String(16), primary_key=True),
        sa.Column("network", sa.String(49), primary_key=True),
        sa.Column("reason", sa.String(400), nullable=False),
        sa.Column("listed_by", sa.String(120), nullable=False),
        _time("listed_at"),
        _time("expires_at", nullable=True),
        sa.CheckConstraint("list IN ('block', 'allow', 'suspicious')", name="list_is_known"),
    )
    op.create_table(
        "trust_baselines",
        sa.Column("user_id", sa.String(40), primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        _time("updated_at"),
    )


# --- columns that come back ------------------------------------------------------------------------------------------


def _id(*, primary_key: bool = False, unique: bool | None = None) -> sa.Column[str]:
    return sa.Column("id", sa.String(40), primary_key=primary_key, unique=unique, nullable=False)


def _digest() -> sa.Column[bytes]:
    return sa.Column("digest", sa.LargeBinary(), primary_key=True)


def _ref(
    name: str, table: str, *, primary_key: bool = False, index: bool | None = None, unique: bool | None = None
) -> sa.Column[str]:
    target = sa.ForeignKey(f"{table}.id", ondelete="CASCADE")
    return sa.Column(name, sa.String(40), target, primary_key=primary_key, index=index, unique=unique, nullable=False)


def _time(name: str, *, nullable: bool = False, index: bool | None = None) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, index=index)


def _flag(name: str, *, nullable: bool = False) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(create_constraint=True, name=name), nullable=nullable)


def _unique_where(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=True, sqlite_where=where, postgresql_where=where)
