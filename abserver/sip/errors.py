"""What can go wrong between a peer's bytes and a SIP message.

    SipSyntaxError      the peer's fault: what came is not SIP

Facts only: whoever reads from the network maps them once, to the response that `status_hint` names, or to silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abserver.sip.message import Request


class SipSyntaxError(Exception):
    """Text from a peer breaks the grammar of RFC 3261 §25 or a bound of ours."""

    def __init__(self, reason: str, *, status_hint: int = 400, request: Request | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        """What is wrong, in a phrase fit for a status line; it never quotes the message."""
        self.status_hint = status_hint
        """The status code that fits, if an answer is due at all."""
        self.request = request
        """As much of the request as an answer copies (§8.2.6.2); None where the RFC wants silence: bad responses,
        ACK, and requests without a Via to send the answer by. It is for `uas.make_response` and nothing else."""
