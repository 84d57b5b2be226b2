"""The certificate of a listener, which can be replaced while it serves.

TLS 1.2 or newer with the system's choice of ciphers (RFC 9325 §3.1, §4.2). One context lives as long as the listener;
`reload` puts a new certificate into it, which new connections are shown, and the others go on.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class TlsError(Exception):
    """Certificate and key cannot be used; the text names the file and the reason."""


class Tls:
    """The certificate chain of an HTTPS listener and its key, both PEM; the key may be in the certificate's file."""

    def __init__(self, certificate: Path, key: Path | None = None) -> None:
        """Raises TlsError."""
        self._certificate = certificate
        self._key = key
        self.context = _context()
        self._load(self.context)

    def reload(self) -> None:
        """Read both files again. Raises TlsError, and then goes on with what it had."""
        self._load(_context())  # a context that refuses a key has forgotten its certificate: try on another one
        self._load(self.context)

    def _load(self, context: ssl.SSLContext) -> None:
        load_chain(context, self._certificate, self._key)


def _context() -> ssl.SSLContext:
    context = server_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def server_context() -> ssl.SSLContext:
    """What every listener has in common."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def load_chain(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Read a certificate chain and its key, which may be in the same file. Raises TlsError."""
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        files = " and ".join(str(file) for file in (certificate, key) if file)
        raise TlsError(f"{files}: no certificate with its key ({error.reason or error})") from None
    except (OSError, ValueError) as error:
        missing = next((file for file in (certificate, key) if file and not _readable(file)), None)
        raise TlsError(f"{missing or certificate}: {getattr(error, 'strerror', None) or error}") from None


def load_authorities(context: ssl.SSLContext, file: Path) -> None:
    """Read the certificates (PEM) whose signatures are believed. Raises TlsError."""
    try:
        context.load_verify_locations(file)
    except ssl.SSLError as error:
        raise TlsError(f"{file}: no certificates ({error.reason or error})") from None
    except OSError as error:
        raise TlsError(f"{file}: {error.strerror or error}") from None


def _no_password() -> str:
    """In place of OpenSSL's question on the terminal."""
    raise ValueError("the key is encrypted; a server cannot ask for its password")


def _readable(file: Path) -> bool:
    try:
        file.open("rb").close()
    except OSError:
        return False
    return True
