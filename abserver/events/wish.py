"""What a SUBSCRIBE asks for, read and checked before anybody is authenticated (RFC 6665 §4.2.1.1).

`read_wish` is the notifier's first look: it gives a Wish, or the response that refuses. Checks that need to know who
asks, or whose card it is, come later and elsewhere; `agreed` is the last one, when the subscription is at hand that
the SUBSCRIBE may change. What packages have in common is read here, by what each says of itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from abserver.events import codings, filters
from abserver.events.codings import BodyTooLarge, UnknownCoding
from abserver.events.filters import BadFilter
from abserver.events.formats import negotiate
from abserver.events.package import allow_events
from abserver.events.quirks import quirks_of
from abserver.events.rates import Rates
from abserver.events.terms import Terms
from abserver.events.xcap_diff import lists
from abserver.events.xcap_diff.lists import InvalidList, TooManyEntries
from abserver.sip.errors import SipSyntaxError
from abserver.sip.grammar import quote
from abserver.sip.message import Response
from abserver.sip.uas import is_optional, make_response
from abserver.sip.uri import SipUri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abserver.domain.identity import Aor
    from abserver.events.contact_card import Formats
    from abserver.events.package import EventPackage
    from abserver.sip.grammar import Params
    from abserver.sip.headers import NameAddr
    from abserver.sip.message import Request

WARN_AGENT = "abserver"
"""Who warns, in Warning fields: a pseudonym (RFC 3261 §20.43)."""


class Wish(NamedTuple):
    """One SUBSCRIBE that can be served."""

    package: EventPackage
    event_id: str | None
    """To be echoed in every NOTIFY (RFC 6665 §4.5.2)."""
    params: Params
    """What else the Event field says."""
    expires: int
    """Seconds granted; 0 unsubscribes, or polls."""
    terms: Terms
    """What this request says, and the usual where it says nothing; a filter-set in it is not read yet (`agreed`)."""
    device: str
    """Which user agent of the watcher asks: see `device_of`; where it may ask for several things, for which."""
    suppress: str | None
    """The entity-tag, or `*`, of Suppress-If-Match (RFC 5839 §5.1)."""

    @property
    def formats(self) -> Formats:
        """The bodies that are asked for."""
        return self.terms.formats


def read_wish(request: Request, packages: Sequence[EventPackage]) -> Wish | Response:
    """Read a SUBSCRIBE; a Response is the refusal: 400, 406, 413, 415, 423 or 489. Raises SipSyntaxError."""
    event = request.event
    package = next((each for each in packages if event is not None and each.name == event.package), None)
    if event is None or package is None:
        return make_response(request, 489, headers=[("Allow-Events", allow_events(packages))])
    expires = request.expires
    if package.too_brief(expires):
        return make_response(request, 423, headers=[("Min-Expires", str(package.min_expires))])
    contact = request.contact
    if contact is None:
        return make_response(request, 400, reason="Missing Contact")
    suppress = request.headers.get("Suppress-If-Match")
    terms = _terms(request, package, event.params, quenched=suppress == "*")
    if isinstance(terms, Response):
        return terms
    return Wish(
        package=package,
        event_id=event.id,
        params=event.params,
        expires=package.granted(expires),
        terms=terms,
        device=package.subscriber(device_of(contact), terms.body),
        suppress=suppress,
    )


def _terms(request: Request, package: EventPackage, params: Params, *, quenched: bool) -> Terms | Response:
    rates = Rates.of(params)
    formats = negotiate(request, package)
    if formats is None:
        accepted = [("Accept", ", ".join(package.body_types)), ("Accept-Encoding", ", ".join(codings.CODINGS))]
        return make_response(request, 406, headers=accepted)
    body = _body(request, package)
    if isinstance(body, Response):
        return body
    return Terms(
        formats=formats,
        rates=rates,
        body_type=body[0],
        body=body[1],
        quenched=quenched,
        quirks=quirks_of(request.headers.get("User-Agent")),
        processing=params.get(package.processing) if package.processing else None,
    )


def _body(request: Request, package: EventPackage) -> tuple[str | None, bytes] | Response:
    """Media type and content of the body; nothing of one that the sender lets us ignore (RFC 3261 §20.11)."""
    if not request.body:
        return None, b""
    content_type = request.content_type
    if content_type is not None and content_type.name in package.subscribe_types:
        try:
            coding = request.headers.get("Content-Encoding") or codings.IDENTITY
            body = codings.unpack(request.body, coding, package.max_body)
            if content_type.name == lists.MEDIA_TYPE:
                lists.read_list(body)
            return content_type.name, body
        except UnknownCoding:
            understood = ("Accept-Encoding", ", ".join(codings.CODINGS))
        except (BodyTooLarge, TooManyEntries):
            return make_response(request, 413)
        except InvalidList:
            return make_response(request, 400, reason="Malformed Resource List")
    else:
        understood = ("Accept", ", ".join(package.subscribe_types))
    if is_optional(request):
        return None, b""
    if content_type is None:
        raise SipSyntaxError("Missing Content-Type")  # RFC 3261 §20.15
    return make_response(request, 415, headers=[understood])


def agreed(request: Request, wish: Wish, resource: Aor, held: Terms | None = None) -> Terms | Response:
    """The terms of a subscription to `resource` from this SUBSCRIBE on; a Response is the refusal: 488.

    What is not of the request but of its sender, `identity` and `charging`, is the caller's to put into the wish.

    held: those that it has, None for a new one. Rates are named anew by each request (RFC 6446 §5.1), as is silence
    (RFC 5839 §5.2); formats and a body stay where the request has none of its own (RFC 5875 §4.4), and a filter-set
    changes those that it names (RFC 4660 §5.2.2).
    """
    terms = wish.terms
    if held is not None:
        formats = _formats(request, terms.formats, held.formats)
        terms = replace(terms, formats=formats, identity=held.identity, charging=terms.charging or held.charging)
        if not terms.body:
            terms = replace(terms, body_type=held.body_type, body=held.body)
    if wish.terms.body_type == filters.MEDIA_TYPE:
        try:
            body = _amended(wish, resource, held)
        except BadFilter as error:  # RFC 4660 §5.4
            warning = f"399 {WARN_AGENT} {quote(error.reason)}"
            return make_response(request, 488, headers=[("Warning", warning)])
        terms = replace(terms, body_type=filters.MEDIA_TYPE if body else None, body=body)
    return terms.shared()


def _amended(wish: Wish, resource: Aor, held: Terms | None) -> bytes:
    """The document of the filters from now on. Raises BadFilter."""
    change = filters.read_change(wish.terms.body)
    if change.package not in (None, wish.package.name):
        raise BadFilter("the filter-set is for another event package")
    known = held.body if held is not None and held.body_type == filters.MEDIA_TYPE else b""
    return filters.filters_of(known).amended(change, resource).to_xml()


def _formats(request: Request, asked: Formats, held: Formats) -> Formats:
    form = asked if "Accept" in request.headers else held
    coded = asked if "Accept-Encoding" in request.headers else held
    return replace(form, coding=coded.coding, always_coded=coded.always_coded)


def device_of(contact: NameAddr) -> str:
    """The name of a device: its `+sip.instance` (RFC 5626 §4.1) in lower case, since URNs of that kind compare so
    (RFC 8141 §3.1, RFC 9562 §4), or else its public GRUU (RFC 5627 §3.1.1), the `gr` of which is the instance for most
    registrars, ours with a seal behind it. Without one the user, host and port of its Contact, which stays as long as
    the phone keeps its address."""
    instance = contact.param("+sip.instance")
    if instance:
        return instance.strip("<>").lower()
    uri = SipUri.parse(contact.uri)
    if gruu := (uri.params.get("gr") or "").lower():
        return gruu.partition("/")[0] if gruu.startswith("urn:") else gruu
    return f"{uri.userinfo or ''}@{uri.host}:{uri.port or 5060}"
