"""What every user agent server does with a request before and after its method is served (RFC 3261 §8.2).

`check` tells whether a request has what transactions and dialogs rest on: the endpoint calls it, so a request that came
up to a transaction user has passed. `inspect` applies §8.2.1 to §8.2.3 for a server with given capabilities.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from abserver.sip.errors import SipSyntaxError
from abserver.sip.grammar import bare_host, parse_number
from abserver.sip.headers import CSeq, NameAddr
from abserver.sip.message import Headers, Request, Response
from abserver.sip.uri import SipUri

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from abserver.sip.headers import Via

REASONS = {
    100: "Trying",
    200: "OK",
    202: "Accepted",
    204: "No Notification",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    305: "Use Proxy",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    412: "Conditional Request Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    421: "Extension Required",
    423: "Interval Too Brief",
    430: "Flow Failed",
    433: "Anonymity Disallowed",
    439: "First Hop Lacks Outbound Support",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    488: "Not Acceptable Here",
    489: "Bad Event",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    603: "Decline",
}
"""Reason phrases (§21 and the RFCs that extend it)."""

SIPS_NOT_ALLOWED = '380 abserver "SIPS Not Allowed"'
"""The Warning of a 480 (RFC 5630 §5.1.2)."""

_KNOWN_METHODS = frozenset(
    {"ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK", "PUBLISH", "REFER"}
    | {"REGISTER", "SUBSCRIBE", "UPDATE"}
)
_COPIED = ("Via", "From", "To", "Call-ID", "CSeq")
_SINGLE = ("From", "To", "Call-ID", "CSeq")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server supports, as its refusals and its OPTIONS answers tell it."""

    methods: tuple[str, ...]
    """Allow."""
    extensions: frozenset[str] = frozenset()
    """Option tags that a Require may name, in lower case: Supported."""
    schemes: tuple[str, ...] = ("sip", "sips")
    """Of Request-URIs, in lower case; without `sips` there is no TLS here. One that is not of SIP names no host, so it
    is for us wherever it was sent."""
    body_types: tuple[str, ...] = ()
    """Media types of bodies that some method reads: Accept in a 415."""
    codings: tuple[str, ...] = ("identity",)
    """Content-codings that they may have, in lower case: Accept-Encoding in a 415."""
    hosts: frozenset[str] | None = None
    """Lower-case hosts that a Request-URI may name, IPv6 without brackets; None for any."""

    @property
    def allow(self) -> str:
        """The Allow field."""
        return allow(self.methods)


def allow(methods: Iterable[str]) -> str:
    """The Allow field of a server of these methods: CANCEL is understood too (§20.5)."""
    return ", ".join((*methods, "CANCEL"))


def make_response(
    request: Request,
    status: int,
    *,
    reason: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    to_tag: str | None = None,
) -> Response:
    """Answer a request (§8.2.6): what must be copied is copied; `headers` and `body` are the answer's own.

    reason: the phrase of `REASONS` if None. to_tag: for a To that has no tag yet; if None, a tag that is the same
    whenever the same request is answered (§8.2.7). A 2xx repeats the Record-Route (§12.1.1). The request may be the
    one of a SipSyntaxError: what it lacks is left out.
    """
    copied = request.headers.rows()
    rows = {name: copied[name][:] for name in _COPIED if name in copied}
    if status == 100:
        if "Timestamp" in copied:
            rows["Timestamp"] = copied["Timestamp"][:]  # §8.2.6.1
    elif "To" in rows and not _has_tag(request):
        rows["To"] = [f"{rows['To'][0]};tag={to_tag or stateless_tag(request)}"]
    if 200 <= status < 300 and "Record-Route" in copied:
        rows["Record-Route"] = copied["Record-Route"][:]
    answer = Headers.of_rows(rows)
    for name, value in headers:
        answer.add(name, value)
    return Response(status, REASONS.get(status, "") if reason is None else reason, answer, body)


def _has_tag(request: Request) -> bool:
    try:
        return request.to.tag is not None
    except SipSyntaxError:
        return True  # it is echoed as it came


def stateless_tag(request: Request) -> str:
    """A To tag that depends on the request alone (§8.2.7): a retransmission, or the CANCEL of the request, gets the
    same one. Not for dialogs: whoever sees the request can compute it.
    """
    get = request.headers.get
    via = get("Via") or ""
    number = (get("CSeq") or "").partition(" ")[0]
    facts = "\0".join((via.partition("branch=")[2].partition(";")[0], get("Call-ID") or "", get("From") or "", number))
    return hashlib.blake2s(facts.encode(errors="surrogateescape"), digest_size=8).hexdigest()


