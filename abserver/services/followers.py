"""The subscriptions that live, of one package: one `Followed` per dialog, found by dialog, by device and by owner."""

from __future__ import annotations

import dataclasses
import datetime
import sys
from collections import defaultdict
from typing import TYPE_CHECKING

from abserver.domain.identity import ANONYMOUS, Aor, Watcher
from abserver.events.terms import Terms
from abserver.ports import SubscriptionRecord, SubscriptionRemoved
from abserver.sip.headers import Substate
from abserver.sip.uri import wants_flow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from abserver.domain.identity import Owner
    from abserver.events.contact_card import Formats
    from abserver.events.package import EventPackage
    from abserver.events.subscription import Gone, Subscription
    from abserver.events.terms import Terms
    from abserver.ports import DeviceKey, SendFailure
    from abserver.services.packages import PackageServer
    from abserver.sip.dialog import Dialog, DialogId
    from abserver.sip.message import Request
    from abserver.sip.transport import Flow


CSEQ_BLOCK = 256
"""CSeq numbers reserved in the journal at a time: a restart goes on above the block, so that none is used twice."""


@dataclasses.dataclass(slots=True, eq=False)
class Followed:
    """One subscription dialog of one device."""

    key: DeviceKey
    dialog: Dialog
    server: PackageServer
    event_id: str | None
    terms: Terms
    flow: Flow
    """That of its last SUBSCRIBE."""
    machine: Subscription
    heard_at: datetime.datetime | None = None
    """When that was; None if it was before the server started."""
    ceiling: int = 0
    """The highest CSeq that the journal has reserved for the dialog."""
    recorded: Substate | None = None
    """What the journal may say that the subscriber was told last."""
    booked: float | None = None
    """When the sweeper looks at it next."""
    lasting: bool = True
    """False for a poll: over with its first NOTIFY, and not worth a record (RFC 6665 §4.4.3)."""
    living: bool = False
    """Whether it is among the followers."""
    answering: int = 0
    """SUBSCRIBEs of the dialog that are made durable: a NOTIFY follows their answer, and nothing goes before it."""
    settled: object = None
    """What the machine was told last: a mark of the package's server, taken away when it has to be told again."""
    version: int = 0
    """The owner's modification version at the time of the last NOTIFY."""
    answer: int | SendFailure | None = None
    """What the last NOTIFY that is not on its way came to; None if there was none since the server started."""
    gone: Gone | None = None
    """Why it ended; None for one that lives, was replaced or was dropped."""
    identity: Watcher = dataclasses.field(init=False)
    """Who it is by the rules: the watcher of the key, unless that one has no name."""
    destination: str = dataclasses.field(init=False)
    """Where its NOTIFYs go first: the proxy nearest to us, else the device."""
    on_flow: bool = dataclasses.field(init=False)
    """Whether they leave on the flow of its SUBSCRIBE and on no other way (RFC 5626 §5.3, `ob`)."""

    @property
    def formats(self) -> Formats:
        return self.terms.formats

    @property
    def package(self) -> EventPackage:
        return self.server.package

    @property
    def is_hidden(self) -> bool:
        """Whether nobody is to learn who it is."""
        return self.key.watcher == ANONYMOUS

    @property
    def next_hop(self) -> tuple[str, bool]:
        """The URI to whose host the next NOTIFY goes, and whether it is of the Record-Route."""
        if self.on_flow:
            return f"sip:{self.flow.remote}", False
        routes = self.dialog.route_set
        return (routes[0], True) if routes else (self.dialog.remote_target, False)

    def __post_init__(self) -> None:
        self.identity = Watcher(Aor(self.terms.identity)) if self.terms.identity else self.key.watcher
        self._aim()

    def refresh(self, request: Request, flow: Flow, terms: Terms, utc: datetime.datetime) -> None:
        """Take over what a SUBSCRIBE of this dialog, which was accepted now, says of its sender."""
        self.dialog.refresh(request)
        self.flow, self.terms, self.heard_at = flow, terms, utc
        self._aim()

    def _aim(self) -> None:
        routes, target = self.dialog.route_set, self.dialog.remote_target
        self.on_flow = not routes and wants_flow(target)
        where = str(self.flow.remote) if self.on_flow else routes[0] if routes else target.rpartition("@")[2]
        self.destination = sys.intern(where)

    @property
    def is_out_of_numbers(self) -> bool:
        """Whether the journal has to reserve more CSeq numbers before the next request."""
        return self.lasting and (self.dialog.local_cseq or 0) >= self.ceiling

    @property
    def is_recorded_otherwise(self) -> bool:
        """Whether the journal may say that the subscriber was told another standing than it is to be told now.

        If it was told and that was lost in a crash, it would hear nothing when the standing goes back to the recorded
        one. So first the journal has to know nothing; as with departures (`update_lists`), which views have. After a
        last word nothing can go back.
        """
        standing = self.machine.standing
        return self.recorded not in (None, standing) and standing is not Substate.TERMINATED

    def record(self, now: float, utc: datetime.datetime) -> SubscriptionRecord:
        """What the journal is to keep; reserves CSeq numbers. `durable` has to be called once it is.

        What the subscriber was told counts only while it is what it is to be told.
        """
        told = self.machine.told if self.machine.told is self.machine.standing else None
        self.recorded = told or self.recorded
        return SubscriptionRecord(
            key=self.key,
            dialog=self.dialog.ahead(CSEQ_BLOCK),
            package=self.package.name,
            event_id=self.event_id,
            terms=self.terms,
            told=told,
            expires_at=utc + datetime.timedelta(seconds=self.machine.expires_at - now),
            flow=self.flow,
        )

    def durable(self, record: SubscriptionRecord) -> None:
        """The record is, and was the last one."""
        self.ceiling = record.dialog.local_cseq or 0
        if self.machine.told is not self.machine.standing:
            self.recorded = record.told

    def removal(self) -> SubscriptionRemoved:
        """What tells the journal that the dialog is over."""
        return SubscriptionRemoved(self.dialog.call_id, self.dialog.local_tag, self.dialog.remote_tag)


