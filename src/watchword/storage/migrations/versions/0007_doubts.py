"""Create the table of acts that were in doubt, about which their owners are asked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create it, with an index for each side that it is looked up by."""
    op.create_table(
        "trust_doubts",
        sa.Column("act", sa.String(120), primary_key=True),
        sa.Column("user_id", sa.String(120), nullable=False, index=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("answer", sa.String(16), nullable=False),
        sa.Column("session", sa.String(120), nullable=False),
        sa.Column("device", sa.String(120), nullable=False),
        sa.Column("application", sa.String(200), nullable=False),
        sa.Column("ip", sa.String(45), nullable=False),
        sa.Column("user_agent", sa.String(400), nullable=False),
        sa.Column("margin", sa.Float(), nullable=False),
        sa.Column("indicator_values", sa.Text(), nullable=False),
        sa.CheckConstraint("answer IN ('allow', 'step_up', 'approval', 'deny')", name="answer_is_known"),
    )
