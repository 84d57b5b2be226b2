"""By which way a device is reached, where something knows better than the dialog (RFC 5626 §7, RFC 5627 §6.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from abserver.ports import SendFailure
    from abserver.services.followers import Followed
    from abserver.sip.message import Response
    from abserver.sip.transport import Flow


class Way(NamedTuple):
    """A way that is not the dialog's own."""

    flow: Flow | None
    """None: there is none at this time."""
    uri: str | None = None
    """The Request-URI, if not the remote target."""
    routes: tuple[str, ...] = ()
    """The Route, if not the dialog's."""
    pinned: bool = False
    """Whether the request leaves on the flow or not at all."""


class Reach(Protocol):
    """Who knows where devices are."""

    def way(self, followed: Followed) -> Way | None:
        """The way of the next request to a subscriber; None for that of its dialog."""
        ...

    def failed(self, followed: Followed, way: Way | None, answer: Response | SendFailure) -> bool:
        """Take note that a request failed on that way; whether there is another one to try at once."""
        ...
