"""What every Journal promises: one suite, run on each of them, before and after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from abserver.app.stores import open_stores
from abserver.domain.relation import EVERY_LEVEL, Relation, RelationState
from abserver.domain.view import View
from abserver.events.contact_card import VCARD, XCARD, Formats
from abserver.ports import (
    Departure,
    DeviceKey,
    DeviceRecord,
    Journal,
    OwnerRecord,
    SubscriptionRecord,
    SubscriptionRemoved,
)
from abserver.sip.dialog import Dialog
from abserver.sip.headers import Substate
from abserver.sip.transport import Address, Flow, Transport
from tests.support.documents import ANN, BOB, CAROL, DAN
from tests.support.fakes import MemoryJournal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOW = datetime.datetime(2030, 5, 17, 11, 22, 33, 444555, tzinfo=datetime.UTC)
FLOW = Flow(Transport.UDP, Address("192.0.2.1", 5060), Address("192.0.2.7", 5071))
KEY = DeviceKey(ANN, BOB, "urn:uuid:1")

RELATION = Relation(
    owner=ANN,
    watcher=BOB,
    state=RelationState.CONFIRMED,
    levels=frozenset({"public", "friends"}),
    rule="w-bob",
    requested_at=NOW,
    decided_at=NOW + datetime.timedelta(microseconds=1),
    ended_at=None,
)
OWNER = OwnerRecord(owner=ANN, version=7, modified_at=NOW, card_etag="c", rules_etag=None)
DEVICE = DeviceRecord(key=KEY, tag="t", version=7, at=NOW)
DIALOG = Dialog(
    call_id="call",
    local_tag="ours",
    remote_tag="theirs",
    local_uri="sip:ann@example.com",
    remote_uri="sip:bob@example.com",
    remote_target="sip:bob@192.0.2.7:5071;transport=tcp",
    route_set=("sip:p1.example.com;lr", "sip:p2.example.com;lr"),
    local_cseq=256,
    remote_cseq=2,
)
SUBSCRIPTION = SubscriptionRecord(
    key=KEY,
    dialog=DIALOG,
    event_id=None,
    formats=Formats(XCARD, patches=True),
    told=Substate.ACTIVE,
    expires_at=NOW,
    flow=FLOW,
)


class Opened:
    """A journal that can be closed and opened again."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._url = f"sqlite:///{folder}/journal.sqlite"
        self._open = contextlib.AsyncExitStack()
        self._memory = MemoryJournal() if kind == "memory" else None

    async def journal(self) -> Journal:
        """The journal, after a restart if it was open before."""
        await self.close()
        if self._memory is not None:
            return self._memory
        return (await self._open.enter_async_context(open_stores(self._url))).journal

    async def close(self) -> None:
        await self._open.aclose()
        self._open = contextlib.AsyncExitStack()


@pytest.fixture(params=["memory", "sqlite"])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opened]:
    opened = Opened(request.param, tmp_path)
    yield opened
    await opened.close()


async def test_there_is_nothing_at_first(opened: Opened) -> None:
    journal = await opened.journal()
    known = await journal.load()
    assert [*known.relations, *known.owners, *known.devices, *known.departures, *known.subscriptions] == []
    assert await journal.view("t") is None


async def test_every_kind_of_record_comes_back_after_a_restart_as_it_was(opened: Opened) -> None:
    departure = Departure(DEVICE.key, "t", 7)
    await (await opened.journal()).write(
        RELATION, OWNER, DEVICE, departure, SUBSCRIPTION, View(b"<\xc3\xbc/>\x00", "t")
    )
    journal = await opened.journal()
    known = await journal.load()
    assert list(known.relations) == [RELATION]
    assert list(known.owners) == [OWNER]
    assert list(known.devices) == [DEVICE]
    assert list(known.departures) == [departure]
    assert list(known.subscriptions) == [SUBSCRIPTION]
    assert await journal.view("t") == View(b"<\xc3\xbc/>\x00", "t")


@pytest.mark.parametrize("state", RelationState)
async def test_a_relation_in_any_state_comes_back(opened: Opened, state: RelationState) -> None:
    relation = replace(RELATION, state=state, levels=frozenset({EVERY_LEVEL}), rule=None, decided_at=None, ended_at=NOW)
    await (await opened.journal()).write(relation)
    assert list((await (await opened.journal()).load()).relations) == [relation]


async def test_a_subscription_with_every_field_at_its_other_extreme_comes_back(opened: Opened) -> None:
    record = replace(
        SUBSCRIPTION,
        dialog=replace(DIALOG, remote_tag="", route_set=(), local_cseq=2**31 - 1, remote_cseq=None),
        event_id="7",
        formats=Formats(VCARD, patches=False),
        told=None,
        flow=Flow(Transport.TCP, Address("2001:db8::1", 5060), Address("2001:db8::7", 65535)),
    )
    await (await opened.journal()).write(record)
    assert list((await (await opened.journal()).load()).subscriptions) == [record]


