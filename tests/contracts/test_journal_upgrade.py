"""Upgrading the journal's tables: nothing is lost, and the revisions arrive at the tables that the code uses."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, DateTime, LargeBinary, bindparam, text

from abserver.app.stores import open_stores
from abserver.domain.relation import Relation, RelationState
from abserver.domain.view import View
from abserver.events.contact_card import VCARD, XCARD, Formats
from abserver.events.terms import Terms
from abserver.ports import Departure, DeviceKey, DeviceRecord, OwnerRecord, SubscriptionRecord
from abserver.sip.dialog import Dialog
from abserver.sip.headers import Substate
from abserver.sip.transport import Address, Flow, Transport
from abserver.storage.journal import MIGRATIONS, VERSION_TABLE, upgrade
from abserver.storage.tables import metadata
from tests.support.documents import ANN, BOB, CAROL
from xcap.storage import migrate
from xcap.storage.database import open_database

if TYPE_CHECKING:
    import pytest
    from sqlalchemy.types import TypeEngine

    from xcap.storage.database import Database

THEN = datetime.datetime(2026, 3, 29, 1, 59, 59, 999999, tzinfo=datetime.UTC)
LATER = datetime.datetime(2026, 7, 1, tzinfo=datetime.UTC)


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return list(compare_metadata(context, metadata))


async def test_the_revisions_make_exactly_the_tables_of_the_code(database_url: str) -> None:
    async with open_database(database_url) as database:
        await upgrade(database)
        found: list[object] = []
        await database.change_tables(lambda connection: found.extend(differences(connection)))
        assert found == []


SUBSCRIPTION_0001 = {
    "call_id": "call",
    "local_tag": "ours",
    "remote_tag": "theirs",
    "owner": ANN,
    "watcher": BOB,
    "device": "d1",
    "local_uri": "sip:ann@example.com",
    "remote_uri": "sip:bob@example.com",
    "remote_target": "sip:bob@192.0.2.7",
    "route_set": '["sip:p1.example.com;lr"]',
    "local_cseq": 512,
    "remote_cseq": None,
    "event_id": None,
    "full_form": XCARD,
    "patches": 1,
    "told": "active",
    "expires_at": LATER,
    "transport": "UDP",
    "local_host": "192.0.2.1",
    "local_port": 5060,
    "remote_host": "192.0.2.7",
    "remote_port": 5071,
}
OTHER_0001 = {"call_id": "other", "full_form": VCARD, "patches": 0, "told": None, "event_id": "7", "remote_cseq": 3}
TIMES = ("requested_at", "decided_at", "ended_at", "modified_at", "at", "expires_at")


def insert_as_0001(connection: Connection, table: str, **row: Any) -> None:
    """As the program of that schema did: a time as a text or timestamp without a zone, which is UTC."""
    kinds: dict[str, TypeEngine[Any]] = {**dict.fromkeys(TIMES, DateTime()), "content": LargeBinary()}
    types = [bindparam(name, type_=kind) for name, kind in kinds.items() if name in row]
    columns, values = ", ".join(row), ", ".join(f":{name}" for name in row)
    plain = {
        name: value.replace(tzinfo=None) if isinstance(value, datetime.datetime) else value
        for name, value in row.items()
    }
    statement = text(f"INSERT INTO abserver_{table} ({columns}) VALUES ({values})").bindparams(*types)
    connection.execute(statement, plain)


def fill_as_0001(connection: Connection) -> None:
    decided = {"levels": '["friends", "public"]', "rule": "w-bob", "decided_at": LATER, "ended_at": None}
    insert_as_0001(connection, "relations", owner=ANN, watcher=BOB, state="confirmed", requested_at=THEN, **decided)
    open_ = {"levels": "[]", "rule": None, "decided_at": None, "ended_at": None}
    insert_as_0001(connection, "relations", owner=ANN, watcher=CAROL, state="pending", requested_at=LATER, **open_)
    insert_as_0001(connection, "owners", owner=ANN, version=9, modified_at=THEN, card_etag="c", rules_etag=None)
    for device in ("d1", "d2"):
        insert_as_0001(
            connection, "devices", owner=ANN, watcher=BOB, device=device, tag=f"t-{device}", version=8, at=THEN
        )
    insert_as_0001(connection, "departures", owner=ANN, watcher=BOB, device="d2", tag="t-d2", version=9)
    insert_as_0001(connection, "departures", owner=ANN, watcher=CAROL, device="gone", tag="x", version=1)
    insert_as_0001(connection, "views", tag="t-d1", content=b"\x00<card/>")
    insert_as_0001(connection, "subscriptions", **SUBSCRIPTION_0001)
    insert_as_0001(connection, "subscriptions", **SUBSCRIPTION_0001 | OTHER_0001)


async def made_as_0001(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database as the program of the first schema left it."""
    to_0001 = command.upgrade
    with monkeypatch.context() as patched:
        patched.setattr(command, "upgrade", lambda config, revision: to_0001(config, "0001"))
        await migrate.upgrade(database, MIGRATIONS, VERSION_TABLE)
    await database.change_tables(fill_as_0001)


async def test_all_that_the_first_schema_held_is_there_after_the_upgrade(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_database(database_url) as database:
        await made_as_0001(database, monkeypatch)
    async with open_stores(database_url) as stores:
        known = await stores.journal.load()
        view = await stores.journal.view("t-d1")
    levels = frozenset({"friends", "public"})
    assert list(known.relations) == [
        Relation(ANN, BOB, RelationState.CONFIRMED, levels, "w-bob", THEN, LATER, None),
        Relation(ANN, CAROL, RelationState.PENDING, frozenset(), None, LATER, None, None),
    ]
    assert list(known.owners) == [OwnerRecord(ANN, 9, THEN, "c", None)]
    d1, d2 = (DeviceKey(ANN, BOB, device) for device in ("d1", "d2"))
    assert sorted(known.devices) == [DeviceRecord(d1, "t-d1", 8, THEN), DeviceRecord(d2, "t-d2", 8, THEN)]
    assert sorted(known.departures) == [Departure(d2, "t-d2", 9), Departure(DeviceKey(ANN, CAROL, "gone"), "x", 1)]
    assert view == View(b"\x00<card/>", "t-d1")
    dialog = Dialog("call", "ours", "theirs", ANN, BOB, "sip:bob@192.0.2.7", ("sip:p1.example.com;lr",), local_cseq=512)
    flow = Flow(Transport.UDP, Address("192.0.2.1", 5060), Address("192.0.2.7", 5071))
    terms = Terms(Formats(XCARD, patches=True))
    first = SubscriptionRecord(d1, dialog, "contact-card", None, terms, Substate.ACTIVE, LATER, flow)
    assert known.subscriptions[0] == first
    other = known.subscriptions[1]
    assert (other.dialog.call_id, other.dialog.remote_cseq, other.event_id) == ("other", 3, "7")
    assert (other.terms, other.told) == (Terms(Formats(VCARD, patches=False)), None)


async def test_what_was_upgraded_is_written_to_under_its_old_keys(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = DeviceKey(ANN, BOB, "d1")
    async with open_database(database_url) as database:
        await made_as_0001(database, monkeypatch)
    async with open_stores(database_url) as stores:
        newer, another = DeviceRecord(key, "new", 10, LATER), DeviceRecord(key._replace(device="d3"), "x", 1, LATER)
        await stores.journal.write(newer, another)
        known = await stores.journal.load()
    assert [record.tag for record in known.devices if record.key == key] == ["new"]
    assert {record.key.device for record in known.devices} == {"d1", "d2", "d3"}
