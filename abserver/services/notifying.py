"""The notifier: finds the devices that are behind and sends each what it lacks.

`reconcile(owner)` is the only path by which anything is sent. It is level-triggered: an edit, a confirmation, a new
subscription, a restart, a rule's clock and a lost hint all end here, and it compares what each device was told with
what it should have been told. So a hint may come twice, late or never; the next one heals it.

The machine in each `Followed` decides what is due (`events/subscription.py`). This room gives it the decision and the
view of the moment, turns its notices into NOTIFY requests, and carries acknowledgements into the update lists.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from abserver.domain.rules import Handling
from abserver.domain.view import View
from abserver.events.notify import notify_request
from abserver.ports import SendFailure
from abserver.services.followers import Followed
from abserver.services.preparing import TURN, Preparing
from abserver.services.sweeping import Sweeper
from abserver.sip.errors import SipSyntaxError
from abserver.sip.headers import EventReason, parse_seconds

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Collection

    from abserver.domain.identity import Owner
    from abserver.events.subscription import Gone, Notice
    from abserver.ports import Clock, SipSender
    from abserver.services.authorizing import Authorizer, Policy
    from abserver.services.followers import Followers
    from abserver.services.outbox import Outbox
    from abserver.services.relating import Relating
    from abserver.services.update_lists import UpdateLists
    from abserver.services.views import Views
    from abserver.sip.message import Request, Response
    from abserver.sip.transport import Flow

log = logging.getLogger(__name__)

RETRY = 30.0
"""Seconds until an owner is reconciled again for whom it failed, with the database gone for example."""


class Notifier:
    """Keeps every device of every watcher of every owner up to date."""

    def __init__(
        self,
        *,
        sender: SipSender,
        outbox: Outbox,
        authorizer: Authorizer,
        relating: Relating,
        followers: Followers,
        update_lists: UpdateLists,
        views: Views,
        clock: Clock,
        contact: Callable[[Flow], str],
    ) -> None:
        """contact: the value of our Contact towards a peer on that flow."""
        self._sender = sender
        self._outbox = outbox
        self._authorizer = authorizer
        self._relating = relating
        self._followers = followers
        self._lists = update_lists
        self._views = views
        self._clock = clock
        self._contact = contact
        self._hints: dict[Owner, None] = {}
        self._hinted = asyncio.Event()
        self._preparing = Preparing(
            outbox=outbox,
            followers=followers,
            update_lists=update_lists,
            clock=clock,
            ready=self._go_on,
            failed=self._try_again,
        )
        self._changes: dict[Owner, datetime.datetime] = {}
        """When rules begin or end by themselves: the next time for each owner, as far as it is booked."""
        self._sweeper: Sweeper[Followed | Owner] = Sweeper(clock, self._time_came)

    # -- what sets it going -----------------------------------------------------------------------------------------

    def hint(self, owner: Owner) -> None:
        """Something of `owner` may have changed: reconcile soon. Many hints in a row are one."""
        self._hints[owner] = None
        self._hinted.set()

    async def run(self) -> None:
        """Reconcile what was hinted, until cancelled; everybody at first, since the journal may be behind the rules."""
        for owner in self._relating.owners():
            self.hint(owner)
        while True:
            await self._hinted.wait()
            self._hinted.clear()
            while self._hints:
                owner = next(iter(self._hints))
                del self._hints[owner]
                try:
                    await self.reconcile(owner)
                except Exception:  # one owner's trouble must not silence all others; the next hint tries again
                    log.exception("reconcile failed", extra={"owner": owner})
                    self._sweeper.book(self._clock.now() + RETRY, owner)

    async def watch_the_clock(self) -> None:
        """Do what falls due by time, until cancelled."""
        await self._sweeper.run()

    def sweep(self) -> None:
        """Do what is due by time now."""
        self._sweeper.sweep()

    def _time_came(self, subject: Followed | Owner) -> None:
        if not isinstance(subject, Followed):
            self.hint(subject)
        elif subject in self._followers:
            subject.booked = None
            subject.machine.expire(self._clock.now())
            self._go_on(subject)
            self._book(subject)

    def resume(self, followed: Followed) -> None:
        """Take in a subscription that the journal remembers; a device that is behind hears, the others do not."""
        self._followers.add(followed)
        self._book(followed)
        self.hint(followed.key.owner)

    # -- subscriptions ----------------------------------------------------------------------------------------------

    async def begin(self, followed: Followed) -> None:
        """Take in a subscription whose SUBSCRIBE was just answered, and send its first NOTIFY (RFC 6665 §4.2.1.2)."""
        stale = self._followers.add(followed)
        if stale is not None:
            self._forget(stale)
        await self.refreshed(followed)

    async def refreshed(self, followed: Followed) -> None:
        """A SUBSCRIBE of this subscription was just answered: send what its machine owes."""
        self._book(followed)
        try:
            await self._views.recall([followed.machine.delivered])
            policy = await self._authorizer.policy(followed.key.owner)
        except Exception:
            self.hint(followed.key.owner)  # the NOTIFY stays owed
            raise
        if followed not in self._followers:
            return  # it ended meanwhile
        if self._note_version(policy):
            self.hint(policy.owner)
        self._book_change(policy)
        self._outbox.put(*self._relating.asked(policy, followed.key.watcher, self._clock.utc()))
        self._settle(followed, policy)

    def prolonged(self, followed: Followed) -> None:
        """A SUBSCRIBE was answered without a NOTIFY to follow (RFC 5839 §6.3), for less time perhaps."""
        self._book(followed)

    def dropped(self, followed: Followed) -> None:
        """The subscription ended without a NOTIFY (RFC 5839 §5.2: 204 to an unsubscription)."""
        self._forget(followed)

    def _book(self, followed: Followed) -> None:
        """Have the sweeper look at it in time; one booking at a time, since a later deadline can wait for it."""
        deadline = followed.machine.next_deadline()
        if deadline is not None and (followed.booked is None or deadline < followed.booked):
            followed.booked = deadline
            self._sweeper.book(deadline, followed)

    def _forget(self, followed: Followed) -> None:
        self._followers.remove(followed)
        if followed.lasting:
            self._outbox.put(followed.removal())

    # -- reconcile --------------------------------------------------------------------------------------------------

    async def reconcile(self, owner: Owner) -> None:
        """Bring the relations of `owner` and all devices that follow in step with card and rules as they are now."""
        followers = self._followers.of(owner)
        await self._views.recall(each.machine.delivered for each in followers)
        policy = await self._authorizer.policy(owner)
        self._note(policy)
        for turn in range(0, len(followers), TURN):
            if turn:
                await asyncio.sleep(0)
                policy = await self._authorizer.policy(owner)
            for followed in followers[turn : turn + TURN]:
                self._settle(followed, policy)

    def _note(self, policy: Policy) -> None:
        """Bring the owner's update list and relations up to date with the policy."""
        self._note_version(policy)
        self._outbox.put(*self._relating.decided(policy, self._clock.utc()))
        self._book_change(policy)

    def _note_version(self, policy: Policy) -> bool:
        """Bring the owner's update list up to date; whether the policy was news."""
        modified = self._lists.modified(policy, self._clock.utc())
        if modified is not None:
            self._outbox.put(modified)
        return modified is not None

    def _book_change(self, policy: Policy) -> None:
        """Have the sweeper look at the owner when a rule begins or ends next; once for each such time."""
        utc = self._clock.utc()
        change = policy.next_change(utc)
        if change is not None and self._changes.get(policy.owner) != change:
            self._changes[policy.owner] = change
            self._sweeper.book(self._clock.now() + (change - utc).total_seconds(), policy.owner)

    def _settle(self, followed: Followed, policy: Policy) -> None:
        """Tell the machine what should be, and send what is due. Nothing is awaited after the policy was handed out."""
        if followed not in self._followers:
            return
        decision = policy.decide(followed.key.watcher, self._clock.utc())
        match decision.handling:
            case Handling.BLOCK:
                followed.machine.terminate(EventReason.REJECTED)
            case Handling.CONFIRM:
                followed.machine.set_pending()
            case Handling.POLITE_BLOCK | Handling.ALLOW:
                followed.machine.set_active(policy.view(decision.grant))
        self._pump(followed)

    def _go_on(self, followed: Followed) -> None:
        """Send what is still due, by card and rules of this moment."""
        if followed.machine.behind:
            policy = self._authorizer.current(followed.key.owner)
            if policy is not None:
                self._settle(followed, policy)
            else:
                self.hint(followed.key.owner)

    def _try_again(self, group: Collection[Followed]) -> None:
        """Reconcile later: what has to be written before these can be told could not be written."""
        for owner in {each.key.owner for each in group}:
            self._sweeper.book(self._clock.now() + RETRY, owner)

    # -- NOTIFY -----------------------------------------------------------------------------------------------------

    def _pump(self, followed: Followed) -> None:
        """Send the NOTIFY that is due, if one is, and if all is durable that has to be before it."""
        if followed.machine.behind and not self._preparing.is_ready(followed):
            self._preparing.prepare(followed)
            return
        notice = followed.machine.next_notice(self._clock.now())
        if notice is not None:
            version = self._lists.version(followed.key.owner)
            self._sender.send(
                self._request(followed, notice),
                flow=followed.flow,
                answered=lambda answer: self._answered(followed, notice, version, answer),
            )

    def _request(self, followed: Followed, notice: Notice) -> Request:
        view = notice.view if isinstance(notice.view, View) and not notice.unchanged else None
        return notify_request(
            followed.dialog,
            notice,
            None if view is None else self._views.entity(view, notice.base, followed.formats),
            package=followed.package,
            event_id=followed.event_id,
            formats=followed.formats,
            contact=self._contact(followed.flow),
        )

    def _answered(self, followed: Followed, notice: Notice, version: int, answer: Response | SendFailure) -> None:
        """Carry the outcome of a NOTIFY into the machine and the update lists.

        In a dialog that another one of the same device replaced, an answer says nothing of what the device has now.
        """
        if followed not in self._followers:
            return
        now, told = self._clock.now(), followed.machine.told
        status, retry_after = _outcome(answer)
        if status is None or status >= 300:
            log.info("NOTIFY failed", extra={**_ids(followed), "status": status})
        outcome = followed.machine.answered(status, now, retry_after=retry_after)
        if outcome.delivered:
            self._delivered(followed, notice, version)
        if outcome.gone is not None:
            self._end(followed, outcome.gone)
        if followed in self._followers:
            if followed.lasting and followed.machine.told is not told:  # else a restart would tell it again
                self._outbox.put(followed.record(now, self._clock.utc()))
            self._book(followed)
            self._go_on(followed)

    def _delivered(self, followed: Followed, notice: Notice, version: int) -> None:
        if isinstance(notice.view, View):
            record = self._lists.delivered(followed.key, notice.view, version, self._clock.utc())
            if record is not None:
                self._outbox.put(notice.view, record)

    def _end(self, followed: Followed, gone: Gone) -> None:
        self._forget(followed)
        log.info("subscription ended", extra={**_ids(followed), "why": gone.name.lower()})
        if not self._followers.by(followed.key.owner, followed.key.watcher):
            self._outbox.put(*self._relating.unwatched(followed.key.owner, followed.key.watcher))


def _ids(followed: Followed) -> dict[str, str]:
    return {
        "owner": followed.key.owner,
        "watcher": followed.key.watcher,
        "device": followed.key.device,
        "call_id": followed.dialog.call_id,
    }


def _outcome(answer: Response | SendFailure) -> tuple[int | None, float | None]:
    """The final status of a NOTIFY, and the seconds of its Retry-After.

    Silence is None. A transport error is as a 503 (RFC 3261 §8.1.3.1): a phone that restarts is unreachable for some
    seconds, and must not lose its subscription by that.
    """
    match answer:
        case SendFailure.TIMEOUT:
            return None, None
        case SendFailure.UNREACHABLE:
            return 503, None
        case response:
            return response.status, _retry_after(response)


def _retry_after(response: Response) -> float | None:
    """Seconds of a Retry-After; a comment or parameters may follow the number (RFC 3261 §20.33)."""
    value = response.headers.get("Retry-After")
    try:
        return None if value is None else float(parse_seconds(value.split(";")[0].split("(")[0].strip()))
    except SipSyntaxError:
        return None
