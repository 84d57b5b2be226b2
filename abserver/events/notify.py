"""The NOTIFY request of the contact-card package (docs/contact-card-event-package.md §7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.sip.headers import Event, SubscriptionState
from abserver.sip.message import Request

if TYPE_CHECKING:
    from abserver.events.contact_card import Entity, Formats
    from abserver.events.package import EventPackage
    from abserver.events.subscription import Notice
    from abserver.sip.dialog import Dialog


def notify_request(
    dialog: Dialog,
    notice: Notice,
    entity: Entity | None,
    *,
    package: EventPackage,
    event_id: str | None,
    formats: Formats,
    contact: str,
) -> Request:
    """The next request of the dialog, saying `notice`.

    entity: the body that takes the subscriber to the notice's view; None where there is none, or nothing changes.
    contact: the value of our Contact.
    """
    request = dialog.next_request("NOTIFY")
    headers = request.headers
    if notice.tag is not None:
        headers.set("SIP-ETag", formats.entity_tag(notice.tag))
    base = {"base": formats.entity_tag(entity.base)} if entity is not None and entity.base is not None else {}
    headers.set("Event", str(Event(package.name, event_id, base)))
    state = SubscriptionState(
        notice.standing, expires=notice.expires, reason=notice.reason, params=notice.rates.params()
    )
    headers.set("Subscription-State", str(state))
    headers.set("Contact", contact)
    if entity is None:
        return request
    headers.set("Content-Type", entity.content_type)
    if entity.coding is not None:
        headers.set("Content-Encoding", entity.coding)
    return Request(request.method, request.uri, headers, entity.body)
