"""SIP: listeners, the peers in front of them, the registrar, overload, and what can be seen of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, ValidationInfo, field_validator

from abserver.config.sections.section import Section, not_shorter, of_certificate
from abserver.config.values import (
    Collector,
    Domains,
    File,
    Ioi,
    Listeners,
    Networks,
    Origins,
    SipListeners,
    TraceSocket,
    UrlPath,
)
from abserver.sip.transport import Address, Listener

if TYPE_CHECKING:
    from pathlib import Path


class SipSettings(Section):
    """SIP listeners and the peers in front of them (RFC 3261)."""

    udp: SipListeners = (Listener(Address("127.0.0.1", 5060)),)
    """Addresses to listen at over UDP, each `host:port` with a numeric host. Behind a NAT or in a container add what
    others are to send to, `10.0.0.1:5060 advertise 203.0.113.7:5060`: a numeric host or a name, without a port the
    same. Via and Contact name it."""

    tcp: SipListeners = (Listener(Address("127.0.0.1", 5060)),)
    """Addresses to listen at over TCP. Keep one beside each UDP address: a message above 1300 bytes has to leave by
    TCP (RFC 3261 §18.1.1)."""

    tls: SipListeners = ()
    """Addresses to listen at over TLS, 1.2 or newer, usually with port 5061. Requests to `sips:` URIs and to
    `;transport=tls` leave by TLS too, if there is such a listener. They need `tls_certificate`."""

    tls_certificate: File = None
    """File with the certificate for SIP and its chain (PEM). It names the domains (RFC 5922) and, for phones that
    compare with the host that they connect to, the host. Servers that we connect to are shown it too. After a renewal
    send the server SIGHUP: it reads all files of certificates again."""

    tls_key: File = None
    """File with the certificate's key (PEM, not encrypted). Empty: it is in the certificate's file."""

    tls_ca: File = None
    """File with the certificates (PEM) of those who sign for the servers that we connect to. Empty: those that the
    system believes. A server has to prove the host of the URI by which it is reached, as a whole: wildcards do not
    count in SIP (RFC 5922 §7.2)."""

    tls_client_ca: File = None
    """File with the certificates (PEM) of those who sign for proxies that connect to us. With it, who connects is asked
    for a certificate; phones need none, and who shows one that is not good is refused. Empty: nobody is asked."""

    trusted_peers: Networks = ()
    """Networks or addresses of proxies whose P-Asserted-Identity is believed instead of a password (RFC 3325), and
    P-Served-User and P-Charging-Vector beside it. Only the address a message comes from counts, never a header in
    it."""

    trusted_names: Domains = ()
    """Domains and hosts of such proxies, as certificates name them (RFC 5922 §7.1): who has proven one of these names
    over TLS is trusted from whatever address. It needs `tls_client_ca`."""

    charging_ioi: Ioi = None
    """Name of this network in charging records (the IOI of RFC 7315 §5.6): what P-Charging-Vector is answered and
    continued with towards trusted peers. Empty: no name is added."""

    name_servers: Listeners = ()
    """Name servers that are asked where a host or domain is to be reached (RFC 3263), each `host:port` with a numeric
    host. Empty: those of the system."""

    websocket_path: UrlPath = "/sip"
    """Path on the HTTP listener at which web browsers connect by WebSocket (RFC 7118): `ws://HOST:PORT/sip`, or `wss:`
    where the listener has a certificate. They are taken at `/` too, which is what many such clients are configured
    with. Empty: no SIP over WebSocket."""

    websocket_origins: Origins = ()
    """Origins of the web pages that may connect by WebSocket, such as `https://phone.example.com`. Empty: pages from
    anywhere. Neither cookies nor addresses count as a login there, so a page gets nothing without the user's
    password."""

    @field_validator("tls")
    @classmethod
    def _some_transport(cls, tls: tuple[Listener, ...], info: ValidationInfo) -> tuple[Listener, ...]:
        if not tls and info.data.get("udp") == () and info.data.get("tcp") == ():
            raise ValueError("none of udp, tcp and tls has an address, so no SIP could arrive; give one a host:port")
        return tls

    @field_validator("tls_certificate")
    @classmethod
    def _with_listener(cls, certificate: Path | None, info: ValidationInfo) -> Path | None:
        if certificate is None and info.data.get("tls"):
            raise ValueError("there are listeners for TLS and no certificate; set tls_certificate, or tls = []")
        return certificate

    @field_validator("trusted_names")
    @classmethod
    def _provable(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if names and info.data.get("tls_client_ca") is None:
            raise ValueError("nobody is asked for a certificate, so no name could be proven; set tls_client_ca too")
        return names

    @field_validator("tls_key", "tls_client_ca")
    @classmethod
    def _with_certificate(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        return of_certificate(file, info)


class RegistrarSettings(Section):
    """The registrar (RFC 3261 §10.3, RFC 5626, RFC 5627), for networks without another one. It remembers where the
    devices of our users are, for the requests of this server itself: it is no proxy. See docs/registrar.md."""

    enabled: bool = False
    """Whether REGISTER is served. Leave it off where a proxy in front is the registrar."""

    min_expires: Annotated[int, Field(ge=1, le=3600)] = 60
    """Shortest duration of a registration, in seconds; less is refused with 423 and this value as Min-Expires."""

    default_expires: Annotated[int, Field(ge=1)] = 3600
    """Duration given to a device that asks for none, in seconds."""

    max_expires: Annotated[int, Field(ge=1, le=2**31 - 1)] = 86400
    """Longest duration given, in seconds; a device that asks for more is given this much."""

    max_contacts: Annotated[int, Field(ge=1, le=1000)] = 16
    """Contacts of one user at once, each flow of a device counting as one; one more is answered 503."""

    flow_timer: Annotated[int, Field(ge=0, le=86400)] = 120
    """Seconds within which a device that registers a flow is told to send a keep-alive on it (RFC 5626 Flow-Timer).
    0: it is told nothing, and decides itself."""

    @field_validator("default_expires", "max_expires")
    @classmethod
    def _in_order(cls, value: int, info: ValidationInfo) -> int:
        return not_shorter(value, info)


class OverloadSettings(Section):
    """What is refused when there is too much (RFC 5390): 503, with Retry-After where a phone hears it. From one source
    what exceeds its share; from all what the server can't do in time: new subscriptions first, then registrations,
    last what lies within dialogs. Trusted peers (`[sip] trusted_peers`) have no share of their own, and are told the
    load if they ask for it (RFC 7339)."""

    source_rate: Annotated[float, Field(ge=0, le=1_000_000)] = 200.0
    """SIP requests per second of one address (IPv6: of one /64), over UDP and over connections each. As many are
    refused, and what comes beyond those is ignored. 0: no limit."""

    source_burst: Annotated[int, Field(ge=8, le=10_000_000)] = 2000
    """SIP requests at once of one address after a quiet time: all phones behind one NAT come back after an outage."""

    retry_after: Annotated[int, Field(ge=1, le=3600)] = 20
    """Seconds after which who was refused shall ask again; up to twice as many by chance, so that not all come back at
    once."""

    max_lag: Annotated[float, Field(ge=0.01, le=60)] = 0.5
    """Seconds that the server may be late with all it does, or that a datagram may wait for it, before it refuses
    requests. RFC 3261 sends requests again after half a second."""

    max_handling: Annotated[int, Field(ge=1)] = 1000
    """SIP requests being served at once, most of which wait for the database, before others are refused."""

    max_waiting: Annotated[int, Field(ge=1)] = 200_000
    """Records that may wait for the database, acknowledgements above all, before requests are refused."""


class TraceSettings(Section):
    """Who may see every SIP message, with all that is in it: cards, and the digests of passwords (docs/tracing.md)."""

    socket: TraceSocket = ""
    """Unix socket from which `abserver trace` reads, by the server's own user alone. Empty: a file that is named after
    the HTTP listener, in `abserver-UID` in the folder for temporary files. `off`: none. It costs nothing while nobody
    reads."""

    hep: Collector = None
    """Collector of HOMER to which each message is sent as HEP version 3 over UDP, `host:port` with a numeric host, such
    as `192.0.2.9:9060`. Not encrypted: for a network of your own. Empty: none."""

    hep_id: Annotated[int, Field(ge=0, le=2**32 - 1)] = 1
    """Number of this server among those that send to the collector (capture agent ID)."""

    hep_password: Annotated[str, Field(max_length=255)] = ""
    """What the collector asks of those that send to it (authentication key). Empty: nothing."""
