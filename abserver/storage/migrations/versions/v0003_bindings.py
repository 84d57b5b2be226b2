"""What is registered, and secrets that outlive the process."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "abserver_bindings",
        sa.Column("user", sa.String, primary_key=True),
        sa.Column("bindings", sa.String, nullable=False),
    )
    op.create_table(
        "abserver_secrets",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )
