"""Which schemes a server serves depends on where it listens (RFC 5630 §5.1.2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from abserver.app.server import schemes
from abserver.config import Settings
from abserver.sip.transport import Address

PLAIN = Settings()
HERE = Address("127.0.0.1", 5061)


@pytest.mark.rfc("3261", "8.1.1.2", "sip and sips")
@pytest.mark.parametrize(
    ("sip", "http", "served"),
    [
        ({}, {}, False),
        ({"tls": (HERE,)}, {}, True),
        ({}, {"tls_certificate": Path("c.pem")}, True),
        ({"websocket_path": None}, {"tls_certificate": Path("c.pem")}, False),
    ],
)
def test_sips_is_served_where_there_is_tls_or_secure_websockets(
    sip: dict[str, object], http: dict[str, object], served: bool
) -> None:
    settings = PLAIN.model_copy(
        update={"sip": PLAIN.sip.model_copy(update=sip), "http": PLAIN.http.model_copy(update=http)}
    )
    assert ("sips" in schemes(settings)) is served
    assert {"sip", "tel"} <= set(schemes(settings))
