"""A phone that follows watcher information and keeps the tables that it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from abserver.domain.identity import Watcher
from abserver.events.winfo.document import Status, WatcherInfo, read
from abserver.events.winfo.tables import Applied, Tables

if TYPE_CHECKING:
    from abserver.domain.identity import Aor, Owner
    from abserver.sip.message import Response
    from tests.support.phone import Phone
    from tests.support.world import World

WINFO = "contact-card.winfo"


class Seen(NamedTuple):
    """A row as it matters to people."""

    watcher: str
    status: str
    event: str


class Watchman:
    """A subscriber of watcher information."""

    def __init__(self, phone: Phone, owner: Owner, event: str) -> None:
        self.phone = phone
        self.owner = owner
        self.event = event

    @property
    def documents(self) -> list[WatcherInfo]:
        """What came, in order."""
        return [read(each.body) for each in self.phone.notifies if each.body]

    @property
    def last(self) -> list[Seen]:
        """The rows of the last document."""
        return [
            Seen(row.uri, row.status.value, row.event.value) for each in self.documents[-1].lists for row in each.rows
        ]

    @property
    def tables(self) -> Tables:
        """What a client makes of all documents; none of them leaves a gap."""
        tables = Tables()
        for document in self.documents:
            assert tables.apply(document) is Applied.DONE
        return tables

    @property
    def sees(self) -> dict[str, str]:
        """The status of each watcher, as a client knows it."""
        return {row.uri: row.status.value for row in self.tables.rows[self.owner].values()}

    async def subscribe(self, **fields: str | None) -> Response:
        return await self.phone.subscribe(self.owner, Event=self.event, **fields)

    async def refresh(self, **fields: str | None) -> Response:
        return await self.phone.refresh(Event=self.event, **fields)


async def watchman(world: World, who: Aor, owner: Owner, *, event: str = WINFO) -> Watchman:
    """A phone of `who`, to be subscribed."""
    return Watchman(await world.phone(Watcher(who)), owner, event)


async def watching(world: World, who: Aor, owner: Owner, *, event: str = WINFO) -> Watchman:
    """A phone of `who` that is subscribed."""
    found = await watchman(world, who, owner, event=event)
    response = await found.subscribe()
    assert response.status == 200, response
    await world.pass_time(6.0)
    return found


ACTIVE, PENDING, WAITING, TERMINATED = (
    each.value for each in (Status.ACTIVE, Status.PENDING, Status.WAITING, Status.TERMINATED)
)
