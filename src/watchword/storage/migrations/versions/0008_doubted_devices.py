"""Note of an act in doubt whether it showed a device of the account itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of acts from before nobody knows."""
    op.add_column("trust_doubts", sa.Column("is_known_device", sa.Boolean(), nullable=True))
