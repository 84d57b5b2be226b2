"""The relation list, the synchronization update lists, subscriptions over restarts, delivered views."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "abserver_relations",
        sa.Column("owner", sa.String, primary_key=True),
        sa.Column("watcher", sa.String, primary_key=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("levels", sa.String, nullable=False),
        sa.Column("rule", sa.String),
        sa.Column("requested_at", sa.DateTime, nullable=False),
        sa.Column("decided_at", sa.DateTime),
        sa.Column("ended_at", sa.DateTime),
    )
    op.create_table(
        "abserver_owners",
        sa.Column("owner", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("modified_at", sa.DateTime, nullable=False),
        sa.Column("card_etag", sa.String),
        sa.Column("rules_etag", sa.String),
    )
    op.create_table(
        "abserver_devices",
        sa.Column("owner", sa.String, primary_key=True),
        sa.Column("watcher", sa.String, primary_key=True),
        sa.Column("device", sa.String, primary_key=True),
        sa.Column("tag", sa.String, nullable=False, index=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "abserver_departures",
        sa.Column("owner", sa.String, primary_key=True),
        sa.Column("watcher", sa.String, primary_key=True),
        sa.Column("device", sa.String, primary_key=True),
        sa.Column("tag", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "abserver_subscriptions",
        sa.Column("call_id", sa.String, primary_key=True),
        sa.Column("local_tag", sa.String, primary_key=True),
        sa.Column("remote_tag", sa.String, primary_key=True),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("watcher", sa.String, nullable=False),
        sa.Column("device", sa.String, nullable=False),
        sa.Column("local_uri", sa.String, nullable=False),
        sa.Column("remote_uri", sa.String, nullable=False),
        sa.Column("remote_target", sa.String, nullable=False),
        sa.Column("route_set", sa.String, nullable=False),
        sa.Column("local_cseq", sa.Integer, nullable=False),
        sa.Column("remote_cseq", sa.Integer),
        sa.Column("event_id", sa.String),
        sa.Column("full_form", sa.String, nullable=False),
        sa.Column("patches", sa.Integer, nullable=False),
        sa.Column("told", sa.String),
        sa.Column("expires_at", sa.DateTime, nullable=False),
        sa.Column("transport", sa.String, nullable=False),
        sa.Column("local_host", sa.String, nullable=False),
        sa.Column("local_port", sa.Integer, nullable=False),
        sa.Column("remote_host", sa.String, nullable=False),
        sa.Column("remote_port", sa.Integer, nullable=False),
    )
    op.create_table(
        "abserver_views",
        sa.Column("tag", sa.String, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
