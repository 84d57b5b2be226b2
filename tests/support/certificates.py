"""The certificates of `tests/data/tls/sip`, as servers and as their peers use them."""

from __future__ import annotations

import ssl
from pathlib import Path

from abserver.app.certificates import SipCertificate
from abserver.config.sections.sip import SipSettings

FOLDER = Path(__file__).resolve().parents[1] / "data" / "tls" / "sip"


def installed(name: str = "server", *, clients: str | None = None, believed: str = "authority") -> SipCertificate:
    """What a server has. clients: the authority of its peers' certificates; believed: that of other servers'."""
    settings = {"tls": ["127.0.0.1:0"], "tls_certificate": FOLDER / f"{name}.pem", "tls_key": FOLDER / f"{name}.key"}
    authorities = {"tls_ca": FOLDER / f"{believed}.pem", "tls_client_ca": FOLDER / f"{clients}.pem" if clients else ""}
    return SipCertificate(FOLDER / f"{name}.pem", SipSettings.model_validate({**settings, **authorities}))


def trusting(own: str | None = None) -> ssl.SSLContext:
    """What a peer has that believes the authority, and shows a certificate of its own if it has one."""
    context = ssl.create_default_context(cafile=FOLDER / "authority.pem")
    if own is not None:
        context.load_cert_chain(FOLDER / f"{own}.pem", FOLDER / f"{own}.key")
    return context
