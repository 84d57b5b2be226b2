"""The NOTIFY request, whatever the package (RFC 6665 §4.2.2, RFC 5839 §6.2, docs/contact-card-event-package.md §7).

A change of one card is thousands of NOTIFYs that differ in their dialog and in the seconds that remain; the rest is
written once and shared.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from abserver.events.rates import NO_RATES
from abserver.sip.codec import write_fields
from abserver.sip.headers import Event, SubscriptionState

if TYPE_CHECKING:
    from abserver.events.contact_card import Entity, Formats
    from abserver.events.package import EventPackage
    from abserver.events.subscription import Notice
    from abserver.sip.dialog import Dialog
    from abserver.sip.outgoing import Outgoing

REMEMBERED = 4096
"""Texts of fields that are at hand."""


def notify_request(
    dialog: Dialog,
    notice: Notice,
    entity: Entity | None,
    *,
    package: EventPackage,
    event_id: str | None,
    formats: Formats,
    contact: str,
    charging: str | None = None,
) -> Outgoing:
    """The next request of the dialog, saying `notice`.

    entity: the body that takes the subscriber to the notice's view; None where there is none, or nothing changes.
    contact: the value of our Contact. charging: that of P-Charging-Vector; None towards who must not see it.
    """
    tag = None if notice.tag is None else formats.entity_tag(notice.tag)
    state = _state(notice) if charging is None else _state(notice) + write_fields([("P-Charging-Vector", charging)])
    if entity is None:
        return dialog.next_outgoing("NOTIFY", state + _fields(package.name, event_id, contact, tag))
    base = None if entity.base is None else formats.entity_tag(entity.base)
    fields = _fields(package.name, event_id, contact, tag, base, entity.content_type, entity.coding)
    return dialog.next_outgoing("NOTIFY", state + fields, entity.body)


def _state(notice: Notice) -> str:
    """Subscription-State: what differs from one subscriber to the next."""
    standing, reason, expires, rates = notice.standing, notice.reason, notice.expires, notice.rates
    if reason is None and rates is NO_RATES:
        return f"Subscription-State: {standing};expires={expires}\r\n"
    state = SubscriptionState(standing, expires=expires, reason=reason, params=rates.params())
    return f"Subscription-State: {state}\r\n"


@functools.lru_cache(REMEMBERED)
def _fields(
    package: str,
    event_id: str | None,
    contact: str,
    tag: str | None,
    base: str | None = None,
    content_type: str | None = None,
    coding: str | None = None,
) -> str:
    """What many NOTIFYs share."""
    fields = [
        ("Event", str(Event(package, event_id, {} if base is None else {"base": base}))),
        ("Contact", contact),
        ("SIP-ETag", tag),
        ("Content-Type", content_type),
        ("Content-Encoding", coding),
    ]
    return write_fields((name, value) for name, value in fields if value is not None)
