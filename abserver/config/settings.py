"""Every key of the configuration: its type, its default, and what it is for; the docstrings are the reference manual.

The defaults run a server on loopback for the domain `example.com`, which answers nobody but this machine. A docstring
under a field is its description in `docs/configuration.md` and `configs/default.toml`: unit included, one paragraph.
"""

from __future__ import annotations

import enum
import functools
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from abserver.config.values import (
    Algorithms,
    Aliases,
    Collector,
    Domain,
    Domains,
    File,
    Ioi,
    Levels,
    ListenAddress,
    Listeners,
    Networks,
    Origins,
    Qops,
    Realm,
    RootUri,
    SipListeners,
    StorageUrl,
    TraceSocket,
    UrlPath,
    UserAliases,
    XcapRoot,
    Xuis,
)
from abserver.domain.card import DEFAULT_LEVELS
from abserver.domain.identity import Identities
from abserver.sip.transport import Address, Listener
from xcap.core.digest import Algorithm, Qop

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PREFIX = "ABSERVER_"
DELIMITER = "__"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True)


class LogLevel(enum.Enum):
    """The least severe record that is still written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _not_shorter(value: int, info: ValidationInfo) -> int:
    """A duration that is none of the shorter ones before it. Raises ValueError."""
    for shorter in ("min_expires", "default_expires"):
        if (bound := info.data.get(shorter)) is not None and value < bound:
            raise ValueError(f"{value} is shorter than {shorter}, which is {bound}")
    return value


class ServerSettings(_Section):
    """Whom this server serves."""

    domains: Domains = ("example.com",)
    """Domains whose users are ours: a request for anybody else's card is answered 404. List the server's own
    address too if clients write it into their Request-URI (`sip:alice@192.0.2.7`)."""

    aliases: UserAliases = {}
    """Other addresses of users, each with the address by which this server knows the user: `sip:al@example.com`,
    `tel:+15550100`. Rules, lists, requests and document paths may name a user by any of them; what the server writes
    has the one. A number also stands for its SIP form in our domains (`sip:+15550100@example.com;user=phone`, RFC 3261
    §19.1.6). In the environment: `tel:+15550100=sip:alice@example.com`."""

    phone_domain: Domain = None
    """Domain in which telephone numbers are users: `tel:+1-555-0100` is then the user `sip:+15550100@example.com`, and
    `tel:7042;phone-context=example.com` the user `sip:7042@example.com`, unless they are in `aliases`. Empty: a
    number is a user by an alias only (RFC 5025 §3.1.1.2)."""

    @field_validator("phone_domain")
    @classmethod
    def _ours(cls, domain: str | None, info: ValidationInfo) -> str | None:
        if domain is not None and domain not in info.data.get("domains", (domain,)):
            raise ValueError(f"{domain!r} is none of the domains; add it there, since its users are ours")
        return domain

    @field_validator("domains")
    @classmethod
    def _at_least_one(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        if not domains:
            raise ValueError("the list is empty, so nobody could have a card; name at least one domain")
        return domains


class SipSettings(_Section):
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
        return _of_certificate(file, info)


class HttpSettings(_Section):
    """The HTTP listener, which serves XCAP (RFC 4825)."""

    listen: ListenAddress = Address("127.0.0.1", 8080)
    """Address to listen at, `host:port` with a numeric host."""

    xcap_root: XcapRoot = "/xcap-root"
    """Path of the XCAP root (RFC 4825 §6.1): documents are at
    `http://HOST:PORT/xcap-root/AUID/users/sip:alice@example.com/index`. A browser is shown there what is kept and how
    it is addressed. `/` is for a host of its own."""

    xcap_root_uri: RootUri = ""
    """The XCAP root URI by which clients reach the server, such as `https://xcap.example.com/xcap-root`: it is written
    into the directories of documents (`org.openmobilealliance.xcap-directory`). Empty: they have paths only."""

    auid_aliases: Aliases = {}
    """Other names for application usages (AUIDs), for clients that use those: the documents are the same under both.
    In the environment: `com.example.card=org.abserver.contact-card`."""

    trusted_peers: Networks = ()
    """Networks or addresses of authentication proxies whose X-3GPP-Asserted-Identity or X-XCAP-Asserted-Identity is
    believed instead of a password. Only the address of the connection counts, never a forwarding header, so list
    nothing here that lets anybody's requests through."""

    tls_certificate: File = None
    """File with the server's certificate and its chain (PEM); the listener is HTTPS then, TLS 1.2 or newer. Empty:
    plain HTTP, fit for loopback and for behind a proxy. After a renewal send the server SIGHUP: it reads the files
    again."""

    tls_key: File = None
    """File with the certificate's key (PEM, not encrypted). Empty: it is in the certificate's file."""

    @field_validator("auid_aliases")
    @classmethod
    def _of_usages(cls, aliases: Mapping[str, str]) -> Mapping[str, str]:
        if aliases:
            from abserver.domain.usages import all_usages  # here, since its schemas take a while to load

            all_usages(aliases)
        return aliases

    @field_validator("tls_key")
    @classmethod
    def _with_certificate(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        return _of_certificate(key, info)


def _of_certificate(file: Path | None, info: ValidationInfo) -> Path | None:
    """A file that is of no use without a certificate."""
    if file is not None and info.data.get("tls_certificate") is None:
        what = "a key" if info.field_name == "tls_key" else "a file of authorities"
        raise ValueError(f"there is {what} and no certificate; set tls_certificate too")
    return file


class StorageSettings(_Section):
    """Where documents, users, relations and update lists are kept."""

    url: StorageUrl = "sqlite:///abserver.db"
    """Database address `sqlite:///FILE`. The file is made if it is missing; a relative path counts from the folder in
    which the command is started, an absolute one has four slashes: `sqlite:////var/lib/abserver/abserver.db`."""

    user_documents: Annotated[int, Field(ge=1)] = 200
    """Documents that one user may have, in all usages together; one more is answered 507."""

    user_octets: Annotated[int, Field(ge=1)] = 16 * 1024 * 1024
    """Bytes in all documents of one user together; more is answered 507."""

    versions: Annotated[int, Field(ge=0)] = 20
    """Former versions that are kept of each document, to tell differences from them. At most a megabyte of each."""


class AuthSettings(_Section):
    """How users prove who they are (digest: RFC 7616, RFC 8760), the same way in SIP and HTTP."""

    realm: Realm = None
    """Realm of the challenges. Empty: the user's own domain. Passwords are stored as hashes that contain the realm, so
    after a change of this key every password has to be set anew (`abserver user passwd`)."""

    sip_algorithms: Algorithms = (Algorithm.MD5, Algorithm.SHA256)
    """Digest algorithms of SIP challenges, in their order. A client that knows RFC 8760 takes the first that it
    supports; many phones and test tools look at the first challenge only, and know MD5 alone, so MD5 comes first here.
    Put `SHA-256` first, or alone, where every client knows it."""

    sip_qops: Qops = (Qop.AUTH,)
    """Qualities of protection that SIP challenges offer, the preferred first: `auth`, and `auth-int`, which covers the
    body as well (RFC 8760 §2.6). A proxy that changes bodies makes `auth-int` fail, and not every phone knows it."""

    http_algorithms: Algorithms = (Algorithm.SHA256, Algorithm.MD5)
    """Digest algorithms of HTTP challenges, in their order (RFC 7616 §3.7). Clients built on Python's urllib look at
    the first challenge only, and know MD5 alone, so they get MD5 first if it is in the list."""

    user_failures: Annotated[int, Field(ge=0)] = 10
    """Failed logins in the name of one user, over SIP and HTTP together, after which further ones have to wait: a
    second, then twice as long each time (HTTP 429, SIP 500, with Retry-After). Where the user has logged in before,
    only failures from there count, so nobody can lock a user out from elsewhere. 0: never."""

    source_failures: Annotated[int, Field(ge=0)] = 30
    """The same for failed logins from one address (IPv6: from one /64), whoever they name. 0: never."""

    longest_wait: Annotated[int, Field(ge=1)] = 900
    """Longest such wait, in seconds; failures are forgotten when there was none for as long."""

    trusted_users: Xuis = ()
    """Users that are servers of the domain, such as a presence or resource list server with its own login: they may
    read the lists and rules of all users, and write global documents (RFC 4825 §5.7)."""


class CardSettings(_Section):
    """How contact cards are read."""

    default_levels: Levels = dict(DEFAULT_LEVELS)
    """Level of the items that carry none of their own (`X-LEVEL`), by property name. What is not named here is
    `private`: seen by nobody whom a rule does not grant that level or the property. An allowed watcher always has
    the level `public`. In the environment: `fn=public,tel=friends`."""


class SubscriptionSettings(_Section):
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
        return _not_shorter(value, info)


class NotifySettings(_Section):
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


class RegistrarSettings(_Section):
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
        return _not_shorter(value, info)


class OverloadSettings(_Section):
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


class TraceSettings(_Section):
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


class LogSettings(_Section):
    """What the server writes to standard error. Identifiers and etags, never the content of a card."""

    level: LogLevel = LogLevel.INFO
    """Least severe record to write: `debug`, `info`, `warning` or `error`."""

    access: bool = True
    """Whether each HTTP request leaves a line: who asked for which document and node, status and microseconds. These
    lines have the level `info`."""


class Settings(BaseSettings):
    """The whole configuration. The environment stands above the arguments, which are the sections of the file."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        enable_decoding=False,
        validate_default=True,
    )

    server: ServerSettings = Field(default_factory=ServerSettings)
    sip: SipSettings = Field(default_factory=SipSettings)
    http: HttpSettings = Field(default_factory=HttpSettings)
    storage: StorageSettings = Field(default_factory=StorageSettings)
    auth: AuthSettings = Field(default_factory=AuthSettings)
    cards: CardSettings = Field(default_factory=CardSettings)
    subscriptions: SubscriptionSettings = Field(default_factory=SubscriptionSettings)
    notify: NotifySettings = Field(default_factory=NotifySettings)
    registrar: RegistrarSettings = Field(default_factory=RegistrarSettings)
    overload: OverloadSettings = Field(default_factory=OverloadSettings)
    trace: TraceSettings = Field(default_factory=TraceSettings)
    log: LogSettings = Field(default_factory=LogSettings)

    @field_validator("http")
    @classmethod
    def _one_path_each(cls, http: HttpSettings, info: ValidationInfo) -> HttpSettings:
        sip = info.data.get("sip")
        if sip is not None and sip.websocket_path and sip.websocket_path == http.xcap_root:
            raise ValueError(
                f"'{http.xcap_root}' is xcap_root and [sip] websocket_path; choose another for one of them"
            )
        return http

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings

    @functools.cached_property
    def identities(self) -> Identities:
        """Which addresses are the same user."""
        server = self.server
        return Identities(server.aliases, domains=server.domains, phone_domain=server.phone_domain)

    def realm_of(self, user: str) -> str:
        """The realm in which `user` (`sip:alice@example.com`) authenticates."""
        return self.auth.realm or user.rpartition("@")[2]


def section_models() -> dict[str, type[_Section]]:
    """The model of each section, by its name in the file."""
    models = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: model for name, model in models.items() if isinstance(model, type) and issubclass(model, _Section)}
