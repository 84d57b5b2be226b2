"""What services ask of the shells, as protocols: sending SIP, clocks, stores, the change bus.

Services and shells are siblings that know only this file and the pure rooms below it; `app` joins them.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from abserver.domain.relation import Relation
from abserver.domain.view import View
from abserver.sip.message import Request, Response
from abserver.sip.transport import Flow

if TYPE_CHECKING:
    import asyncio
    import datetime

    from abserver.domain.identity import Aor, Owner, Watcher
    from abserver.domain.relation import RelationState
    from abserver.events.terms import Terms
    from abserver.sip.bindings import Binding
    from abserver.sip.dialog import Dialog
    from abserver.sip.headers import Substate
    from abserver.sip.outgoing import Outgoing


class SendFailure(enum.Enum):
    """Why a request of ours has no answer."""

    TIMEOUT = "timeout"
    """Timer F fired (RFC 3261 §17.1.2.2)."""
    UNREACHABLE = "unreachable"
    """No address, no connection, or the transport reported an error (§8.1.3.1)."""


Answered = Callable[[Response | SendFailure], None]
"""Called exactly once with the final response to a request, or why there is none."""

Respond = Callable[[Response], None]
"""Sends the response through the request's server transaction; to be called once."""

RequestHandler = Callable[[Request, Flow, Respond], Awaitable[None]]
"""Takes a request that passed the transaction layer and RFC 3261 §8.2's inspection; must call its Respond."""


class SipSender(Protocol):
    """Sends requests of ours within their own client transactions."""

    def send(self, request: Request | Outgoing, *, flow: Flow | None, answered: Answered) -> None:
        """Send to the first Route or the Request-URI (RFC 3261 §8.1.2), on `flow` if that is a live connection.

        `Outgoing` (`Dialog.next_outgoing`) is for what is sent by the thousand.
        """
        ...


class Clock(Protocol):
    """Time for services; pure rooms get it as an argument."""

    def now(self) -> float:
        """Monotonic seconds, the scale of every deadline."""
        ...

    def utc(self) -> datetime.datetime:
        """The wall clock, aware UTC: for rows and validity rules only."""
        ...


# -- documents ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as services read it."""

    content: bytes
    etag: str


CLI_AGENT = "abserver-cli"
"""What the command line calls itself when it edits documents (its User-Agent)."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A document of an owner, beside card and rules, that the rules may rest on: a resource list, the presence."""

    auid: str
    name: str


class Documents(Protocol):
    """The owner's documents, read when a policy is made; None where there is none."""

    async def card(self, owner: Owner) -> StoredDocument | None: ...

    async def rules(self, owner: Owner) -> StoredDocument | None: ...

    async def ground(self, owner: Owner, ground: Ground) -> StoredDocument | None: ...


# -- the journal: what survives a crash -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OwnerRecord:
    """The synchronization update list of the subscribed-for user: how often and when the owner's data last changed."""

    owner: Owner
    version: int
    """Modification version: +1 for each change of card or rules that was noticed; never goes back."""
    modified_at: datetime.datetime
    card_etag: str | None
    rules_etag: str | None


class DeviceKey(NamedTuple):
    """One user agent of one watcher, as far as it follows one owner."""

    owner: Owner
    watcher: Watcher
    device: str
    """The `+sip.instance` URN of its Contact, else the Contact's user@host:port (design: one device per user agent)."""


class DeviceRecord(NamedTuple):
    """The synchronization update list of one subscriber device: the view that it last acknowledged."""

    key: DeviceKey
    tag: str
    """The view's tag; its content is kept as a View as long as a record names it."""
    version: int
    """The owner's modification version that the view belongs to."""
    at: datetime.datetime


class Departure(NamedTuple):
    """The device may be sent another view than the one that its list names, and its acknowledgement may be lost.

    Written before the first such NOTIFY leaves. Without it a crash could hide a divergence: the device acknowledged
    another view, the crash came before the record, and the owner's next edit leads back to the recorded view. One for
    each device, so that what happens to one never shows in what another is told.
    """

    key: DeviceKey
    tag: str
    """The view that the device's list names."""
    version: int
    """The owner's modification version at that time: a device record of a later version is beyond doubt."""


class SubscriptionRecord(NamedTuple):
    """One subscription dialog, with all that is needed to go on with it after a restart."""

    key: DeviceKey
    dialog: Dialog
    """`local_cseq` is the ceiling that was reserved, so that CSeq stays monotonic over a crash."""
    package: str
    """The event type token."""
    event_id: str | None
    terms: Terms
    told: Substate | None
    expires_at: datetime.datetime
    flow: Flow


class SubscriptionRemoved(NamedTuple):
    """The dialog is over; named by its Call-ID and tags."""

    call_id: str
    local_tag: str
    remote_tag: str


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """An owner's decision about a watcher took effect: one line of the history that is kept for the owner."""

    owner: Owner
    watcher: Watcher
    at: datetime.datetime
    state: RelationState
    """What the relation came to."""
    rule: str | None
    """The id of the deciding rule; None where no rule decides any more."""
    by: str
    """By which hand: `xcap`, `cli`, `web`, ... for an edit of the rules, `clock` for a rule that began or ended."""


@dataclass(frozen=True, slots=True)
class BindingsRecord:
    """All that is registered for one user (RFC 3261 §10.3); without bindings, that nothing is."""

    user: Aor
    bindings: tuple[Binding, ...]
    """Expired ones may be among them."""


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """Something that this server alone knows, and has to know after a restart."""

    name: str
    value: bytes = field(repr=False)


Record = (
    Relation
    | OwnerRecord
    | DeviceRecord
    | Departure
    | SubscriptionRecord
    | SubscriptionRemoved
    | DecisionRecord
    | BindingsRecord
    | SecretRecord
    | View
)
"""One fact to keep; the last one of a key wins, but decisions are all kept until `Journal.collect`."""

MOST_DECISIONS = 50
"""Of one relation that a collection leaves, the newest."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that the journal knew when the server starts."""

    relations: Sequence[Relation]
    owners: Sequence[OwnerRecord]
    devices: Sequence[DeviceRecord]
    departures: Sequence[Departure]
    subscriptions: Sequence[SubscriptionRecord]
    bindings: Sequence[BindingsRecord] = ()
    secrets: Sequence[SecretRecord] = ()


class Journal(Protocol):
    """The durable side of relations, update lists, subscriptions and delivered views."""

    def write(self, *records: Record) -> asyncio.Future[None]:
        """Done when all records are durable, in one step; writes take effect in the order of the calls."""
        ...

    async def load(self) -> Snapshot: ...

    async def view(self, tag: str) -> View | None: ...

    async def held_by(self, watcher: Watcher, owner: Owner) -> Sequence[DeviceRecord]:
        """The update lists of the watcher's devices, as far as they follow this owner; by device."""
        ...

    async def decisions(self, owner: Owner, watcher: Watcher | None = None) -> Sequence[DecisionRecord]:
        """The history of the owner's decisions, about one watcher or all, the oldest first."""
        ...

    async def collect(self) -> None:
        """Forget the views that no device record names, the departures that put none in doubt, and old decisions."""
        ...

    async def forget(self, before: datetime.datetime) -> Sequence[DeviceKey]:
        """Forget the devices that acknowledged nothing since then and have no subscription; gives them."""
        ...
