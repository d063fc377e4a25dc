"""Create the table of relation tuples."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create it, with an index for each side that people look tuples up by."""
    op.create_table(
        "policy_relation_tuples",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("object", sa.String(256), nullable=False, index=True),
        sa.Column("relation", sa.String(50), nullable=False),
        sa.Column("subject", sa.String(320), nullable=False, index=True),
        sa.Column("condition", sa.String(50), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("written_by", sa.String(120), nullable=False),
    )
