"""Which messages somebody wants to see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.sip.ladder import method_of, users_of

if TYPE_CHECKING:
    from abserver.sip.message import Message
    from abserver.sip.trace import TracedMessage
    from abserver.sip.transport import Address


@dataclass(frozen=True, slots=True)
class Choice:
    """What a message has to have to be shown; all of it."""

    user: str | None = None
    """A user's name, or an address, with or without `sip:`."""
    call_id: str | None = None
    """A part of it."""
    methods: tuple[str, ...] = ()
    peer: str | None = None
    """A host, or host and port."""

    def takes(self, traced: TracedMessage, message: Message | None) -> bool:
        """message: what was read of it; None if it can't be, and then it has neither user nor Call-ID nor method."""
        if self.peer is not None and not self._is_peer(traced.flow.remote):
            return False
        if self.user is None and self.call_id is None and not self.methods:
            return True
        return message is not None and self._takes(message)

    def _is_peer(self, remote: Address) -> bool:
        wanted = (self.peer or "").lower()
        return wanted in (str(remote), remote.host, f"[{remote.host}]")

    def _takes(self, message: Message) -> bool:
        if self.methods and method_of(message).upper() not in {each.upper() for each in self.methods}:
            return False
        if self.call_id is not None and self.call_id not in (message.headers.get("Call-ID") or ""):
            return False
        return self.user is None or self._is_about_user(users_of(message))

    def _is_about_user(self, users: set[str]) -> bool:
        wanted = (self.user or "").lower()
        wanted = wanted.partition(":")[2] if wanted.startswith(("sip:", "sips:")) else wanted
        if "@" in wanted:
            return wanted in users
        return any(each.partition("@")[0] == wanted for each in users)
