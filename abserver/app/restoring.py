"""From the journal's snapshot back to living subscriptions, after a stop or a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.events.subscription import Subscription
from abserver.services.followers import Followed

if TYPE_CHECKING:
    from abserver.ports import Clock, SubscriptionRecord
    from abserver.services.packages import PackageServer


def restored(record: SubscriptionRecord, server: PackageServer, clock: Clock) -> Followed:
    """The subscription as it was when it was recorded, going on above the CSeq numbers that were reserved for it."""
    now, package, terms = clock.now(), server.package, record.terms
    remaining = (record.expires_at - clock.utc()).total_seconds()
    machine = Subscription(
        expires_at=now + remaining,
        delivered=server.acknowledged(record.key),
        told=record.told,
        pace=package.pace,
        quenched=terms.quenched,
    )
    machine.regulate(terms.rates.agreed(package.limits, pace=package.pace, lasts=remaining), now)
    return Followed(
        key=record.key,
        dialog=record.dialog,
        server=server,
        event_id=record.event_id,
        terms=terms,
        flow=record.flow,
        machine=machine,
        recorded=record.told,
    )
