"""The plain response: read by one look, because twenty-five thousand come in a second.

Nearly every answer to a NOTIFY has one Via on top, ours, one CSeq, fields with usual names in usual spelling, and no
body. Such a response is matched without its fields being taken apart; they are when somebody asks for one. Everything
else is for `codec.parse`.

Law: what `read_plain` reads, `parse` reads too, and both read the same; what it does not read is None, never an error.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from abserver.sip.codec import UnreadHeaders
from abserver.sip.message import Response

LARGEST = 4096
"""Bytes: far below every bound of `codec.Limits`, so that none of them needs a look."""

_PORT = r"(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})"
_SENT_BY = rf"(?:\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9.\-]++)(?::{_PORT})?+"
_SOURCE = r"[0-9A-Fa-f.:\[\]]++"
_WAY_BACK = (
    rf"(?:;rport=[0-9]{{1,5}}+(?:;received={_SOURCE})?+|;received={_SOURCE}(?:;rport(?:=[0-9]{{1,5}}+)?+)?+|;rport)"
)
"""What others add to our Via. It may stand before or after the branch, but not in both places: no name occurs twice."""
_NAMES = (
    "Accept|Accept-Encoding|Accept-Language|Allow|Allow-Events|Call-ID|Contact|Date|Expires|From|Organization|P-[A-Za-z-]++"
    "|Record-Route|Require|Retry-After|Server|Supported|Timestamp|To|User-Agent|Warning|WWW-Authenticate|X-[A-Za-z-]++"
)
_ALIAS = "(?:;alias)?+"
"""Where we say that a connection is for both directions (RFC 5923)."""
_FIELDS = rf"(?:(?:{_NAMES}): ?+[\x20-\x7e]*+\r\n){{0,64}}+"
_PLAIN = re.compile(
    r"SIP/2\.0 ([1-6][0-9][0-9]) ([\x20-\x7e]*+)\r\n"
    rf"Via: (SIP/2\.0/[A-Z]++ {_SENT_BY}){_ALIAS}({_WAY_BACK})?+;branch=([A-Za-z0-9]++)(?(4)|{_WAY_BACK}?+)\r\n"
    rf"{_FIELDS}CSeq: [0-9]{{1,9}}+ ([A-Z]++)\r\n{_FIELDS}Content-Length: *+0\r\n\r\n"
)


class Plain(NamedTuple):
    """A plain response, and what it is matched by."""

    hop: str
    """Protocol and sent-by of its one Via."""
    branch: str
    method: str
    """Of its CSeq."""
    response: Response


def read_plain(data: bytes) -> Plain | None:
    """Read a plain response; None for any other bytes."""
    if len(data) > LARGEST or not data.startswith(b"SIP/2.0 "):
        return None
    text = data.decode("latin-1")
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    status, reason, hop, branch, method = match.group(1, 2, 3, 5, 6)
    return Plain(hop, branch, method, Response(int(status), reason, UnreadHeaders(text)))
