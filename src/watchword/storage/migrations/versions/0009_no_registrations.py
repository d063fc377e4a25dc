"""Drop the table of pending passkey registrations; a challenge proves by itself for which session it was made."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop it; what waited in it was good for ten minutes."""
    op.drop_table("identity_registrations")
