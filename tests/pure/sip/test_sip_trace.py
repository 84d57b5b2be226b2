"""Traced messages are values: a tracer may keep them, and nobody changes what went over the wire."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from abserver.sip.trace import Direction, TracedMessage
from abserver.sip.transport import Address, Flow, Transport


def test_a_traced_message_is_a_value() -> None:
    flow = Flow(Transport.UDP, Address("192.0.2.10", 5060), Address("192.0.2.4", 5060))
    traced = TracedMessage(1.0, Direction.IN, flow, b"x")
    assert traced == TracedMessage(1.0, Direction.IN, flow, b"x")
    assert traced != TracedMessage(1.0, Direction.OUT, flow, b"x")
    with pytest.raises(FrozenInstanceError):
        setattr(traced, "data", b"y")  # noqa: B010  # the assignment itself would not pass the type check
