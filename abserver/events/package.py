"""What an event package fixes, in the words of RFC 6665 §5.4; the packages that we serve are values of this type."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.events.rates import LIMITS, Limits

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class EventPackage:
    """The numbers and names of one package (RFC 6665 §5.4.1 to §5.4.5)."""

    name: str
    """The event type token: case-sensitive, compared byte by byte (§8.2.1)."""
    default_expires: int
    """Seconds granted to a SUBSCRIBE without Expires (§5.4.4)."""
    min_expires: int
    """Seconds; a shorter wish gets 423, except zero (§4.2.1.1)."""
    max_expires: int
    """Seconds; a longer wish is shortened (§4.2.1.1)."""
    body_types: tuple[str, ...]
    """Media types that a NOTIFY may carry, the default first (§5.4.5)."""
    patch_type: str | None = None
    """Which of them is no full state but a difference: it applies to the default's."""
    subscribe_types: tuple[str, ...] = ()
    """Media types that the body of a SUBSCRIBE may have (§5.4.3)."""
    max_body: int = 8192
    """Octets of such a body, without its content-coding."""
    processing: str | None = None
    """The Event parameter, if there is one, that says how changes are to be told; it is kept with the subscription."""
    several: bool = False
    """Whether one device may have several subscriptions to a resource, by SUBSCRIBEs with different bodies."""
    pace: float = 5.0
    """Seconds between two NOTIFYs that tell a change, for a subscriber that asks for no max-rate (§5.4.10). The first
    change after a quiet time goes at once; what RFC 6446 §5.2 exempts never waits."""
    limits: Limits = LIMITS
    """The rates that a subscriber can get by asking (RFC 6446)."""

    def granted(self, wish: int | None) -> int:
        """The duration in seconds for an Expires wish; 0 stays 0 (an unsubscription or a poll)."""
        return self.default_expires if wish is None else min(wish, self.max_expires)

    def too_brief(self, wish: int | None) -> bool:
        """Whether the wish gets 423 (RFC 6665 §4.2.1.1: only when 0 < wish < 3600 and below our minimum)."""
        return wish is not None and 0 < wish < min(3600, self.min_expires)

    def subscriber(self, device: str, body: bytes) -> str:
        """The name under which a device subscribes, by the body of its SUBSCRIBE outside of a dialog."""
        return f"{device} {self.name} {hashlib.blake2b(body, digest_size=8).hexdigest()}" if self.several else device

    @property
    def is_template(self) -> bool:
        """Whether it is a template applied to another package, as `presence.winfo` is (§5.2)."""
        return "." in self.name


def allow_events(packages: Iterable[EventPackage]) -> str:
    """The value of Allow-Events: it "does not include a list of the event template-packages" (§4.4.4)."""
    return ", ".join(each.name for each in packages if not each.is_template)
