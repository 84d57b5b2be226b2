"""The `contact-card` package at the notifier: every follower is shown the owner's card as the rules grant it.

What should be at a device follows from its watcher's decision alone, by card and rules of this moment. The relation
list and the update lists follow: what was asked and decided, what each device acknowledged.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

from abserver.domain.identity import ANONYMOUS, Identities, InvalidAor, Owner, domain_of
from abserver.domain.rules import Handling
from abserver.domain.view import View
from abserver.events.contact_card import PACKAGE
from abserver.events.quirks import Quirks
from abserver.ports import Departure
from abserver.services.audiences import Audiences
from abserver.services.filtering import Filtering
from abserver.sip.headers import EventReason, Substate
from abserver.sip.uas import make_response

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Sequence

    from abserver.domain.identity import Watcher
    from abserver.domain.rules import Grant
    from abserver.events.contact_card import Entity
    from abserver.events.package import EventPackage
    from abserver.events.subscription import Notice
    from abserver.ports import Clock, DeviceKey, Record
    from abserver.services.authorizing import Authorizer, Policy
    from abserver.services.followers import Followed, Followers
    from abserver.services.outbox import Outbox
    from abserver.services.reconciling import Reconciler
    from abserver.services.relating import Relating
    from abserver.services.senders import Sender
    from abserver.services.update_lists import UpdateLists
    from abserver.services.views import Views
    from abserver.sip.message import Request, Response
    from xcap.ports import CredentialStore

WITHHELD = object()
"""Settled, but for a change that no trigger asks for: should a NOTIFY leave for another reason, it is to tell it."""

SHOWN = (Handling.ALLOW, Handling.POLITE_BLOCK)

TURN = 200
"""Devices handled before other work gets a turn."""

BUSY_SECONDS = 120
"""Retry-After of a 503 that a limit gives."""


class ContactCards:
    """Serves the package (a `PackageServer`)."""

    def __init__(
        self,
        *,
        followers: Followers,
        authorizer: Authorizer,
        relating: Relating,
        update_lists: UpdateLists,
        views: Views,
        outbox: Outbox,
        users: CredentialStore,
        reconciler: Reconciler,
        clock: Clock,
        pump: Callable[[Followed], object],
        looked_at: Callable[[Owner], None],
        domains: Sequence[str],
        identities: Identities,
        package: EventPackage = PACKAGE,
        max_devices: int = 16,
        max_pending: int = 200,
        max_requests: int = 1000,
    ) -> None:
        """pump: sends a follower what is due (`Notifier.pump`). looked_at: told of each owner for whom it is found out
        whether watchers see something else now: after an edit, and when a rule begins or ends.

        Limits, answered with 503 and Retry-After: max_devices with which one watcher follows one owner, max_pending
        requests of one watcher that await their owners, max_requests that await one owner.
        """
        self.package = package
        self.followers = followers
        self._authorizer = authorizer
        self._relating = relating
        self._lists = update_lists
        self._views = views
        self._outbox = outbox
        self._users = users
        self._reconciler = reconciler
        self._clock = clock
        self._pump = pump
        self._looked_at = looked_at
        self._domains = frozenset(domains)
        self._identities = identities
        self._max_devices = max_devices
        self._max_pending = max_pending
        self._max_requests = max_requests
        self._audiences = Audiences()
        self._filtering = Filtering()
        followers.listen(self._came_or_went)
        self._unsettled: defaultdict[Owner, dict[Followed, None]] = defaultdict(dict)
        """Who was to be told something while the policy was not at hand: `reconcile` looks at them in any case."""
        self._in_step: dict[Owner, object] = {}
        """The period of the rules (`Rulings.period`) that all followers of an owner were last gone through in."""
        self._changes: dict[Owner, datetime.datetime] = {}
        """When rules begin or end by themselves: the next time for each owner, as far as it is booked."""

    def hint(self, owner: Owner) -> None:
        """Card or rules of `owner` may have changed."""
        self._reconciler.hint(self, owner)

    def hint_all(self) -> None:
        """Whoever was ever asked: after a start, since the journal may be behind the rules."""
        for owner in self._relating.owners():
            self.hint(owner)

    # -- a SUBSCRIBE ------------------------------------------------------------------------------------------------

    async def admit(self, request: Request, sender: Sender) -> Owner | Response:
        """404 for a user we do not have, 403 for a watcher whom the rules block, and 433 for one whom the owner would
        have to be asked about, and who must not be named to him (RFC 5079)."""
        owner = self._owner(sender.resource)
        if owner is None:
            return make_response(request, 404)
        policy = await self._authorizer.policy(owner)
        if policy.card_etag is None:
            if await self._users.credential(owner) is None:
                return make_response(request, 404)
            policy = await self._authorizer.policy(owner)
        handling = policy.decide(sender.identity, self._clock.utc()).handling
        if handling is Handling.BLOCK:
            return make_response(request, 403)
        if handling is Handling.CONFIRM and sender.is_hidden_from(owner):
            return make_response(request, 433)
        return owner

    def known_as(self, owner: Owner, sender: Sender) -> Watcher:
        """Who is hidden has no name of his own, and no relation either."""
        return ANONYMOUS if sender.is_hidden_from(owner) else sender.identity

    def _owner(self, resource: str) -> Owner | None:
        """Whose card the URI names; None where that is no user of our domains."""
        try:
            owner = Owner(self._identities.canonical(resource))
        except InvalidAor:
            return None
        return owner if domain_of(owner) in self._domains else None

    def held(self, followed: Followed) -> str | None:
        """What the device acknowledged, if it promises to keep its copy."""
        return self.acknowledged(followed.key) if followed.formats.patches else None

    def acknowledged(self, key: DeviceKey) -> str | None:
        """By its update list."""
        return self._lists.held(key)

    def requested(self, followed: Followed, request: Request) -> Sequence[Record] | Response:
        """The relation, changed or not, since the answer promises that it is durable; nobody has one in secret."""
        owner, watcher = followed.key.owner, followed.key.watcher
        policy, utc = self._policy(owner), self._clock.utc()
        if followed.is_hidden:
            return self._noted(policy, utc)
        if self._asks_too_many(policy, watcher, utc):
            return make_response(request, 503, headers=[("Retry-After", str(BUSY_SECONDS))])
        records: list[Record] = [*self._noted(policy, utc), *self._relating.asked(policy, watcher, utc)]
        relation = self._relating.of(owner, watcher)
        return records if relation is None or relation in records else [*records, relation]

    def _policy(self, owner: Owner) -> Policy:
        """The policy that was awaited just now."""
        policy = self._authorizer.current(owner)
        if policy is None:
            raise RuntimeError("the policy is not at hand")
        return policy

    def _asks_too_many(self, policy: Policy, watcher: Watcher, utc: datetime.datetime) -> bool:
        return (
            policy.decide(watcher, utc).handling is Handling.CONFIRM
            and not self._relating.is_open(policy.owner, watcher)
            and (
                self._relating.pending(watcher) >= self._max_pending
                or self._relating.requests(policy.owner) >= self._max_requests
            )
        )

    def subscribed(self, followed: Followed) -> None:
        """Another SUBSCRIBE is another request, if the relation had ended; so is the first one, if something had the
        request wait while this was made durable. One that unsubscribes asks for nothing."""
        policy, utc = self._policy(followed.key.owner), self._clock.utc()
        self._outbox.put(*self._noted(policy, utc))
        if not (followed.machine.over or followed.is_hidden):
            self._outbox.put(*self._relating.asked(policy, followed.key.watcher, utc))

    def _noted(self, policy: Policy, utc: datetime.datetime) -> Sequence[Record]:
        """The owner's update list, if this policy is news, which all who follow the owner are to hear of then."""
        self._book_change(policy, utc)
        modified = self._lists.modified(policy, utc)
        if modified is None:
            return ()
        self.hint(policy.owner)
        return (modified,)

    def _came_or_went(self, followed: Followed) -> None:
        if not followed.living:
            self._audiences.leave(followed)
            self._filtering.forget(followed)
            if (unsettled := self._unsettled.get(followed.key.owner)) is not None:
                unsettled.pop(followed, None)

    def ended(self, followed: Followed) -> None:
        """The watcher's last subscription to this owner leaves an undecided request waiting."""
        owner, watcher = followed.key.owner, followed.key.watcher
        if not (followed.is_hidden or self.followers.by(owner, watcher)):
            self._outbox.put(*self._relating.unwatched(owner, watcher))

    # -- what should be there ---------------------------------------------------------------------------------------

    async def ready(self, followed: Followed) -> None:
        """The view that the device holds, and the policy of the owner."""
        await self._views.recall([followed.machine.delivered])
        await self._authorizer.policy(followed.key.owner)

    def settle(self, followed: Followed) -> bool:
        """Show what the decision grants; once for each moment of card and rules."""
        policy = self._authorizer.current(followed.key.owner)
        if policy is None:
            self._unsettled[followed.key.owner][followed] = None
            return False
        utc = self._clock.utc()
        moment = policy.moment(utc)
        if followed.settled is moment:
            return True
        asked, followed.settled = followed.settled is None or followed.machine.behind, moment
        decision = policy.decide(followed.identity, utc)
        if decision.handling in SHOWN:
            self._show(followed, policy.view(decision.grant), decision.grant, asked=asked)
            return True
        self._audiences.leave(followed)
        if decision.handling is Handling.CONFIRM and not followed.is_hidden:
            followed.machine.set_pending()
        else:
            followed.machine.terminate(EventReason.REJECTED)
        return True

    def _show(self, followed: Followed, view: View, grant: Grant, *, asked: bool) -> None:
        self._audiences.place(followed, grant, view.tag)
        machine = followed.machine
        held_to = self._filtering.held_to(followed, view, asked=asked or machine.standing is not Substate.ACTIVE)
        if held_to is not None:
            machine.set_active(held_to)
        else:
            followed.settled = WITHHELD

    async def reconcile(self, owner: Owner) -> None:
        """Bring the relations of `owner` and all devices that follow in step with card and rules as they are now."""
        policy = await self._authorizer.policy(owner)
        for turn, records in enumerate(self._relating.decided(policy, self._clock.utc())):
            if turn:
                await asyncio.sleep(0)
            self._outbox.put(*records)
        policy = await self._authorizer.policy(owner)
        utc = self._clock.utc()
        period = policy.rulings.period(utc)
        self._outbox.put(*self._noted(policy, utc))
        self._looked_at(owner)
        behind = self._behind(policy, self._in_step.pop(owner, None), period)
        await self._views.recall({each.machine.delivered for each in behind})
        for turn in range(0, len(behind), TURN):
            if turn:
                await asyncio.sleep(0)
            for followed in behind[turn : turn + TURN]:
                while followed.living and not self.settle(followed):
                    await self.ready(followed)
                if followed.living:
                    self._pump(followed)
        self._in_step[owner] = period

    def _behind(self, policy: Policy, in_step: object, period: object) -> Sequence[Followed]:
        """Those who may have to hear, if all were gone through in the period `in_step` last."""
        unsettled = self._unsettled.pop(policy.owner, ())
        touched = () if in_step is period else policy.rulings.touched_since(in_step)
        if touched is None:
            return self.followers.of(policy.owner)
        watchers = (*touched, ANONYMOUS) if touched else ()
        named = (each for watcher in watchers for each in self.followers.by(policy.owner, watcher))
        return list(dict.fromkeys([*self._audiences.concerned(policy), *named, *unsettled]))

    def _book_change(self, policy: Policy, utc: datetime.datetime) -> None:
        """Have the owner reconciled when a rule begins or ends next; once for each such time."""
        change = policy.next_change(utc)
        if change is not None and self._changes.get(policy.owner) != change:
            self._changes[policy.owner] = change
            self._reconciler.book((change - utc).total_seconds(), self, policy.owner)

    # -- a NOTIFY ---------------------------------------------------------------------------------------------------

    def preparations(self, followed: Followed) -> Sequence[Record]:
        """The departure from the view that the device's list names."""
        view = followed.machine.view
        departure = self._lists.departure(followed.key, view) if isinstance(view, View) else None
        return () if departure is None else (departure,)

    def prepared(self, record: Record) -> None:
        """A departure is durable."""
        if isinstance(record, Departure):
            self._lists.departed(record)

    def entity(self, followed: Followed, notice: Notice) -> Entity | None:
        """The difference or the whole view; nothing where nothing is shown or nothing is new."""
        followed.version = self._lists.version(followed.key.owner)
        self._filtering.left(followed)
        if not isinstance(notice.view, View):
            return None
        if notice.view.tag != notice.base:
            return self._views.entity(notice.view, notice.base, followed.formats)
        whole = Quirks.BODY_ALWAYS in followed.terms.quirks
        return self._views.entity(notice.view, None, followed.formats) if whole else None

    def delivered(self, followed: Followed, notice: Notice) -> None:
        """Move the device's list. Of who is hidden nothing is kept: no device of his would be known again."""
        if isinstance(notice.view, View) and not followed.is_hidden:
            record = self._lists.delivered(followed.key, notice.view, followed.version, self._clock.utc())
            if record is not None:
                self._outbox.put(notice.view, record)
