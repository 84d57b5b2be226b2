"""An event package at the notifier: what should be at each of its subscriptions.

`Notifier` delivers, whatever the package; what a package is for, is behind this protocol. To add one: a server of this
kind, and one line in `abserver/app/events.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abserver.domain.identity import Owner, Watcher
    from abserver.events.contact_card import Entity
    from abserver.events.package import EventPackage
    from abserver.events.subscription import Notice
    from abserver.ports import DeviceKey, Record
    from abserver.services.followers import Followed, Followers
    from abserver.services.senders import Sender
    from abserver.sip.message import Request, Response


class PackageServer(Protocol):
    """Serves one event package. A subscription is for a resource, named by its owner."""

    package: EventPackage
    followers: Followers
    """The subscriptions to this package."""

    # -- a SUBSCRIBE ------------------------------------------------------------------------------------------------

    async def admit(self, request: Request, sender: Sender) -> Owner | Response:
        """The owner of what `sender.resource` names, if the sender may ask for it; else the refusal.

        Whatever `requested` and `settle` need is at hand afterwards. Raises SipSyntaxError.
        """
        ...

    def known_as(self, owner: Owner, sender: Sender) -> Watcher:
        """As whom a sender who is admitted is known: to the owner, in all records, to whoever watches."""
        ...

    def held(self, followed: Followed) -> str | None:
        """The tag of what the device of a new subscription is known to hold already; None if that is nothing."""
        ...

    def acknowledged(self, key: DeviceKey) -> str | None:
        """The tag of what the device acknowledged last, as far as that outlasts a restart."""
        ...

    def requested(self, followed: Followed, request: Request) -> Sequence[Record] | Response:
        """Note that the watcher asks: what has to be durable before the answer, or the refusal.

        Nothing was awaited since `admit`.
        """
        ...

    def subscribed(self, followed: Followed) -> None:
        """A SUBSCRIBE of this subscription was accepted and answered; `ready` was awaited just before."""
        ...

    def ended(self, followed: Followed) -> None:
        """The subscription is over: told when its time comes or its subscriber leaves, before its last NOTIFY, and
        again when it is no more among `followers`."""
        ...

    # -- what should be there ---------------------------------------------------------------------------------------

    async def ready(self, followed: Followed) -> None:
        """Get hold of all that `settle` and `entity` need."""
        ...

    def settle(self, followed: Followed) -> bool:
        """Tell the machine what should be at the subscriber, as of this moment; False if `ready` has to be awaited."""
        ...

    async def reconcile(self, owner: Owner) -> None:
        """Find the subscriptions that are behind, and have the notifier `pump` each."""
        ...

    # -- a NOTIFY ---------------------------------------------------------------------------------------------------

    def preparations(self, followed: Followed) -> Sequence[Record]:
        """What has to be durable before the subscriber is sent what is due; nothing as soon as it is (`prepared`)."""
        ...

    def prepared(self, record: Record) -> None:
        """A record of `preparations` is durable."""
        ...

    def entity(self, followed: Followed, notice: Notice) -> Entity | None:
        """The body that takes the subscriber from what it has to `notice`; None for none. The NOTIFY leaves now."""
        ...

    def delivered(self, followed: Followed, notice: Notice) -> None:
        """The subscriber acknowledged the notice whose `entity` was asked for last."""
        ...
