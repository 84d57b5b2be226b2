"""HTTP: the document server's listener."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, ValidationInfo, field_validator

from abserver.config.sections.section import Section, of_certificate
from abserver.config.values import (
    Aliases,
    File,
    ListenAddress,
    Networks,
    RootUri,
    XcapRoot,
)
from abserver.sip.transport import Address

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class HttpSettings(Section):
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

    auid_aliases: Aliases = Field(default_factory=dict)
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
        return of_certificate(key, info)
