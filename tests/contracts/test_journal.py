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
from abserver.events.rates import Rates
from abserver.events.terms import Terms
from abserver.ports import (
    MOST_DECISIONS,
    BindingsRecord,
    DecisionRecord,
    Departure,
    DeviceKey,
    DeviceRecord,
    Journal,
    OwnerRecord,
    SecretRecord,
    SubscriptionRecord,
    SubscriptionRemoved,
)
from abserver.sip.bindings import Binding
from abserver.sip.dialog import Dialog
from abserver.sip.headers import Substate
from abserver.sip.transport import Address, Flow, Transport
from tests.support.documents import ANN, BOB, CAROL, DAN
from tests.support.fakes import MemoryJournal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

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
    package="contact-card",
    event_id=None,
    terms=Terms(Formats(XCARD, patches=True)),
    told=Substate.ACTIVE,
    expires_at=NOW,
    flow=FLOW,
)


class Opened:
    """A journal that can be closed and opened again."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._open = contextlib.AsyncExitStack()
        self._memory = MemoryJournal()

    async def journal(self) -> Journal:
        """The journal, after a restart if it was open before."""
        await self.close()
        if self._url is None:
            return self._memory
        return (await self._open.enter_async_context(open_stores(self._url))).journal

    async def close(self) -> None:
        await self._open.aclose()
        self._open = contextlib.AsyncExitStack()


@pytest.fixture
async def opened(storage: str | None) -> AsyncIterator[Opened]:
    opened = Opened(storage)
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


BINDING = Binding(
    uri="sip:bob@10.0.0.2;ob",
    display='Bob "the \\" phone',
    params=(("+sip.instance", '"<urn:uuid:1>"'), ("reg-id", "1"), ("audio", None), ("q", "0.5")),
    path=("<sip:p2;lr>", "<sip:p1;lr;ob>"),
    call_id="call\udc80",
    cseq=2**31 - 1,
    expires_at=NOW,
    updated_at=NOW - datetime.timedelta(microseconds=1),
    flow=Flow(Transport.TLS, Address("2001:db8::1", 5061), Address("2001:db8::7", 65535)),
    direct=False,
    reg_id=1,
    index="00ff00ff00ff00ff",
    agent="Phone/1.0 ☃",
)
PLAIN = Binding(uri="sip:bob@192.0.2.7", call_id="c", cseq=0, expires_at=NOW, updated_at=NOW, flow=FLOW)


async def test_what_is_registered_comes_back_after_a_restart(opened: Opened) -> None:
    others = BindingsRecord(CAROL, (PLAIN,))
    await (await opened.journal()).write(BindingsRecord(BOB, (BINDING, PLAIN)), others)
    known = await (await opened.journal()).load()
    assert sorted(known.bindings, key=lambda each: each.user) == [BindingsRecord(BOB, (BINDING, PLAIN)), others]


async def test_a_flow_that_is_registered_comes_back_without_its_connection(opened: Opened) -> None:
    connected = replace(PLAIN, flow=replace(FLOW, transport=Transport.TCP, connection=7))
    await (await opened.journal()).write(BindingsRecord(BOB, (connected,)))
    [record] = (await (await opened.journal()).load()).bindings
    assert record.bindings[0].flow == replace(FLOW, transport=Transport.TCP)


async def test_the_last_that_is_said_of_a_user_counts_and_without_bindings_nothing_is_left(opened: Opened) -> None:
    journal = await opened.journal()
    await journal.write(BindingsRecord(BOB, (PLAIN,)), BindingsRecord(BOB, (BINDING,)), BindingsRecord(CAROL, (PLAIN,)))
    assert BindingsRecord(BOB, (BINDING,)) in (await journal.load()).bindings
    await journal.write(BindingsRecord(BOB, ()))
    assert list((await (await opened.journal()).load()).bindings) == [BindingsRecord(CAROL, (PLAIN,))]


async def test_a_secret_comes_back_and_shows_nowhere(opened: Opened) -> None:
    journal = await opened.journal()
    await journal.write(SecretRecord("a", b"old"), SecretRecord("b", b"other"), SecretRecord("a", b"\x00new"))
    known = await (await opened.journal()).load()
    assert {each.name: each.value for each in known.secrets} == {"a": b"\x00new", "b": b"other"}
    assert "new" not in repr(known)


@pytest.mark.parametrize("state", RelationState)
async def test_a_relation_in_any_state_comes_back(opened: Opened, state: RelationState) -> None:
    relation = replace(RELATION, state=state, levels=frozenset({EVERY_LEVEL}), rule=None, decided_at=None, ended_at=NOW)
    await (await opened.journal()).write(relation)
    assert list((await (await opened.journal()).load()).relations) == [relation]


async def test_a_subscription_with_every_field_at_its_other_extreme_comes_back(opened: Opened) -> None:
    record = SUBSCRIPTION._replace(
        dialog=replace(DIALOG, remote_tag="", route_set=(), local_cseq=2**31 - 1, remote_cseq=None),
        package="xcap-diff",
        event_id="7",
        terms=Terms(Formats(VCARD, patches=False), Rates(1.5, 0.25, 0.5), "text/x", b"\x00\xff", quenched=True),
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
    await journal.write(DEVICE._replace(tag="other"))
    await asyncio.gather(*(journal.write(replace(RELATION, rule=str(number))) for number in range(50)))
    known = await (await opened.journal()).load()
    assert [record.version for record in known.owners] == [9]
    assert [record.tag for record in known.devices] == ["other"]
    assert [record.rule for record in known.relations] == ["49"]


async def test_records_of_different_keys_stand_side_by_side(opened: Opened) -> None:
    journal = await opened.journal()
    relations = [replace(RELATION, owner=owner, watcher=watcher) for owner in (ANN, DAN) for watcher in (BOB, CAROL)]
    devices = [DEVICE._replace(key=KEY._replace(device=f"d{number}")) for number in range(3)]
    dialogs = [SUBSCRIPTION._replace(dialog=replace(DIALOG, local_tag=f"l{number}")) for number in range(3)]
    await journal.write(*relations, *devices, *dialogs)
    known = await (await opened.journal()).load()
    assert len(known.relations) == 4
    assert {record.key.device for record in known.devices} == {"d0", "d1", "d2"}
    assert {record.dialog.local_tag for record in known.subscriptions} == {"l0", "l1", "l2"}


async def test_a_removed_subscription_is_gone_and_no_other(opened: Opened) -> None:
    journal = await opened.journal()
    other = SUBSCRIPTION._replace(dialog=replace(DIALOG, remote_tag="else"))
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
    written = SUBSCRIPTION._replace(dialog=replace(DIALOG))
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
    newer, elsewhere = (DEVICE._replace(key=KEY._replace(device=name), tag="u", version=8) for name in ("new", "other"))
    doubtful, settled = Departure(KEY, "t", 7), Departure(newer.key, "u", 6)
    passed, unheard = Departure(elsewhere.key, "t", 9), Departure(KEY._replace(device="unheard"), "t", 9)
    await journal.write(DEVICE, newer, elsewhere, doubtful, settled, passed, unheard)
    await journal.collect()
    assert list((await journal.load()).departures) == [doubtful]


DECISION = DecisionRecord(owner=ANN, watcher=BOB, at=NOW, state=RelationState.CONFIRMED, rule="w-bob", by="cli")


async def test_decisions_are_all_kept_in_their_order_for_their_owner(opened: Opened) -> None:
    journal = await opened.journal()
    undone = replace(DECISION, at=NOW + datetime.timedelta(seconds=1), state=RelationState.ENDED, rule=None, by="clock")
    of_carol = replace(DECISION, watcher=CAROL, at=NOW + datetime.timedelta(seconds=2))
    await journal.write(DECISION, replace(DECISION, owner=DAN))
    await journal.write(undone, of_carol)
    journal = await opened.journal()
    assert list(await journal.decisions(ANN)) == [DECISION, undone, of_carol]
    assert list(await journal.decisions(ANN, BOB)) == [DECISION, undone]
    assert list(await journal.decisions(DAN, CAROL)) == []


async def test_devices_that_went_for_good_are_forgotten(opened: Opened) -> None:
    journal = await opened.journal()
    gone, here, late = (KEY._replace(device=name) for name in ("gone", "here", "late"))
    await journal.write(*(DeviceRecord(key, "tag", 1, NOW) for key in (gone, here)))
    await journal.write(DeviceRecord(late, "tag", 1, NOW + datetime.timedelta(days=1)), Departure(gone, "tag", 1))
    await journal.write(SUBSCRIPTION._replace(key=here))
    assert list(await journal.forget(NOW)) == []
    assert list(await journal.forget(NOW + datetime.timedelta(seconds=1))) == [gone]
    known = await journal.load()
    assert {record.key for record in known.devices} == {here, late}
    assert known.departures == []
    await journal.write(DeviceRecord(gone, "other", 2, NOW))
    assert {record.key for record in (await journal.load()).devices} == {gone, here, late}


async def test_of_the_decisions_about_a_watcher_a_collection_leaves_the_newest(opened: Opened) -> None:
    journal = await opened.journal()
    at = [NOW + datetime.timedelta(seconds=each) for each in range(MOST_DECISIONS + 2)]
    await journal.write(replace(DECISION, watcher=CAROL))
    for each in at:
        await journal.write(replace(DECISION, at=each))
    await journal.collect()
    assert [record.at for record in await journal.decisions(ANN, BOB)] == at[2:]
    await journal.write(*(replace(DECISION, at=each, by="xcap") for each in at))
    await journal.collect()
    assert [record.by for record in await journal.decisions(ANN, BOB)] == ["xcap"] * MOST_DECISIONS
    assert len(await journal.decisions(ANN, CAROL)) == 1


async def test_what_the_devices_of_a_watcher_hold_of_an_owner_is_found(opened: Opened) -> None:
    journal = await opened.journal()
    second = DEVICE._replace(key=KEY._replace(device="a second one"), tag="t2")
    others = [DEVICE._replace(key=key) for key in (KEY._replace(watcher=CAROL), KEY._replace(owner=DAN))]
    await journal.write(DEVICE, second, *others)
    assert list(await journal.held_by(BOB, ANN)) == sorted([DEVICE, second])
    assert list(await journal.held_by(BOB, DAN)) == [others[1]]
    assert list(await journal.held_by(CAROL, DAN)) == []


async def test_devices_that_came_before_and_after_a_restart_keep_apart(opened: Opened) -> None:
    """Whether the journal was loaded before it is written to or not."""
    journal = await opened.journal()
    devices = [DEVICE._replace(key=KEY._replace(device=f"d{number}"), tag=f"t{number}") for number in range(4)]
    await journal.write(devices[0], devices[1])
    journal = await opened.journal()
    await journal.write(devices[2], Departure(devices[0].key, "t0", 7))
    journal = await opened.journal()
    await journal.load()
    await journal.write(devices[3], devices[1]._replace(tag="new"), Departure(devices[2].key, "t2", 7))
    known = await (await opened.journal()).load()
    assert {record.key.device: record.tag for record in known.devices} == {
        "d0": "t0",
        "d1": "new",
        "d2": "t2",
        "d3": "t3",
    }
    assert {each.key.device: each.tag for each in known.departures} == {"d0": "t0", "d2": "t2"}


async def test_one_device_may_follow_several_owners_for_several_watchers(opened: Opened) -> None:
    journal = await opened.journal()
    records = [DEVICE._replace(key=DeviceKey(o, w, "d"), tag=f"{o}{w}") for o in (ANN, DAN) for w in (BOB, CAROL)]
    await journal.write(*records[:2])
    await journal.write(*records)
    assert sorted((await (await opened.journal()).load()).devices) == sorted(records)


async def test_writes_take_effect_in_the_order_of_the_calls(opened: Opened) -> None:
    journal = await opened.journal()
    writes = [journal.write(replace(OWNER, version=number)) for number in range(20)]
    await writes[0]
    await asyncio.gather(*reversed(writes))
    assert [record.version for record in (await journal.load()).owners] == [19]


async def test_a_flood_in_one_write_is_all_there(opened: Opened) -> None:
    journal = await opened.journal()
    records = [DEVICE._replace(key=KEY._replace(device=f"d{number:04}"), version=number) for number in range(1000)]
    await journal.write(*records, *(Departure(each.key, "t", each.version) for each in records))
    known = await (await opened.journal()).load()
    assert sorted(known.devices) == records
    assert sorted(known.departures) == [Departure(each.key, "t", each.version) for each in records]


async def test_a_write_is_all_or_nothing(database_url: str) -> None:
    async with open_stores(database_url) as stores:
        broken = replace(RELATION, rule=object())  # type: ignore[arg-type]  # no column takes it
        with pytest.raises(Exception, match=r"rule|type|bind|expected"):
            await stores.journal.write(OWNER, DEVICE, broken)
        known = await stores.journal.load()
        assert [*known.owners, *known.devices] == []
        await stores.journal.write(OWNER, DEVICE)
        known = await stores.journal.load()
        assert [*known.owners, *known.devices] == [OWNER, DEVICE]


async def test_numbers_of_devices_from_a_write_that_failed_are_forgotten(database_url: str) -> None:
    """Else they would be given to other devices."""
    async with open_stores(database_url) as stores:
        journal, other = stores.journal, DEVICE._replace(key=KEY._replace(device="other"), tag="u")
        with pytest.raises(Exception, match=r"rule|type|bind|expected|NULL|null"):
            await journal.write(DEVICE, replace(DECISION, by=None))  # type: ignore[arg-type]  # refused by the table
        await journal.write(other)
        await journal.write(DEVICE)
        assert sorted((await journal.load()).devices) == sorted([DEVICE, other])
        assert list(await journal.devices(ANN)) == sorted([DEVICE, other])
        assert list(await journal.devices(DAN)) == []
