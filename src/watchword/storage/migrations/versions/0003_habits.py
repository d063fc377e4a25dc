"""Create the table of habits: what behaviour is judged by, a row for each account and one for all together."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create it, with an index to read by which habits are used."""
    op.create_table(
        "trust_habits",
        sa.Column("owner", sa.String(40), primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_trust_habits_updated_at", "trust_habits", ["updated_at"])
