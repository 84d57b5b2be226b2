"""Watcher information at the notifier: who watches an owner in a package (RFC 3857).

One server for each package that is watched: `WatcherInfos` over `CardWatchers` serves `contact-card.winfo`, over
`InfoWatchers` `contact-card.winfo.winfo` (`watched.py`). The table of an owner lives as long as the owner subscribes to
it. A watcher who may see his own row has a table of his own, so that nothing in it depends on who else looks. Whatever
may have changed is looked at again when a subscriber is told (`settle`): what he is told is true at that moment.

Nothing of it is kept over a restart: relations and subscriptions are, and the table follows from them. A subscriber
whose dialog is taken up again is told everything, in a document of a version that is higher than any before.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from abserver.domain.identity import Aor, Owner, Watcher
from abserver.domain.relation import WinfoEvent
from abserver.events.contact_card import Entity
from abserver.events.quirks import Quirks
from abserver.events.winfo.document import Row, Status, WatcherInfo, write
from abserver.events.winfo.package import WATCHERINFO, winfo_of
from abserver.events.winfo.table import Telling, Watchers, WatcherTable
from abserver.services.watched import Sight
from abserver.services.winfo_filtering import Selected, WatcherFiltering
from abserver.sip.headers import EventReason, Substate
from abserver.sip.message import Response
from abserver.sip.uas import make_response

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from abserver.domain.relation import RelationEvent
    from abserver.events.subscription import Notice
    from abserver.ports import Clock, DeviceKey, Record
    from abserver.services.followers import Followed, Followers
    from abserver.services.reconciling import Reconciler
    from abserver.services.senders import Sender
    from abserver.services.watched import Inner
    from abserver.sip.message import Request

_WHY = {Sight.NOT_YET: EventReason.GIVEUP, Sight.NONE: EventReason.REJECTED}
"""Why a subscription ends that shows nothing any more."""

TURN = 500
"""Watchers, or subscribers, handled before other work gets a turn."""


class WatcherInfos:
    """Serves watcher information about one package (a `PackageServer`)."""

    def __init__(
        self,
        inner: Inner,
        *,
        followers: Followers,
        reconciler: Reconciler,
        clock: Clock,
        pump: Callable[[Followed], object],
        pace: float = 5.0,
    ) -> None:
        """followers: of watcher information. pump: sends a follower what is due (`Notifier.pump`).

        pace: seconds between two NOTIFYs to one subscriber.
        """
        self.inner = inner
        self.package = winfo_of(inner.server.package, pace=pace)
        self.followers = followers
        self._reconciler = reconciler
        self._clock = clock
        self._pump = pump
        self._tables: dict[Owner, WatcherTable] = {}
        self._building = asyncio.Lock()
        self._suspects: dict[Owner, dict[Watcher, None]] = {}
        """Watchers whose rows may not be true any more, of the owners whose tables there are or are being built."""
        self._own: dict[Followed, WatcherTable] = {}
        """The tables of those who see their own row."""
        self._tellings: dict[Followed, Telling] = {}
        self._filtering = WatcherFiltering(self._timed)
        inner.server.followers.listen(self._inner_came_or_went)
        followers.listen(self._came_or_went)

    # -- what changes -----------------------------------------------------------------------------------------------

    def hint(self, owner: Owner) -> None:
        """The rules of `owner` may say something else about who may see what."""
        if self.followers.of(owner):
            self._reconciler.hint(self, owner)

    def related(self, event: RelationEvent) -> None:
        """A relation changed (`Relating.on_change`)."""
        self._suspect(event.new.owner, event.new.watcher)

    def _inner_came_or_went(self, inner: Followed) -> None:
        if inner.lasting:
            self._suspect(inner.key.owner, inner.key.watcher)

    def _suspect(self, owner: Owner, watcher: Watcher) -> None:
        suspects = self._suspects.get(owner)
        if suspects is not None:
            suspects[watcher] = None
        if suspects is not None or self.followers.by(owner, watcher):
            self._reconciler.hint(self, owner)

    def _came_or_went(self, followed: Followed) -> None:
        owner = followed.key.owner
        if not followed.living:
            self._tellings.pop(followed, None)
            self._own.pop(followed, None)
            self._filtering.forget(followed)
        if not self.followers.by(owner, Watcher(Aor(owner))):
            self._tables.pop(owner, None)
            self._suspects.pop(owner, None)

    # -- a SUBSCRIBE ------------------------------------------------------------------------------------------------

    async def admit(self, request: Request, sender: Sender) -> Owner | Response:
        """404, 403 and 433 as for the package that is watched; 403 for whoever may see nothing, and 433 for who is not
        to be named: it is his own row that he would see."""
        owner = await self.inner.server.admit(request, sender)
        if isinstance(owner, Response):
            return owner
        if sender.is_hidden_from(owner):
            return make_response(request, 433)
        while (sight := self.inner.sight(owner, sender.identity)) is None:
            await self.inner.ready(owner)
        return owner if sight in (Sight.ALL, Sight.OWN) else make_response(request, 403)

    def known_as(self, owner: Owner, sender: Sender) -> Watcher:
        """By name."""
        return sender.identity

    def held(self, followed: Followed) -> str | None:
        """None: a subscription begins without a table."""
        return None

    def acknowledged(self, key: DeviceKey) -> str | None:
        """None: after a restart everything is told again."""
        return None

    def requested(self, followed: Followed, request: Request) -> Sequence[Record]:
        """Nothing is promised but the subscription."""
        return ()

    def subscribed(self, followed: Followed) -> None:
        """`settle` sees to it."""

    def ended(self, followed: Followed) -> None:
        """`Followers` told of it."""

    # -- what should be there ---------------------------------------------------------------------------------------

    async def ready(self, followed: Followed) -> None:
        """The rules of the owner; and the table of his watchers, for himself."""
        owner, watcher = followed.key.owner, followed.key.watcher
        await self.inner.ready(owner)
        if self.inner.sight(owner, watcher) is Sight.ALL:
            async with self._building:
                if owner not in self._tables and followed.living:
                    await self._build(owner)

    async def _build(self, owner: Owner) -> None:
        """Make the table, in turns; who changes meanwhile is suspected, and looked at before anybody is told."""
        self._suspects.setdefault(owner, {})
        table = WatcherTable(owner, self.inner.server.package.name)
        for number, watcher in enumerate(list(self.inner.watchers(owner)), start=1):
            self._note(table, owner, watcher, self.inner.standing(owner, watcher).came_by)
            if number % TURN == 0:
                await asyncio.sleep(0)
        if owner in self._suspects:  # else all subscribers left meanwhile, and changes were not noted any more
            self._tables[owner] = table

    def _note(
        self, table: WatcherTable, owner: Owner, watcher: Watcher, came_by: WinfoEvent = WinfoEvent.SUBSCRIBE
    ) -> None:
        watched = any(each.lasting for each in self.inner.server.followers.by(owner, watcher))
        table.note(watcher, self.inner.standing(owner, watcher).state, watched=watched, came_by=came_by)

    def settle(self, followed: Followed) -> bool:
        """Show what the subscriber may see, brought up to date first."""
        owner, watcher = followed.key.owner, followed.key.watcher
        table: WatcherTable | None = None
        match self.inner.sight(owner, watcher):
            case Sight.ALL:
                table = self._tables.get(owner)
                self._bring_up_to_date(table, owner)
            case Sight.OWN:
                table = self._own_table(followed)
                self._note(table, owner, watcher)
            case Sight.NOT_YET | Sight.NONE as ends:
                followed.machine.terminate(_WHY[ends])
                return True
        if table is None:
            return False
        asked = followed.settled is None
        if asked:  # a SUBSCRIBE: everything is to be told
            self._telling(followed).start_over()
        followed.settled = table
        asked = asked or followed.machine.behind or followed.machine.standing is not Substate.ACTIVE
        held_to = self._filtering.held_to(followed, table.state(), asked=asked)
        if held_to is not None:
            followed.machine.set_active(held_to)
        return True

    def _bring_up_to_date(self, table: WatcherTable | None, owner: Owner) -> None:
        suspects = self._suspects.get(owner)
        while table is not None and suspects:
            watcher, _ = suspects.popitem()
            self._note(table, owner, watcher)

    def _own_table(self, followed: Followed) -> WatcherTable:
        table = self._own.get(followed)
        if table is None:
            package = self.inner.server.package.name
            table = self._own[followed] = WatcherTable(followed.key.owner, package, buckets=1)
        return table

    async def reconcile(self, owner: Owner) -> None:
        """Bring all subscribers of watcher information about `owner` up to date."""
        for number, followed in enumerate(self.followers.of(owner), start=1):
            while followed.living and not self.settle(followed):
                await self.ready(followed)
            if followed.living:
                self._pump(followed)
            if number % TURN == 0:
                await asyncio.sleep(0)

    # -- a NOTIFY ---------------------------------------------------------------------------------------------------

    def preparations(self, followed: Followed) -> Sequence[Record]:
        """Nothing: after a crash everything is told again."""
        return ()

    def prepared(self, record: Record) -> None:
        """There is none."""

    def entity(self, followed: Followed, notice: Notice) -> Entity | None:
        """The watchers who are new to the subscriber, or all that its filter selects, or all; nothing where nothing is
        shown or nothing is new."""
        telling, always = self._telling(followed), Quirks.BODY_ALWAYS in followed.terms.quirks
        if isinstance(notice.view, Selected) and (always or not notice.unchanged):
            return Entity(WATCHERINFO, self._filtering.document(notice.view, telling.take_version()))
        if not isinstance(notice.view, Watchers):
            return None
        document = None if notice.unchanged else telling.document(notice.view)
        if document is None and always:
            telling.start_over()
            document = telling.document(notice.view)
        return None if document is None else Entity(WATCHERINFO, write(self._timed(document)))

    def delivered(self, followed: Followed, notice: Notice) -> None:
        """The next document begins where this one ends."""
        if isinstance(notice.view, Selected):
            self._filtering.delivered(followed, notice.view)
        elif isinstance(notice.view, Watchers):
            self._telling(followed).acknowledged()

    def _telling(self, followed: Followed) -> Telling:
        """A document's version is below the CSeq of its NOTIFY: a dialog that was taken up again after a restart goes
        on above the numbers that the journal reserved, and so do its versions."""
        telling = self._tellings.get(followed)
        if telling is None:
            telling = self._tellings[followed] = Telling(followed.dialog.local_cseq or 0)
        return telling

    def _timed(self, document: WatcherInfo) -> WatcherInfo:
        """The document with the times of this moment."""
        [each] = document.lists
        owner = Owner(Aor(each.resource))
        return replace(document, lists=(replace(each, rows=tuple(self._timed_row(owner, row) for row in each.rows)),))

    def _timed_row(self, owner: Owner, row: Row) -> Row:
        if row.status is Status.TERMINATED:
            return row
        watcher, now = Watcher(Aor(row.uri)), self._clock.now()
        ends = [each.machine.expires_at for each in self.inner.server.followers.by(owner, watcher) if each.lasting]
        since = self.inner.standing(owner, watcher).asks_since
        return replace(
            row,
            expiration=max(0, int(max(ends) - now)) if ends else None,
            duration=None if since is None else max(0, int((self._clock.utc() - since).total_seconds())),
        )