class Mandatory(NamedTuple):
    """The fields of a request on which transactions and dialogs rest (§8.1.1)."""

    via: Via
    """The topmost."""
    from_: NameAddr
    to: NameAddr
    call_id: str
    cseq: CSeq


def check(request: Request) -> Mandatory:
    """Read what §8.1.1 makes mandatory.

    Raises SipSyntaxError, fit for a 400, unless each field is there once and well-formed, and CSeq repeats the method.
    Max-Forwards may be missing, as in RFC 2543; From needs no tag for the same reason.
    """
    try:
        return _check(request)
    except SipSyntaxError as error:
        error.request = request
        raise


def _check(request: Request) -> Mandatory:
    rows = request.headers.rows()
    from_, to, call_id, cseq = [_only(rows, name) for name in _SINGLE]
    fields = Mandatory(request.via, NameAddr.parse(from_), NameAddr.parse(to), call_id, CSeq.parse(cseq))
    if not call_id or " " in call_id:
        raise SipSyntaxError("Malformed Call-ID")
    if fields.cseq.method != request.method:
        raise SipSyntaxError("CSeq Does Not Match the Method")
    if "Max-Forwards" in rows:
        parse_number(_only(rows, "Max-Forwards"), 255)
    return fields


def _only(rows: Mapping[str, Sequence[str]], name: str) -> str:
    """The one row of a field that may have no more."""
    values = rows.get(name)
    if values is None:
        raise SipSyntaxError(f"Missing {name}")
    if len(values) > 1:
        raise SipSyntaxError(f"Several {name}")
    return values[0]


def inspect(request: Request, capabilities: Capabilities) -> Response | None:
    """Refuse what this server can't serve, whatever the method does (§8.2.1 to §8.2.3); None if all is well.

    400 and 505, and 482 for merged requests, are the endpoint's answers; 401 and 481 need state from above this room.
    """
    try:
        return (
            _inspect_method(request, capabilities)
            or _inspect_uri(request, capabilities)
            or _inspect_require(request, capabilities)
            or _inspect_content(request, capabilities)
        )
    except SipSyntaxError as error:
        return make_response(request, error.status_hint, reason=error.reason)


def _inspect_method(request: Request, capabilities: Capabilities) -> Response | None:
    if request.method in capabilities.methods:
        return None
    status = 405 if request.method in _KNOWN_METHODS else 501  # recognised or not (§8.2.1, §21.5.2)
    return make_response(request, status, headers=[("Allow", capabilities.allow)])


def _inspect_uri(request: Request, capabilities: Capabilities) -> Response | None:
    scheme = request.uri.partition(":")[0].lower()
    if scheme in capabilities.schemes and scheme not in ("sip", "sips"):
        return None
    uri = SipUri.parse(request.uri)  # 416 for a scheme that is not ours (§8.2.2.1)
    if uri.scheme not in capabilities.schemes:  # it is known, but there is no TLS here
        return make_response(request, 480, headers=[("Warning", SIPS_NOT_ALLOWED)])
    if capabilities.hosts is None or bare_host(uri.host).lower() in capabilities.hosts:
        return None
    if (request.headers.get("Max-Forwards") or "1").strip("0"):
        return make_response(request, 404)
    # Not for us: a proxy would pass it on, if it could go on. It may answer an OPTIONS itself then (§11, §16.3).
    return None if request.method == "OPTIONS" else make_response(request, 483)


def _inspect_require(request: Request, capabilities: Capabilities) -> Response | None:
    unknown = [tag for tag in request.option_tags("Require") if tag not in capabilities.extensions]
    if not unknown:
        return None
    return make_response(request, 420, headers=[("Unsupported", ", ".join(unknown))])


def _inspect_content(request: Request, capabilities: Capabilities) -> Response | None:
    if not request.body or is_optional(request):
        return None
    if (request.headers.get("Content-Encoding") or "identity").lower() not in capabilities.codings:
        return make_response(request, 415, headers=[("Accept-Encoding", ", ".join(capabilities.codings))])
    content_type = request.content_type
    if content_type is None:
        raise SipSyntaxError("Missing Content-Type")  # §20.15
    if content_type.name in capabilities.body_types:
        return None
    return make_response(request, 415, headers=[("Accept", ", ".join(capabilities.body_types))])


def is_optional(request: Request) -> bool:
    """Whether the sender can do without the body being understood (`handling`, §20.11)."""
    _, _, params = (request.headers.get("Content-Disposition") or "").lower().partition(";")
    return "handling=optional" in params.replace(" ", "")
