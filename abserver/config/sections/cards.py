"""Cards, who follows them, and how fast that is told."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from abserver.config.sections.section import Section, not_shorter
from abserver.config.values import (
    Levels,
)
from abserver.domain.card import DEFAULT_LEVELS


class CardSettings(Section):
    """How contact cards are read."""

    default_levels: Levels = Field(default_factory=lambda: dict(DEFAULT_LEVELS))
    """Level of the items that carry none of their own (`X-LEVEL`), by property name. What is not named here is
    `private`: seen by nobody whom a rule does not grant that level or the property. An allowed watcher always has
    the level `public`. In the environment: `fn=public,tel=friends`."""


class SubscriptionSettings(Section):
    """Durations of subscriptions (RFC 6665 §4.2.1.1), and how many there may be: one more is answered 503."""

    min_expires: Annotated[int, Field(ge=1, le=3600)] = 60
    """Shortest duration a device may ask for, in seconds; less is refused with 423 and this value as Min-Expires."""

    default_expires: Annotated[int, Field(ge=1)] = 3600
    """Duration given to a device that asks for none, in seconds."""

    max_expires: Annotated[int, Field(ge=1, le=2**31 - 1)] = 86400
    """Longest duration given, in seconds; a device that asks for more is given this much."""

    expires_jitter: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Part of a duration by which it may be cut, by chance: devices that all subscribed at once, after an outage for
    example, come back one after the other. 0: all get what they ask for."""

    max_subscriptions: Annotated[int, Field(ge=1)] = 200_000
    """Subscriptions that the server holds at once."""

    max_devices: Annotated[int, Field(ge=1)] = 16
    """Devices with which one watcher follows one owner at once."""

    max_pending: Annotated[int, Field(ge=1)] = 200
    """Requests of one watcher that await their owners' decisions at once."""

    max_requests: Annotated[int, Field(ge=1)] = 1000
    """Requests of different watchers that await one owner's decisions at once."""

    keep_devices: Annotated[int, Field(ge=1, le=36500)] = 365
    """Days after which it is forgotten what a device holds that has no subscription and was not heard of since; should
    it come back, it gets the whole card."""

    keep_requests: Annotated[int, Field(ge=1, le=36500)] = 30
    """Days after which a request is given up that its owner has not decided about: the device that made it hears so, if
    it is there, and it is on the owner's list no more (RFC 3857 §4.7.1). Counted from the request."""

    @field_validator("default_expires", "max_expires")
    @classmethod
    def _in_order(cls, value: int, info: ValidationInfo) -> int:
        return not_shorter(value, info)


class NotifySettings(Section):
    """How fast NOTIFYs leave. What answers a SUBSCRIBE, or says that a subscription became active or ended, never
    waits for a pace."""

    card_pace: Annotated[float, Field(ge=0, le=3600)] = 1.0
    """Seconds between two changes of a card that one device is told of; what changes meanwhile is told together. The
    first change after a quiet time goes at once. 0: no distance."""

    winfo_pace: Annotated[float, Field(ge=0, le=3600)] = 5.0
    """The same for watcher information (RFC 3857 §4.10)."""

    xcap_diff_pace: Annotated[float, Field(ge=0, le=3600)] = 5.0
    """The same for changes of documents (RFC 5875 §4.10)."""

    max_rate: Annotated[float, Field(gt=0, le=99)] = 10.0
    """NOTIFYs per second that a device can get by asking for them (RFC 6446 `max-rate`), whatever the pace."""

    min_rate: Annotated[float, Field(gt=0, le=99)] = 0.1
    """NOTIFYs per second that a device can get although nothing changes (RFC 6446 `min-rate`, `adaptive-min-rate`)."""

    window: Annotated[int, Field(ge=1)] = 128
    """NOTIFYs on their way to one destination, a proxy or a device, at once; the others wait for answers. About 128 of
    a kilobyte fit into a receive buffer of the usual size."""

    in_flight: Annotated[int, Field(ge=1)] = 4096
    """NOTIFYs on their way to all destinations together at once."""