async def test_times_come_back_as_aware_utc_from_any_zone_to_the_microsecond(opened: Opened) -> None:
    india = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    await (await opened.journal()).write(replace(OWNER, modified_at=NOW.astimezone(india)))
    [owner] = (await (await opened.journal()).load()).owners
    assert owner.modified_at == NOW
    assert owner.modified_at.utcoffset() in (datetime.timedelta(0), india.utcoffset(None))


async def test_the_last_record_of_a_key_wins_within_a_write_and_over_writes(opened: Opened) -> None:
    journal = await opened.journal()
    await journal.write(OWNER, replace(OWNER, version=8), replace(OWNER, version=9))
    await journal.write(DEVICE)
    await journal.write(replace(DEVICE, tag="other"))
    await asyncio.gather(*(journal.write(replace(RELATION, rule=str(number))) for number in range(50)))
    known = await (await opened.journal()).load()
    assert [record.version for record in known.owners] == [9]
    assert [record.tag for record in known.devices] == ["other"]
    assert [record.rule for record in known.relations] == ["49"]


async def test_records_of_different_keys_stand_side_by_side(opened: Opened) -> None:
    journal = await opened.journal()
    relations = [replace(RELATION, owner=owner, watcher=watcher) for owner in (ANN, DAN) for watcher in (BOB, CAROL)]
    devices = [replace(DEVICE, key=replace(KEY, device=f"d{number}")) for number in range(3)]
    dialogs = [replace(SUBSCRIPTION, dialog=replace(DIALOG, local_tag=f"l{number}")) for number in range(3)]
    await journal.write(*relations, *devices, *dialogs)
    known = await (await opened.journal()).load()
    assert len(known.relations) == 4
    assert {record.key.device for record in known.devices} == {"d0", "d1", "d2"}
    assert {record.dialog.local_tag for record in known.subscriptions} == {"l0", "l1", "l2"}


async def test_a_removed_subscription_is_gone_and_no_other(opened: Opened) -> None:
    journal = await opened.journal()
    other = replace(SUBSCRIPTION, dialog=replace(DIALOG, remote_tag="else"))
    await journal.write(SUBSCRIPTION, other)
    await journal.write(SubscriptionRemoved("call", "ours", "theirs"), SubscriptionRemoved("never", "was", "here"))
    assert list((await (await opened.journal()).load()).subscriptions) == [other]


async def test_a_removal_and_a_record_in_one_write_count_in_their_order(opened: Opened) -> None:
    journal = await opened.journal()
    removed = SubscriptionRemoved("call", "ours", "theirs")
    await journal.write(SUBSCRIPTION, removed)
    assert list((await journal.load()).subscriptions) == []
    await journal.write(SUBSCRIPTION)
    await journal.write(removed, SUBSCRIPTION)
    assert list((await journal.load()).subscriptions) == [SUBSCRIPTION]


async def test_what_was_loaded_and_written_lives_apart_from_the_journal(opened: Opened) -> None:
    journal = await opened.journal()
    written = replace(SUBSCRIPTION, dialog=replace(DIALOG))
    await journal.write(written)
    written.dialog.next_request("NOTIFY")
    [loaded] = (await journal.load()).subscriptions
    assert loaded.dialog.local_cseq == 256
    loaded.dialog.next_request("NOTIFY")
    [again] = (await journal.load()).subscriptions
    assert again.dialog.local_cseq == 256


async def test_collecting_keeps_the_views_that_a_device_record_names_and_no_others(opened: Opened) -> None:
    journal = await opened.journal()
    await journal.write(View(b"1", "t"), View(b"2", "old"), DEVICE)
    await journal.collect()
    assert await journal.view("t") == View(b"1", "t")
    assert await journal.view("old") is None


async def test_collecting_keeps_the_departures_that_put_a_device_in_doubt_and_no_others(opened: Opened) -> None:
    journal = await opened.journal()
    newer, elsewhere = (replace(DEVICE, key=replace(KEY, device=name), tag="u", version=8) for name in ("new", "other"))
    doubtful, settled = Departure(KEY, "t", 7), Departure(newer.key, "u", 6)
    passed, unheard = Departure(elsewhere.key, "t", 9), Departure(replace(KEY, device="unheard"), "t", 9)
    await journal.write(DEVICE, newer, elsewhere, doubtful, settled, passed, unheard)
    await journal.collect()
    assert list((await journal.load()).departures) == [doubtful]


async def test_a_write_is_all_or_nothing(tmp_path: Path) -> None:
    async with open_stores(f"sqlite:///{tmp_path}/journal.sqlite") as stores:
        broken = replace(RELATION, rule=object())  # type: ignore[arg-type]  # no column takes it
        with pytest.raises(Exception, match=r"rule|type|bind"):
            await stores.journal.write(OWNER, broken)
        assert list((await stores.journal.load()).owners) == []
        await stores.journal.write(OWNER)
        assert list((await stores.journal.load()).owners) == [OWNER]
