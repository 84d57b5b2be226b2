"""The notifier: sends each subscriber what it lacks, whatever the package, and takes the answers.

It is level-triggered as a whole: `pump` looks at what the machine of a subscription (`events/subscription.py`) owes at
this moment, after its package's server has told it what should be (`PackageServer.settle`). So whatever a NOTIFY had
to wait for, a write, a window, an answer, a time, it says what is true when it leaves.

On its way a NOTIFY passes three gates, in this order: all that has to be durable before it is (`preparing.py`); its
time has come (the machine: one in flight, its pace, a failure's pause); its destination has room (`windows.py`).
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from typing import TYPE_CHECKING

from abserver.events.notify import notify_request
from abserver.events.rates import changed_by
from abserver.ports import SendFailure
from abserver.services.preparing import Preparing
from abserver.services.sweeping import Sweeper
from abserver.services.windows import Windows
from abserver.sip.codec import UnreadHeaders
from abserver.sip.errors import SipSyntaxError
from abserver.sip.outgoing import ON_FLOW

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from abserver.events.subscription import Gone, Notice
    from abserver.ports import Clock, SipSender
    from abserver.services.followers import Followed
    from abserver.services.outbox import Outbox
    from abserver.services.reaching import Reach, Way
    from abserver.services.reconciling import Reconciler
    from abserver.sip.dialog import Dialog
    from abserver.sip.message import Response

log = logging.getLogger(__name__)

RETRY = 30.0
"""Seconds until a subscription is looked at again for which nothing could be written."""


def _trusts_nobody(followed: Followed) -> bool:
    """What `trusts_next_hop` is where there is no trust domain."""
    return False


class Notifier:
    """Delivers to all subscriptions of all packages."""

    def __init__(
        self,
        *,
        sender: SipSender,
        outbox: Outbox,
        reconciler: Reconciler,
        clock: Clock,
        contact: Callable[[Followed], str],
        windows: Windows[Followed] | None = None,
        trusts_next_hop: Callable[[Followed], bool] = _trusts_nobody,
        reach: Reach | None = None,
    ) -> None:
        """contact: the value of our Contact in a subscription. trusts_next_hop: whether the next NOTIFY stays in our
        trust domain. reach: who knows where devices are; None: their dialogs alone say so.
        """
        self._reach = reach
        self._sender = sender
        self._outbox = outbox
        self._reconciler = reconciler
        self._clock = clock
        self._contact = contact
        self._trusts_next_hop = trusts_next_hop
        self._windows: Windows[Followed] = windows or Windows()
        self._preparing = Preparing(outbox=outbox, clock=clock, ready=self._prepared, failed=self._try_again)
        self._sweeper: Sweeper[Followed] = Sweeper(clock, self._time_came)

    # -- subscriptions ----------------------------------------------------------------------------------------------

    async def begin(self, followed: Followed) -> None:
        """Take in a subscription whose SUBSCRIBE was just answered, and send its first NOTIFY (RFC 6665 §4.2.1.2)."""
        stale = followed.server.followers.add(followed)
        if stale is not None:
            self._forget(stale)
        await self.refreshed(followed)

    async def refreshed(self, followed: Followed) -> None:
        """A SUBSCRIBE of this subscription was just answered: send what its machine owes."""
        if await self._is_ready(followed):
            followed.server.subscribed(followed)
            self._settle(followed)

    async def _is_ready(self, followed: Followed) -> bool:
        """Get ready to answer a SUBSCRIBE with a NOTIFY; False if the subscription ended meanwhile."""
        followed.settled = None
        self._book(followed)
        try:
            await followed.server.ready(followed)
        except Exception:
            if followed.living:  # the NOTIFY stays owed
                self._settle(followed)
            raise
        return followed.living

    def resume(self, followed: Followed) -> None:
        """Take in a subscription that the journal remembers; a device that is behind hears, the others do not."""
        followed.server.followers.add(followed)
        self._book(followed)
        self._reconciler.hint(followed.server, followed.key.owner)

    def prolonged(self, followed: Followed) -> None:
        """A SUBSCRIBE was answered without a NOTIFY to follow (RFC 5839 §6.3), for less time perhaps."""
        self._book(followed)
        self._go_on(followed)  # with what changed while it was made durable

    def reached(self, followed: Followed) -> None:
        """There is a way again to a subscriber to whom there was none."""
        if followed.living:
            followed.machine.reachable_again()
            self._go_on(followed)
            self._book(followed)

    def dropped(self, followed: Followed) -> None:
        """The subscription ended without a NOTIFY (RFC 5839 §5.2: 204 to an unsubscription)."""
        self._forget(followed)
        followed.server.ended(followed)

    def _forget(self, followed: Followed) -> None:
        followed.server.followers.remove(followed)
        if followed.lasting:
            self._outbox.put(followed.removal())

    # -- time -------------------------------------------------------------------------------------------------------

    async def watch_the_clock(self) -> None:
        """Do what falls due by time, until cancelled."""
        await self._sweeper.run()

    def sweep(self) -> None:
        """Do what is due by time now."""
        self._sweeper.sweep()

    def _book(self, followed: Followed) -> None:
        """Have the sweeper look at it in time; one booking at a time, since a later deadline can wait for it."""
        deadline = followed.machine.next_deadline()
        if deadline is not None and (followed.booked is None or deadline < followed.booked):
            followed.booked = deadline
            self._sweeper.book(deadline, followed)

    def _time_came(self, followed: Followed) -> None:
        if followed.living:
            followed.booked = None
            lasted = not followed.machine.over
            followed.machine.expire(self._clock.now())
            if lasted and followed.machine.over:
                followed.server.ended(followed)
            self._go_on(followed)
            self._book(followed)

    def _try_again(self, group: Collection[Followed]) -> None:
        """Go on later: what has to be written before these can be told could not be written."""
        for followed in group:
            self._sweeper.book(self._clock.now() + RETRY, followed)

    # -- NOTIFY -----------------------------------------------------------------------------------------------------

    def _go_on(self, followed: Followed) -> None:
        """Send what is still due, by the state of this moment."""
        if followed.living and followed.machine.behind:
            self._settle(followed)

    def _settle(self, followed: Followed) -> None:
        if followed.server.settle(followed):
            self.pump(followed)
        else:
            self._reconciler.hint(followed.server, followed.key.owner)

    def pump(self, followed: Followed) -> None:
        """Send the NOTIFY that is due, if one is and may leave. The machine was `settle`d just before."""
        if followed.answering or not followed.machine.is_open:
            return
        preparations = self._preparing.missing(followed)
        if preparations:
            self._preparing.prepare(followed, preparations)
        elif self._windows.enter(followed.destination, followed):
            self._send(followed)

    def _prepared(self, followed: Followed) -> None:
        """Go on with one of many, most of whom find no room: by the time that it has some, it is settled anew."""
        if self._windows.has_room(followed.destination):
            self._go_on(followed)
        else:
            self._windows.wait(followed.destination, followed)

    def _send(self, followed: Followed) -> None:
        """Send if it is time; the NOTIFY is counted in the window."""
        destination = followed.destination
        notice = followed.machine.next_notice(self._clock.now())
        if notice is None:
            self._windows.leave(destination)
            self._book(followed)
            return
        self._notify(followed, destination, notice)

    def _notify(self, followed: Followed, destination: str, notice: Notice) -> None:
        way = None if self._reach is None else self._reach.way(followed)
        charging = followed.terms.charging
        if charging is not None and (way is not None or not self._trusts_next_hop(followed)):
            charging = None
        dialog = followed.dialog if way is None else _aimed(followed.dialog, way)
        request = notify_request(
            dialog,
            notice,
            followed.server.entity(followed, notice),
            package=followed.package,
            event_id=followed.event_id,
            formats=followed.formats,
            contact=self._contact(followed),
            charging=charging,
        )
        if way is not None:
            followed.dialog.local_cseq = dialog.local_cseq
        if followed.on_flow if way is None else way.pinned:
            request.next_hop = ON_FLOW
        self._sender.send(
            request,
            flow=followed.flow if way is None else way.flow,
            answered=functools.partial(self._answered, followed, destination, notice, way),
        )

    def _answered(
        self, followed: Followed, destination: str, notice: Notice, way: Way | None, answer: Response | SendFailure
    ) -> None:
        """Carry the outcome of a NOTIFY into the machine, and let the next one go.

        In a dialog that another one of the same device replaced, an answer says nothing of what the device has now.
        """
        if self._goes_elsewhere(followed, way, answer):
            self._notify(followed, destination, notice)
            return
        self._windows.leave(destination)
        if followed.living:
            self._take_answer(followed, notice, answer)
        while (waiter := self._windows.next(destination)) is not None:
            self._go_on(waiter)

    def _goes_elsewhere(self, followed: Followed, way: Way | None, answer: Response | SendFailure) -> bool:
        """Whether a NOTIFY that failed can go to the same device by another way (RFC 5626 §7)."""
        if self._reach is None or not followed.living:
            return False
        return self._reach.failed(followed, way, answer) and not followed.is_out_of_numbers

    def _take_answer(self, followed: Followed, notice: Notice, answer: Response | SendFailure) -> None:
        now, machine = self._clock.now(), followed.machine
        told = machine.told
        status, retry_after = _outcome(answer)
        outcome = machine.answered(status, now, retry_after=retry_after)
        if outcome.delivered:
            followed.answer = status
            followed.server.delivered(followed, notice)
            self._take_rates(followed, answer, now)
        else:
            followed.answer = answer if isinstance(answer, SendFailure) else status
            log.info("NOTIFY failed", extra={**_ids(followed), "status": status})
        if outcome.gone is not None:
            self._end(followed, outcome.gone)
            return
        if followed.lasting and machine.told is not told:  # else a restart would tell it again
            self._outbox.put(followed.record(now, self._clock.utc()))
        self._book(followed)
        self._go_on(followed)

    def _take_rates(self, followed: Followed, answer: Response | SendFailure, now: float) -> None:
        """The answer to a NOTIFY may change the rates (RFC 6446 §4.1)."""
        if isinstance(answer, SendFailure) or isinstance(answer.headers, UnreadHeaders):
            return  # nothing unusual is in fields that nobody had to read: no Event
        package = followed.package
        rates = changed_by(answer, package.name)
        if rates is not None:
            followed.terms = dataclasses.replace(followed.terms, rates=rates).shared()
            lasts = followed.machine.expires_at - now
            followed.machine.regulate(rates.agreed(package.limits, pace=package.pace, lasts=lasts), now)
            self._outbox.put(followed.record(now, self._clock.utc()))

    def _end(self, followed: Followed, gone: Gone) -> None:
        followed.gone = gone
        self._forget(followed)
        log.info("subscription ended", extra={**_ids(followed), "why": gone.name.lower()})
        followed.server.ended(followed)


def _aimed(dialog: Dialog, way: Way) -> Dialog:
    """The dialog with the way as its own."""
    target, routes = way.uri or dialog.remote_target, way.routes or dialog.route_set
    return dataclasses.replace(dialog, remote_target=target, route_set=routes)


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
    if not isinstance(answer, SendFailure):
        return answer.status, None if answer.status < 300 else _retry_after(answer)
    return (None, None) if answer is SendFailure.TIMEOUT else (503, None)


def _retry_after(response: Response) -> float | None:
    """Seconds of a Retry-After; one that is malformed is none."""
    try:
        return response.retry_after
    except SipSyntaxError:
        return None
