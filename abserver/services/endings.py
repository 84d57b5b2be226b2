"""The subscriptions to cards that ended last, so that for a while it can be said why a device is told nothing.

In memory only, and bounded: one for each device, the oldest dropped first.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, NamedTuple

from abserver.domain.explanation import LastNotify
from abserver.events.subscription import Gone
from abserver.ports import SendFailure
from abserver.sip.headers import EventReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abserver.domain.identity import Owner, Watcher
    from abserver.ports import Clock, DeviceKey
    from abserver.services.followers import Followed

KEPT = 2_000
"""Devices whose last subscription is remembered."""


class Ending(NamedTuple):
    """A subscription that is over."""

    at: datetime.datetime
    why: str
    """As `ExplainedDevice.ended` names it."""
    last: LastNotify | None


class Endings:
    """Remembers how subscriptions ended."""

    def __init__(self, clock: Clock, kept: int = KEPT) -> None:
        self._clock = clock
        self._kept = kept
        self._endings: dict[DeviceKey, Ending] = {}

    def note(self, followed: Followed) -> None:
        """A subscription comes or goes (for `Followers.listen`)."""
        if followed.living:
            return
        self._endings.pop(followed.key, None)
        self._endings[followed.key] = Ending(
            self._clock.utc(), _why(followed, self._clock.now()), last_notify(followed, self._clock)
        )
        if len(self._endings) > self._kept:
            del self._endings[next(iter(self._endings))]

    def of(self, owner: Owner, watcher: Watcher) -> Sequence[tuple[DeviceKey, Ending]]:
        """How each device of the watcher, as far as that is remembered, stopped following the owner."""
        return [(key, each) for key, each in self._endings.items() if key.watcher == watcher and key.owner == owner]


def last_notify(followed: Followed, clock: Clock) -> LastNotify | None:
    """The last NOTIFY of a subscription; None if none was sent since the server started."""
    machine, answer = followed.machine, followed.answer
    if answer is None and not machine.is_in_flight:
        return None
    ago = datetime.timedelta(seconds=clock.now() - machine.sent_at)
    return LastNotify(
        call_id=followed.dialog.call_id,
        cseq=followed.dialog.local_cseq or 0,
        at=clock.utc() - ago,
        answer=None if machine.is_in_flight else _spoken(answer),
    )


def _spoken(answer: int | SendFailure | None) -> str:
    return answer.value if isinstance(answer, SendFailure) else str(answer)


def _why(followed: Followed, now: float) -> str:
    machine = followed.machine
    if followed.gone is None:  # 204 to an unsubscription, or another dialog of the same device
        return EventReason.TIMEOUT.value if machine.expires_at <= now else "replaced"
    if followed.gone is Gone.TOLD and machine.reason is not None:
        return machine.reason.value
    return followed.gone.name.lower()
