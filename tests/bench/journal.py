"""What durability costs: each kind of write in CPU time of all threads.

The writes go the way they go in the server, update lists and outbox included.
"""

from __future__ import annotations

import asyncio
import datetime
import statistics
import tempfile
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from abserver.app.stores import open_stores
from abserver.domain.identity import Aor, Owner, Watcher
from abserver.domain.relation import Relation, RelationState
from abserver.domain.view import View
from abserver.events.contact_card import XCARD, Formats
from abserver.events.terms import Terms
from abserver.ports import DeviceKey, OwnerRecord, SubscriptionRecord
from abserver.services.outbox import Outbox
from abserver.services.update_lists import UpdateLists
from abserver.sip.dialog import Dialog
from abserver.sip.headers import Substate
from abserver.sip.transport import Address, Flow, Transport
from tests.bench.measuring import ROUNDS, Row
from xcap.interpreter import spare_what_stays

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Sequence

    from abserver.ports import Record

CALLS = 5_000
AT_ONCE = 64
"""Subscribers that ask at the same time."""

NOW = datetime.datetime.now(datetime.UTC)
TERMS = Terms(Formats(XCARD, patches=True))


def rows() -> Iterator[Row]:
    """One row for each kind of write."""
    spare_what_stays()  # as the server does
    yield from asyncio.run(_writes())


# -- writes ---------------------------------------------------------------------------------------------------------


async def _writes() -> list[Row]:
    keys = [_key(0, number) for number in range(CALLS)]
    news: list[Sequence[Record]] = [[_relation(key), _subscription(key, n)] for n, key in enumerate(keys)]
    async with _outbox() as outbox:
        lists = UpdateLists([OwnerRecord(keys[0].owner, CALLS, NOW, None, None)])
        subscribed = await _cpu(_write_all(outbox, news))
        refreshed = [await _cpu(_write_all(outbox, [new[1:] for new in news])) for _ in range(ROUNDS)]
        first = await _cpu(_acknowledge(outbox, lists, keys, View(b"<card/>" * 200, "0")))
        told = [await _cpu(_tell(outbox, lists, keys, round_)) for round_ in range(1, ROUNDS + 1)]
    return [
        Row("journal: a new subscription with its relation", subscribed, "µs", f"CPU; {AT_ONCE} ask at once"),
        Row("journal: a refresh", statistics.median(refreshed), "µs", f"CPU; {AT_ONCE} ask at once"),
        Row("journal: the first acknowledgement of a device", first, "µs", "CPU"),
        Row("journal: a NOTIFY", statistics.median(told), "µs", "CPU; departure and acknowledgement"),
    ]


@asynccontextmanager
async def _outbox() -> AsyncIterator[Outbox]:
    with tempfile.TemporaryDirectory(prefix="abserver-bench-") as folder:
        async with open_stores(f"sqlite:///{folder}/abserver.db") as stores:
            outbox = Outbox(stores.journal)
            running = asyncio.create_task(outbox.run())
            yield outbox
            running.cancel()


async def _cpu(work: Awaitable[None]) -> float:
    """Microseconds of CPU time for each of CALLS."""
    started = time.process_time()
    await work
    return (time.process_time() - started) / CALLS * 1e6


async def _write_all(outbox: Outbox, writes: Sequence[Iterable[Record]]) -> None:
    for begin in range(0, len(writes), AT_ONCE):
        await asyncio.gather(*(outbox.write(*records) for records in writes[begin : begin + AT_ONCE]))


async def _tell(outbox: Outbox, lists: UpdateLists, keys: Sequence[DeviceKey], version: int) -> None:
    """All devices are sent another view, and acknowledge it."""
    view = View(b"<card/>" * 200, f"{version:032}")
    departures = [departure for key in keys if (departure := lists.departure(key, view)) is not None]
    await outbox.write(*departures)
    for departure in departures:
        lists.departed(departure)
    may_be_told = [key for key in keys if lists.departure(key, view) is None]
    assert len(may_be_told) == len(departures) == len(keys)
    await _acknowledge(outbox, lists, may_be_told, view)


async def _acknowledge(outbox: Outbox, lists: UpdateLists, keys: Sequence[DeviceKey], view: View) -> None:
    version = int(view.tag)
    for number, key in enumerate(keys):
        record = lists.delivered(key, view, version, NOW)
        if record is not None:
            outbox.put(view, record)
        if number % 200 == 0:
            await asyncio.sleep(0)
    await outbox.drained()


# -- records ---------------------------------------------------------------------------------------------------------


def _key(owner: int, watcher: int) -> DeviceKey:
    return DeviceKey(
        Owner(Aor(f"sip:owner{owner}@example.com")),
        Watcher(Aor(f"sip:w{watcher}@example.com")),
        f"urn:uuid:00000000-0000-1000-8000-{watcher:012x}",
    )


def _relation(key: DeviceKey) -> Relation:
    return Relation(key.owner, key.watcher, RelationState.CONFIRMED, frozenset({"level0"}), "all", NOW, NOW, None)


def _subscription(key: DeviceKey, number: int) -> SubscriptionRecord:
    host = f"127.1.{number >> 8 & 255}.{number & 255}"
    dialog = Dialog(
        call_id=f"{number:032x}@{host}",
        local_tag=f"{number:016x}",
        remote_tag=f"{number:08x}",
        local_uri=key.owner,
        remote_uri=key.watcher,
        remote_target=f"sip:w{number}@{host}:5060",
        local_cseq=257,
        remote_cseq=1,
    )
    flow = Flow(Transport.UDP, Address("127.0.0.1", 5060), Address(host, 5060))
    until = NOW + datetime.timedelta(hours=12)
    return SubscriptionRecord(key, dialog, "contact-card", None, TERMS, Substate.ACTIVE, until, flow)
