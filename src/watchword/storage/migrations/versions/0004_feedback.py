"""Create the tables of labels and suppressions: what people say of acts, and what is all right for a while."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both, with an index for each side that they are looked up by."""
    op.create_table(
        "trust_labels",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("act", sa.String(120), nullable=False, index=True),
        sa.Column("user_id", sa.String(120), nullable=False, index=True),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("is_attack", sa.Boolean(create_constraint=True, name="is_attack"), nullable=False),
        sa.Column("given_by", sa.String(120), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("margin", sa.Float(), nullable=False),
        sa.Column("indicator_values", sa.Text(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("review", sa.String(16), nullable=False),
        sa.CheckConstraint("source IN ('owner', 'analyst', 'step_up')", name="source_is_known"),
        sa.CheckConstraint("review IN ('none', 'released', 'rejected')", name="review_is_known"),
        sa.CheckConstraint("weight > 0 AND weight <= 1", name="weight_is_a_share"),
    )
    op.create_table(
        "trust_suppressions",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("user_id", sa.String(120), nullable=False, index=True),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("value", sa.String(120), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(400), nullable=False),
        sa.Column("given_by", sa.String(120), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("scope IN ('network', 'device', 'country')", name="scope_is_known"),
    )
