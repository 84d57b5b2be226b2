"""Why a watcher sees what he sees, and why his devices have or have not been told: answers for the owner.

It only looks. Nothing that a watcher could notice comes of an explanation: no NOTIFY, no move of a relation or of a
subscription, no line in the log. So it tells how things stand, be they about to change.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from abserver.domain.explanation import ExplainedDevice, Explanation, Next
from abserver.domain.rules import Handling
from abserver.events import filters
from abserver.events.subscription import Pause
from abserver.services.contact_cards import SHOWN, WITHHELD
from abserver.services.endings import last_notify
from abserver.sip.headers import Substate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from abserver.domain.identity import Owner, Watcher
    from abserver.domain.rules import Decision
    from abserver.domain.view import View
    from abserver.ports import Clock, DeviceKey, DeviceRecord, Journal
    from abserver.services.authorizing import Authorizer, Policy
    from abserver.services.endings import Ending, Endings
    from abserver.services.followers import Followed, Followers
    from abserver.services.outbox import Outbox
    from abserver.services.relating import Relating
    from abserver.services.update_lists import UpdateLists
    from abserver.services.windows import Windows

    RegisteredUntil = Callable[[Watcher, str], datetime.datetime | None]

_WAITING = {
    Pause.ANSWER: Next.IN_FLIGHT,
    Pause.RETRY: Next.RETRY,
    Pause.RATE: Next.PACED,
    Pause.SILENCE: Next.SILENCED,
}


def _of_no_registrar(watcher: Watcher, device: str) -> None:
    """What is registered where nobody can."""


class Explaining:
    """Explains what is shown of a card, and what its watchers' devices were told."""

    def __init__(
        self,
        *,
        authorizer: Authorizer,
        relating: Relating,
        followers: Followers,
        endings: Endings,
        update_lists: UpdateLists,
        windows: Windows[Followed],
        outbox: Outbox,
        journal: Journal,
        clock: Clock,
        registered_until: RegisteredUntil | None = None,
    ) -> None:
        """followers, endings: of subscriptions to cards. windows: those that the notifier sends through.
        registered_until: when the registration of a watcher's device ends, if it has one; None without a registrar."""
        self._registered_until = registered_until or _of_no_registrar
        self._authorizer = authorizer
        self._relating = relating
        self._followers = followers
        self._endings = endings
        self._lists = update_lists
        self._windows = windows
        self._outbox = outbox
        self._journal = journal
        self._clock = clock

    async def view(self, owner: Owner, watcher: Watcher) -> View | None:
        """The card as the watcher sees it, or would if he asked; None if he is shown nothing."""
        policy = await self._authorizer.policy(owner)
        decision = policy.decide(watcher, self._clock.utc())
        return policy.view(decision.grant) if decision.handling in SHOWN else None

    async def explain(self, owner: Owner, watcher: Watcher) -> Explanation:
        """Everything that there is to say, whether the watcher ever asked or not. Raises the journal's errors."""
        await self._outbox.write()  # history and acknowledgements are read from where they are kept
        history = await self._journal.decisions(owner, watcher)
        held = {record.key: record for record in await self._journal.held_by(watcher, owner)}
        policy = await self._authorizer.policy(owner)
        utc = self._clock.utc()
        decision = policy.decide(watcher, utc)
        return Explanation(
            owner=owner,
            watcher=watcher,
            at=utc,
            decision=decision,
            rules=policy.explained_rules(watcher, utc),
            items=policy.explained_items(decision),
            view=policy.view(decision.grant).tag if decision.handling in SHOWN else None,
            version=self._lists.version(owner),
            relation=self._relating.of(owner, watcher),
            history=history,
            devices=self._devices(policy, watcher, decision, held),
        )

    # -- devices ----------------------------------------------------------------------------------------------------

    def _devices(
        self, policy: Policy, watcher: Watcher, decision: Decision, held: Mapping[DeviceKey, DeviceRecord]
    ) -> Sequence[ExplainedDevice]:
        """Those with a subscription, then all others that are remembered."""
        living = self._followers.by(policy.owner, watcher)
        ended = dict(self._endings.of(policy.owner, watcher))
        away = sorted((held.keys() | ended.keys()) - {each.key for each in living})
        return [
            *(self._living(each, policy, decision, held.get(each.key)) for each in living),
            *(self._away(key, decision, held.get(key), ended.get(key)) for key in away),
        ]

    def _away(
        self, key: DeviceKey, decision: Decision, held: DeviceRecord | None, ending: Ending | None
    ) -> ExplainedDevice:
        return ExplainedDevice(
            device=key.device,
            next=Next.BLOCKED if decision.handling is Handling.BLOCK else Next.OFFLINE,
            at=ending.at if ending else None,
            current=None,
            delivered=self._lists.held(key),
            version=held.version if held else None,
            acknowledged_at=held.at if held else None,
            expires_at=None,
            has_filter=False,
            ended=ending.why if ending else None,
            registered_until=self._registered_until(key.watcher, key.device),
            last=ending.last if ending else None,
        )

    def _living(
        self, followed: Followed, policy: Policy, decision: Decision, held: DeviceRecord | None
    ) -> ExplainedDevice:
        criteria = _criteria(followed)
        current = policy.view(decision.grant) if decision.handling in SHOWN else None
        if current is not None and criteria is not None:
            current = filters.filtered(current, criteria)
        tag = current.tag if current else None
        following, at = self._next(followed, decision, tag)
        return ExplainedDevice(
            device=followed.key.device,
            next=following,
            at=None if at is None else self._time(at),
            current=tag,
            delivered=followed.machine.delivered,
            version=held.version if held else None,
            acknowledged_at=held.at if held else None,
            expires_at=self._time(followed.machine.expires_at),
            has_filter=criteria is not None,
            ended=None,
            registered_until=self._registered_until(followed.key.watcher, followed.key.device),
            last=last_notify(followed, self._clock),
        )

    def _next(self, followed: Followed, decision: Decision, tag: str | None) -> tuple[Next, float | None]:
        machine = followed.machine
        pause, at = machine.pause(self._clock.now())
        withheld = followed.settled is WITHHELD
        if pause is not Pause.ANSWER and not withheld and not _is_settled(followed, decision, tag):
            return Next.RECONCILING, None
        if pause is Pause.NOTHING:
            waits = self._windows.is_waiting(followed.destination, followed)
            return (Next.WINDOW if waits else Next.WRITING), None
        if pause is Pause.CHANGE:
            if withheld:
                return Next.FILTERED, None
            return (Next.UP_TO_DATE if machine.standing is Substate.ACTIVE else Next.UNDECIDED), None
        return _WAITING[pause], at

    def _time(self, at: float) -> datetime.datetime:
        """The wall clock's time of a deadline."""
        return self._clock.utc() + datetime.timedelta(seconds=at - self._clock.now())


def _criteria(followed: Followed) -> filters.Criteria | None:
    terms = followed.terms
    if terms.body_type != filters.MEDIA_TYPE:
        return None
    return filters.filters_of(terms.body).criteria_for(followed.key.owner)


def _is_settled(followed: Followed, decision: Decision, tag: str | None) -> bool:
    """Whether the machine was told what follows from the decision; `tag` is what the device is to have."""
    machine = followed.machine
    if tag is None:
        return decision.handling is Handling.CONFIRM and machine.standing is Substate.PENDING
    return machine.standing is Substate.ACTIVE and machine.view is not None and machine.view.tag == tag
