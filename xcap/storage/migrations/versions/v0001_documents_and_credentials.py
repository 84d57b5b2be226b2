"""Documents by key with their etags, and users' digest hashes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "xcap_documents",
        sa.Column("auid", sa.String, primary_key=True),
        sa.Column("user", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("etag", sa.String, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("modified", sa.DateTime, nullable=False),
    )
    op.create_table(
        "xcap_credentials",
        sa.Column("user", sa.String, primary_key=True),
        sa.Column("algorithm", sa.String, primary_key=True),
        sa.Column("username", sa.String, primary_key=True),
        sa.Column("realm", sa.String, nullable=False),
        sa.Column("ha1", sa.String, nullable=False),
    )
