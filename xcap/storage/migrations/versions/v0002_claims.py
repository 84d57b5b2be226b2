"""Values that only one document of a usage may hold, and finding all documents of a user."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "xcap_claims",
        sa.Column("auid", sa.String, primary_key=True),
        sa.Column("value", sa.String, primary_key=True),
        sa.Column("user", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
    )
    op.create_index("xcap_claims_holder", "xcap_claims", ["auid", "user", "name"])
    op.create_index("xcap_documents_user", "xcap_documents", ["user"])
