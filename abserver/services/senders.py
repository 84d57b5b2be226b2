"""Who sends a SUBSCRIBE, on whose behalf it comes here, and whether the sender is to be named to anybody.

What only peers of our trust domain may say, which user is served (RFC 5502) and what is charged (RFC 7315), is read of
their requests alone. Privacy is granted to everybody (RFC 3323 §5): the rules know who asks, since an asserted identity
is there to be used (RFC 3325 §8, RFC 5025 §3.1.1.2), and nobody else learns it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from abserver.domain.identity import ANONYMOUS, Aor
from abserver.sip.trusted_fields import WHO_ASKS, ChargingVector, Privacy, ServedUser, SessionCase, read_privacy
from abserver.sip.uas import make_response

if TYPE_CHECKING:
    from abserver.domain.identity import Owner, Watcher
    from abserver.sip.message import Request, Response


class Sender(NamedTuple):
    """What is known of the sender of one SUBSCRIBE beside its wish."""

    identity: Watcher
    """Authenticated, or ANONYMOUS."""
    resource: str
    """The URI of what is asked for, as it came."""
    private: bool = False
    """Whether the sender wants not to be named."""
    charging: ChargingVector | None = None

    def is_hidden_from(self, owner: Owner) -> bool:
        """Whether the owner of the resource must not learn who asks; nobody hides from himself."""
        return self.identity == ANONYMOUS or (self.private and Aor(self.identity) != owner)


def sender_of(request: Request, identity: Watcher, *, trusted: bool) -> Sender | Response:
    """What a SUBSCRIBE of this identity says; a Response is the refusal of what cannot be kept private.

    trusted: whether it comes from a peer of our trust domain. Raises SipSyntaxError.
    """
    rows = request.headers.rows()
    private = False
    if "Privacy" in rows:
        asked, unknown = read_privacy(rows["Privacy"])
        if unknown and Privacy.CRITICAL in asked:  # RFC 3323 §5
            return make_response(request, 500, reason=f"Privacy Not Supported: {', '.join(unknown)}")
        private = bool(asked & WHO_ASKS)
    if not trusted:
        return Sender(identity, request.uri, private)
    resource = request.uri
    if "P-Served-User" in rows:
        served = ServedUser.of(request.headers)
        if served is not None and served.session_case is SessionCase.TERMINATING:
            resource = served.uri
    charging = ChargingVector.of(request.headers) if "P-Charging-Vector" in rows else None
    return Sender(identity, resource, private, charging)