class Followers:
    """All subscription dialogs of one package."""

    def __init__(self) -> None:
        self._dialogs: dict[DialogId, Followed] = {}
        self._devices: dict[DeviceKey, Followed] = {}
        self._owners: defaultdict[Owner, dict[DialogId, Followed]] = defaultdict(dict)
        self._watchers: dict[tuple[Owner, Watcher], tuple[Followed, ...]] = {}
        """Mostly one each: a tuple of it has a fifth of a dict's size."""
        self._listeners: list[Callable[[Followed], None]] = []

    def listen(self, listener: Callable[[Followed], None]) -> None:
        """Have `listener` told of each dialog that comes or goes (`Followed.living`); it must only take note."""
        self._listeners.append(listener)

    def __len__(self) -> int:
        return len(self._dialogs)

    def add(self, followed: Followed) -> Followed | None:
        """Take in a dialog; returns the older one of the same device that it replaces.

        A device that restarted has forgotten its dialog, and would get everything twice. A poll replaces nothing.
        """
        dialog, key = followed.dialog.id, followed.key
        followed.living = True
        self._dialogs[dialog] = followed
        self._owners[key.owner][dialog] = followed
        self._watchers[key.owner, key.watcher] = (*self._watchers.get((key.owner, key.watcher), ()), followed)
        for listener in self._listeners:
            listener(followed)
        if not followed.lasting:
            return None
        stale = self._devices.get(followed.key)
        self._devices[followed.key] = followed
        return stale

    def remove(self, followed: Followed) -> None:
        """Forget a dialog; one that is not here stays forgotten."""
        followed.living = False
        self._dialogs.pop(followed.dialog.id, None)
        if self._devices.get(followed.key) is followed:
            del self._devices[followed.key]
        self._take_out(followed.key.owner, followed)
        for listener in self._listeners:
            listener(followed)

    def find(self, dialog: DialogId) -> Followed | None:
        """The dialog, unless its subscription is over: then a SUBSCRIBE in it gets 481 (RFC 6665 §4.2.1.2)."""
        followed = self._dialogs.get(dialog)
        return None if followed is None or followed.machine.over else followed

    def of(self, owner: Owner) -> Sequence[Followed]:
        """Those who follow `owner`, as of now."""
        return list(self._owners[owner].values()) if owner in self._owners else ()

    def by(self, owner: Owner, watcher: Watcher) -> Sequence[Followed]:
        """The dialogs in which `watcher` follows `owner`, those that are over left out."""
        return [each for each in self._watchers.get((owner, watcher), ()) if not each.machine.over]

    def owners(self) -> Iterable[Owner]:
        """Everybody who is followed, as of now."""
        return list(self._owners)

    def _take_out(self, owner: Owner, followed: Followed) -> None:
        """Remove a dialog from the groups that it is in, and each group with its last one."""
        dialogs = self._owners.get(owner)
        if dialogs is not None:
            dialogs.pop(followed.dialog.id, None)
            if not dialogs:
                del self._owners[owner]
        pair = (owner, followed.key.watcher)
        others = tuple(each for each in self._watchers.get(pair, ()) if each is not followed)
        if others:
            self._watchers[pair] = others
        else:
            self._watchers.pop(pair, None)
