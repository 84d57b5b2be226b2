"""Addresses and listeners as they are written."""

from __future__ import annotations

import pytest

from abserver.sip.transport import Address, Listener


@pytest.mark.parametrize(
    ("listener", "text"),
    [
        (Listener(Address("10.0.0.1", 5060)), "10.0.0.1:5060"),
        (Listener(Address("::1", 5060)), "[::1]:5060"),
        (Listener(Address("10.0.0.1", 5060), Address("a.example", 0)), "10.0.0.1:5060 advertise a.example:5060"),
        (Listener(Address("10.0.0.1", 5060), Address("192.0.2.7", 5080)), "10.0.0.1:5060 advertise 192.0.2.7:5080"),
    ],
)
def test_a_listener_is_written_as_in_the_configuration(listener: Listener, text: str) -> None:
    assert str(listener) == text
