"""Tables of relations, update lists, subscriptions, views and decisions; they change only by a new revision in
`migrations`.

Times are whole microseconds since 1970, UTC: neither database has to be asked what a zone is, and a number costs less
than a text. What is written with every NOTIFY, the update list of a device and its departure, is a short row under the
number that `devices` gives the device.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData()

relations = Table(
    "abserver_relations",
    metadata,
    Column("owner", String, primary_key=True),
    Column("watcher", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("levels", String, nullable=False, doc="JSON list of level names, sorted"),
    Column("rule", String, doc="id of the deciding rule"),
    Column("requested_at", BigInteger, nullable=False),
    Column("decided_at", BigInteger),
    Column("ended_at", BigInteger),
)

# The synchronization update list of the subscribed-for user.
owners = Table(
    "abserver_owners",
    metadata,
    Column("owner", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    Column("card_etag", String),
    Column("rules_etag", String),
)

devices = Table(
    "abserver_devices",
    metadata,
    Column("id", Integer, primary_key=True, doc="given by the journal"),
    Column("owner", String, nullable=False, index=True),
    Column("watcher", String, nullable=False),
    Column("device", String, nullable=False),
    Index("uq_abserver_devices", "device", "watcher", "owner", unique=True),
)

# The synchronization update list of the subscriber devices.
deliveries = Table(
    "abserver_deliveries",
    metadata,
    Column("device", Integer, primary_key=True, autoincrement=False, doc="id in the table of devices"),
    Column("tag", String, nullable=False, doc="the view last acknowledged"),
    Column("version", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
)

departures = Table(
    "abserver_departures",
    metadata,
    Column("device", Integer, primary_key=True, autoincrement=False, doc="id in the table of devices"),
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
    Column("local_cseq", BigInteger, nullable=False, doc="the ceiling reserved so far"),
    Column("remote_cseq", BigInteger),
    Column("package", String, nullable=False),
    Column("event_id", String),
    Column("terms", String, nullable=False, doc="JSON (Terms)"),
    Column("told", String),
    Column("expires_at", BigInteger, nullable=False),
    Column("transport", String, nullable=False),
    Column("local_host", String, nullable=False),
    Column("local_port", Integer, nullable=False),
    Column("remote_host", String, nullable=False),
    Column("remote_port", Integer, nullable=False),
)

# The history of the owners' decisions.
decisions = Table(
    "abserver_decisions",
    metadata,
    Column("id", Integer, primary_key=True, doc="given by the database, in their order"),
    Column("owner", String, nullable=False),
    Column("watcher", String, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("rule", String),
    Column("by", String, nullable=False),
    Index("ix_abserver_decisions", "owner", "watcher", "id"),
)

# What is registered, all of a user in one row: it is read at a start, and written with each REGISTER.
bindings = Table(
    "abserver_bindings",
    metadata,
    Column("user", String, primary_key=True),
    Column("bindings", String, nullable=False, doc="JSON list"),
)

secrets = Table(
    "abserver_secrets",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

views = Table(
    "abserver_views",
    metadata,
    Column("tag", String, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
