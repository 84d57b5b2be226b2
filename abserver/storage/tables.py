"""Tables of relations, update lists, subscriptions and views; they change only by a new revision in `migrations`."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Column, DateTime, Integer, LargeBinary, MetaData, String, Table, TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy import Dialect


class Utc(TypeDecorator[datetime.datetime]):
    """An aware UTC datetime, kept without a zone, since SQLite has none to keep."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime.datetime | None, dialect: Dialect) -> datetime.datetime | None:
        return None if value is None else value.astimezone(datetime.UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime.datetime | None, dialect: Dialect) -> datetime.datetime | None:
        return None if value is None else value.replace(tzinfo=datetime.UTC)


metadata = MetaData()

relations = Table(
    "abserver_relations",
    metadata,
    Column("owner", String, primary_key=True),
    Column("watcher", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("levels", String, nullable=False, doc="JSON list of level names, sorted"),
    Column("rule", String, doc="id of the deciding rule"),
    Column("requested_at", Utc, nullable=False),
    Column("decided_at", Utc),
    Column("ended_at", Utc),
)

owners = Table(
    "abserver_owners",
    metadata,
    Column("owner", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("modified_at", Utc, nullable=False),
    Column("card_etag", String),
    Column("rules_etag", String),
    comment="the synchronization update list of the subscribed-for user",
)

devices = Table(
    "abserver_devices",
    metadata,
    Column("owner", String, primary_key=True),
    Column("watcher", String, primary_key=True),
    Column("device", String, primary_key=True),
    Column("tag", String, nullable=False, index=True, doc="the view last acknowledged"),
    Column("version", Integer, nullable=False),
    Column("at", Utc, nullable=False),
    comment="the synchronization update list of the subscriber devices",
)

departures = Table(
    "abserver_departures",
    metadata,
    Column("owner", String, primary_key=True),
    Column("watcher", String, primary_key=True),
    Column("device", String, primary_key=True),
    Column("tag", String, nullable=False, doc="the view that the device may have left unrecorded"),
    Column("version", Integer, nullable=False),
)

subscriptions = Table(
    "abserver_subscriptions",
    metadata,
    Column("call_id", String, primary_key=True),
    Column("local_tag", String, primary_key=True),
    Column("remote_tag", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("watcher", String, nullable=False),
    Column("device", String, nullable=False),
    Column("local_uri", String, nullable=False),
    Column("remote_uri", String, nullable=False),
    Column("remote_target", String, nullable=False),
    Column("route_set", String, nullable=False, doc="JSON list of Route values"),
    Column("local_cseq", Integer, nullable=False, doc="the ceiling reserved so far"),
    Column("remote_cseq", Integer),
    Column("event_id", String),
    Column("full_form", String, nullable=False),
    Column("patches", Integer, nullable=False),
    Column("told", String),
    Column("expires_at", Utc, nullable=False),
    Column("transport", String, nullable=False),
    Column("local_host", String, nullable=False),
    Column("local_port", Integer, nullable=False),
    Column("remote_host", String, nullable=False),
    Column("remote_port", Integer, nullable=False),
)

views = Table(
    "abserver_views",
    metadata,
    Column("tag", String, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
