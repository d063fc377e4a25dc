"""Create the table of HMAC keys that outlive the master key they were derived from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create it, empty: as long as no sealing key was replaced, all are derived from the one there is."""
    op.create_table(
        "derived_keys",
        sa.Column("purpose", sa.String(80), primary_key=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
    )
