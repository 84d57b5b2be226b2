"""The stores that services see, in memory, with the ways of failing that matter: slow, broken, crashed."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import itertools
from collections import defaultdict, deque
from typing import TYPE_CHECKING

from abserver.domain.relation import Relation
from abserver.domain.view import View
from abserver.ports import (
    MOST_DECISIONS,
    BindingsRecord,
    DecisionRecord,
    Departure,
    DeviceRecord,
    Ground,
    OwnerRecord,
    SecretRecord,
    Snapshot,
    StoredDocument,
    SubscriptionRecord,
    SubscriptionRemoved,
)
from abserver.sip.dialog import DialogId

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Sequence

    from abserver.domain.identity import Owner, Watcher
    from abserver.ports import DeviceKey, Record
    from abserver.sip.bindings import Binding


class MemoryJournal:
    """`abserver.ports.Journal`: what was acknowledged survives the death of a process that it was `opened` for.

    latency: seconds until a write is acknowledged. fault: raised by writes in its place while it is set.
    """

    def __init__(self, latency: float = 0.0) -> None:
        self.latency = latency
        self.fault: Exception | None = None
        self.writes: list[tuple[Record, ...]] = []
        """What was acknowledged, in order."""
        self._relations: dict[tuple[Owner, Watcher], Relation] = {}
        self._owners: dict[Owner, OwnerRecord] = {}
        self._devices: dict[DeviceKey, DeviceRecord] = {}
        self._subscriptions: dict[DialogId, SubscriptionRecord] = {}
        self._departures: dict[DeviceKey, Departure] = {}
        self._views: dict[str, View] = {}
        self._bindings: dict[str, BindingsRecord] = {}
        self._secrets: dict[str, SecretRecord] = {}
        self._decisions: defaultdict[tuple[Owner, Watcher], deque[DecisionRecord]] = defaultdict(
            lambda: deque(maxlen=MOST_DECISIONS)
        )

    def write(self, *records: Record) -> asyncio.Future[None]:
        return self.opened().write(*records)

    def opened(self) -> OpenedJournal:
        """This journal for one process."""
        return OpenedJournal(self)

    async def load(self) -> Snapshot:
        await asyncio.sleep(self.latency)
        return Snapshot(
            relations=list(self._relations.values()),
            owners=list(self._owners.values()),
            devices=list(self._devices.values()),
            departures=list(self._departures.values()),
            subscriptions=[_apart(record) for record in self._subscriptions.values()],
            bindings=list(self._bindings.values()),
            secrets=list(self._secrets.values()),
        )

    async def view(self, tag: str) -> View | None:
        await asyncio.sleep(self.latency)
        return self._views.get(tag)

    async def held_by(self, watcher: Watcher, owner: Owner) -> Sequence[DeviceRecord]:
        await asyncio.sleep(self.latency)
        found = [each for key, each in self._devices.items() if (key.owner, key.watcher) == (owner, watcher)]
        return sorted(found, key=lambda record: record.key.device)

    async def decisions(self, owner: Owner, watcher: Watcher | None = None) -> Sequence[DecisionRecord]:
        await asyncio.sleep(self.latency)
        found = [kept for pair, kept in self._decisions.items() if pair[0] == owner and watcher in (None, pair[1])]
        return sorted(itertools.chain(*found), key=lambda record: record.at)

    async def collect(self) -> None:
        named = {record.tag for record in self._devices.values()}
        self._views = {tag: view for tag, view in self._views.items() if tag in named}
        self._departures = {
            key: each
            for key, each in self._departures.items()
            if (record := self._devices.get(key)) and record.tag == each.tag and record.version <= each.version
        }

    async def forget(self, before: datetime.datetime) -> Sequence[DeviceKey]:
        subscribed = {record.key for record in self._subscriptions.values()}
        silent = [key for key, each in self._devices.items() if each.at < before and key not in subscribed]
        for key in silent:
            del self._devices[key]
            self._departures.pop(key, None)
        return silent

    def keep(self, records: tuple[Record, ...]) -> None:
        """Take records as durable."""
        self.writes.append(records)
        for record in records:
            self._keep(record)

    def _keep(self, record: Record) -> None:
        match record:
            case Relation():
                self._relations[record.owner, record.watcher] = record
            case OwnerRecord():
                self._owners[record.owner] = record
            case DeviceRecord():
                self._devices[record.key] = record
            case Departure():
                self._departures[record.key] = record
            case SubscriptionRecord():
                self._subscriptions[record.dialog.id] = _apart(record)
            case SubscriptionRemoved():
                self._subscriptions.pop(DialogId(record.call_id, record.local_tag, record.remote_tag), None)
            case DecisionRecord():
                self._decisions[record.owner, record.watcher].append(record)
            case BindingsRecord() if record.bindings:
                self._bindings[record.user] = _unconnected(record)
            case BindingsRecord():
                self._bindings.pop(record.user, None)
            case SecretRecord():
                self._secrets[record.name] = record
            case View():
                self._views[record.tag] = record

    # -- for assertions ---------------------------------------------------------------------------------------------

    def relation(self, owner: Owner, watcher: Watcher) -> Relation | None:
        return self._relations.get((owner, watcher))

    def owner(self, owner: Owner) -> OwnerRecord | None:
        return self._owners.get(owner)

    def device(self, key: DeviceKey) -> DeviceRecord | None:
        return self._devices.get(key)

    def bindings(self, user: str) -> Sequence[Binding]:
        record = self._bindings.get(user)
        return record.bindings if record else ()

    def devices(self) -> Sequence[DeviceRecord]:
        return list(self._devices.values())

    def subscriptions(self) -> Sequence[SubscriptionRecord]:
        return list(self._subscriptions.values())


class OpenedJournal:
    """The journal as one process has it: when that is killed, whatever is on its way never happens."""

    def __init__(self, journal: MemoryJournal) -> None:
        self._journal = journal
        self._alive = True
        self._under_way: deque[tuple[tuple[Record, ...], asyncio.Future[None]]] = deque()
        """Written in the order of the calls, also where two end at the same time."""
        self.load = journal.load
        self.view = journal.view
        self.decisions = journal.decisions
        self.held_by = journal.held_by
        self.collect = journal.collect
        self.forget = journal.forget

    def kill(self) -> None:
        self._alive = False

    def write(self, *records: Record) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._under_way.append((records, done))
        loop.call_later(self._journal.latency, self._acknowledge)
        return done

    def _acknowledge(self) -> None:
        if not self._alive:
            return
        records, done = self._under_way.popleft()
        if self._journal.fault is None:
            self._journal.keep(records)
        if done.done():
            return
        if self._journal.fault is not None:
            done.set_exception(self._journal.fault)
        else:
            done.set_result(None)


def _apart(record: SubscriptionRecord) -> SubscriptionRecord:
    """The record with a dialog of its own, as if it had been on a disk."""
    return record._replace(dialog=dataclasses.replace(record.dialog))


def _unconnected(record: BindingsRecord) -> BindingsRecord:
    """The record without the numbers of connections, which no disk keeps."""
    flows = ((each, dataclasses.replace(each.flow, connection=0)) for each in record.bindings)
    return BindingsRecord(record.user, tuple(dataclasses.replace(each, flow=flow) for each, flow in flows))


class MemoryDocuments:
    """`abserver.ports.Documents`, with edits that are announced before they return.

    latency: seconds that a read takes; it sees what was there when it began.
    """

    def __init__(self, latency: float = 0.0) -> None:
        self.latency = latency
        self.reads = 0
        self.publish: Callable[[Owner], None] = lambda owner: None
        self._cards: dict[Owner, StoredDocument] = {}
        self._rules: dict[Owner, StoredDocument] = {}
        self._grounds: defaultdict[Ground, dict[Owner, StoredDocument]] = defaultdict(dict)

    async def card(self, owner: Owner) -> StoredDocument | None:
        return await self._read(self._cards, owner)

    async def rules(self, owner: Owner) -> StoredDocument | None:
        return await self._read(self._rules, owner)

    async def ground(self, owner: Owner, ground: Ground) -> StoredDocument | None:
        return await self._read(self._grounds[ground], owner)

    async def _read(self, documents: dict[Owner, StoredDocument], owner: Owner) -> StoredDocument | None:
        self.reads += 1
        document = documents.get(owner)
        if self.latency:
            await asyncio.sleep(self.latency)
        return document

    def put_card(self, owner: Owner, content: bytes | None) -> None:
        """Edit the card; None removes it."""
        self._put(self._cards, owner, content)

    def put_rules(self, owner: Owner, content: bytes | None) -> None:
        """Edit the rules; None removes them."""
        self._put(self._rules, owner, content)

    def put_ground(self, owner: Owner, ground: Ground, content: bytes | None) -> None:
        """Edit what the rules rest on; None removes it."""
        self._put(self._grounds[ground], owner, content)

    def put_silently(self, owner: Owner, content: bytes) -> None:
        """Edit the card without telling anybody: a hint that was lost."""
        self._cards[owner] = StoredDocument(content, hashlib.sha256(content).hexdigest())

    def _put(self, documents: dict[Owner, StoredDocument], owner: Owner, content: bytes | None) -> None:
        if content is None:
            documents.pop(owner, None)
        else:
            documents[owner] = StoredDocument(content, hashlib.sha256(content).hexdigest())
        self.publish(owner)
