"""Devices under numbers, times as numbers, terms and package of a subscription, the history of decisions.

Tables whose columns change are made anew beside the old ones, and all rows are taken over.
"""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import op

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PART = 1000
"""Rows taken over at a time."""

CHANGED = ("relations", "owners", "devices", "departures", "subscriptions")

_EPOCH = datetime.datetime(1970, 1, 1)
_TIMES = dict.fromkeys(("requested_at", "decided_at", "ended_at", "modified_at", "at", "expires_at"), sa.DateTime)

Row = dict[str, Any]


def upgrade() -> None:
    op.drop_index("ix_abserver_devices_tag", "abserver_devices")
    for name in CHANGED:
        op.rename_table(f"abserver_{name}", f"abserver_{name}_old")
    _take_over("relations", _relations(), _with_numbers)
    _take_over("owners", _owners(), _with_numbers)
    _take_over("subscriptions", _subscriptions(), _with_terms)
    _take_over_devices()
    for name in CHANGED:
        op.drop_table(f"abserver_{name}_old")
    _make_decisions()


# -- the tables -----------------------------------------------------------------------------------------------------


def _relations() -> sa.Table:
    return op.create_table(
        "abserver_relations",
        sa.Column("owner", sa.String, primary_key=True),
        sa.Column("watcher", sa.String, primary_key=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("levels", sa.String, nullable=False),
        sa.Column("rule", sa.String),
        sa.Column("requested_at", sa.BigInteger, nullable=False),
        sa.Column("decided_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
    )


def _owners() -> sa.Table:
    return op.create_table(
        "abserver_owners",
        sa.Column("owner", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("modified_at", sa.BigInteger, nullable=False),
        sa.Column("card_etag", sa.String),
        sa.Column("rules_etag", sa.String),
    )


def _subscriptions() -> sa.Table:
    return op.create_table(
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
        sa.Column("local_cseq", sa.BigInteger, nullable=False),
        sa.Column("remote_cseq", sa.BigInteger),
        sa.Column("package", sa.String, nullable=False),
        sa.Column("event_id", sa.String),
        sa.Column("terms", sa.String, nullable=False),
        sa.Column("told", sa.String),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("transport", sa.String, nullable=False),
        sa.Column("local_host", sa.String, nullable=False),
        sa.Column("local_port", sa.Integer, nullable=False),
        sa.Column("remote_host", sa.String, nullable=False),
        sa.Column("remote_port", sa.Integer, nullable=False),
    )


def _make_decisions() -> None:
    op.create_table(
        "abserver_decisions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("watcher", sa.String, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("rule", sa.String),
        sa.Column("by", sa.String, nullable=False),
    )
    op.create_index("ix_abserver_decisions", "abserver_decisions", ["owner", "watcher", "id"])


# -- the rows -------------------------------------------------------------------------------------------------------


def _take_over(name: str, new: sa.Table, changed: Callable[[Row], Row]) -> None:
    """Every row of the old table, changed, into the new one."""
    bind = op.get_bind()
    columns = [column["name"] for column in sa.inspect(bind).get_columns(f"abserver_{name}_old")]
    old = sa.table(f"abserver_{name}_old", *(sa.column(each, _TIMES.get(each)) for each in columns))
    for part in bind.execute(sa.select(old)).mappings().partitions(PART):
        bind.execute(sa.insert(new), [changed(dict(row)) for row in part])


def _with_numbers(row: Row) -> Row:
    """Times as microseconds."""
    times = {name: row[name] for name in _TIMES if row.get(name) is not None}
    return row | {name: (time - _EPOCH) // datetime.timedelta(microseconds=1) for name, time in times.items()}


def _with_terms(row: Row) -> Row:
    terms = {"full": row.pop("full_form")} | ({"patches": True} if row.pop("patches") else {})
    return _with_numbers(row) | {"package": "contact-card", "terms": json.dumps(terms, separators=(",", ":"))}


def _take_over_devices() -> None:
    """Those that acknowledged something, and those that only departed, get numbers."""
    op.create_table(
        "abserver_devices",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("watcher", sa.String, nullable=False),
        sa.Column("device", sa.String, nullable=False),
    )
    op.create_index("uq_abserver_devices", "abserver_devices", ["device", "watcher", "owner"], unique=True)
    op.create_index("ix_abserver_devices_owner", "abserver_devices", ["owner"])
    op.execute(
        "INSERT INTO abserver_devices (owner, watcher, device)"
        " SELECT owner, watcher, device FROM abserver_devices_old"
        " UNION SELECT owner, watcher, device FROM abserver_departures_old"
    )
    numbers = _numbers(op.get_bind())
    deliveries = op.create_table(
        "abserver_deliveries",
        sa.Column("device", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("tag", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    _take_over("devices", deliveries, lambda row: _numbered(_with_numbers(row), numbers))
    departures = op.create_table(
        "abserver_departures",
        sa.Column("device", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("tag", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    _take_over("departures", departures, lambda row: _numbered(row, numbers))


def _numbers(bind: sa.Connection) -> dict[Sequence[str], int]:
    rows = bind.execute(sa.text("SELECT owner, watcher, device, id FROM abserver_devices"))
    return {(owner, watcher, device): number for owner, watcher, device, number in rows}


def _numbered(row: Row, numbers: dict[Sequence[str], int]) -> Row:
    return row | {"device": numbers[row.pop("owner"), row.pop("watcher"), row["device"]]}
