"""Contents move into versions, of which some more than the newest are kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "xcap_versions",
        sa.Column("auid", sa.String, primary_key=True),
        sa.Column("user", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("etag", sa.String, nullable=False),
        sa.Column("modified", sa.DateTime, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.execute(
        'INSERT INTO xcap_versions (auid, "user", name, number, "offset", etag, modified, content)'
        ' SELECT auid, "user", name, 1, 0, etag, modified, content FROM xcap_documents'
    )
    with op.batch_alter_table("xcap_documents") as table:
        table.add_column(sa.Column("size", sa.Integer, nullable=False, server_default="0"))
        table.add_column(sa.Column("number", sa.Integer, nullable=False, server_default="1"))
        table.add_column(sa.Column("offset", sa.BigInteger, nullable=False, server_default="0"))
    op.execute("UPDATE xcap_documents SET size = length(content)")
    with op.batch_alter_table("xcap_documents") as table:
        table.drop_column("content")
        for column in ("size", "number", "offset"):
            table.alter_column(column, server_default=None)
