"""TLS under SIP: the handshake, and who is at the other end (RFC 3261 §26.3.1, RFC 5922).

A connection runs its TLS itself, between the socket and the messages. So it counts as one of its peer's from its first
byte, its handshake has a time, a failure is told once with its reason, and the socket's buffer is the only one that
waits for a slow peer.

Law of the file: no message passes before the handshake is over, and none to a server that is not whom it was asked for.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from abserver.net.framed import StreamConnection
from abserver.sip.identities import identities
from abserver.sip.transport import Transport

if TYPE_CHECKING:
    import asyncio

    from abserver.net.connections import Connections
    from abserver.net.listeners import Place
    from abserver.sip.transport import Flow

log = logging.getLogger(__name__)

_RECORD = 16_384
"""Bytes of a TLS record at most."""

_MOMENT = 0.001
"""Seconds: enough to have a timer run after the sockets were looked at."""


@dataclass(slots=True)
class Security:
    """What we show and whom we believe. A connection takes the context that is here when it begins."""

    server: ssl.SSLContext
    """For connections that are accepted."""
    client: ssl.SSLContext
    """For connections that are opened; it verifies chains, and names are compared here, since SIP knows no wildcards
    (RFC 5922 §7.2)."""


class TlsConnection(StreamConnection):
    """One connection over TLS."""

    def __init__(
        self,
        connections: Connections,
        security: Security,
        *,
        accepted: bool,
        place: Place,
        server: str | None = None,
    ) -> None:
        """server: the identity that the peer has to prove, in its normal form; None where the peer opened it."""
        super().__init__(connections, Transport.TLS, accepted=accepted, place=place)
        self._server = server
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = security.server if accepted else security.client
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=accepted, server_hostname=server)
        self._peer: str | None = None
        """The host whose connection this is, while it is in its handshake."""
        self._handshake: asyncio.Future[Flow] = self._loop.create_future()

    async def opened(self) -> Flow:
        """Wait for the handshake. Raises OSError, of which SSLError is one."""
        return await self._handshake

    # -- the handshake -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if not (peer and self._connections.admit(self, peer[0])):
            transport.abort()
            return
        self._peer = peer[0]
        self._await_flight()
        self._shake_hands(transport)

    def data_received(self, data: bytes) -> None:
        if self._socket is None or self._socket.is_closing():
            return
        self._incoming.write(data)
        if self.flow is None:
            self._shake_hands(self._socket)
        else:
            self._read()

    def _shake_hands(self, transport: asyncio.Transport) -> None:
        try:
            self._tls.do_handshake()
            self.names = _identities_in(self._tls.getpeercert())
            if self._server is not None and self._server not in self.names:
                raise ssl.CertificateError(f"its certificate does not name {self._server}")
        except ssl.SSLWantReadError:
            if self._outgoing.pending:  # so the peer said all that it had to, and there are few such turns
                self._await_flight()
            self._flush()
        except ssl.SSLError as error:
            self._flush()  # the alert, which says why
            self._fail(error)
            transport.close()
        else:
            self._flush()
            super().connection_made(transport)
            if self.flow is not None:
                self._handshake.set_result(self.flow)
                self._read()

    def _await_flight(self) -> None:
        """Give the peer its time for what it has to say next."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_later(self._connections.limits.handshake, self._look_again)

    def _look_again(self) -> None:
        """The time is over, maybe because this loop is late: after a restart thousands come at once. What is here by
        now is taken first."""
        self._alarm = self._loop.call_later(_MOMENT, self._too_slow)

    def _too_slow(self) -> None:
        self._fail(TimeoutError("no handshake in time"))
        self.abort()

    def _fail(self, error: OSError) -> None:
        """End the handshake: who waits for it is told, and the log if nobody does."""
        if self.accepted:
            log.info("no TLS connection", extra={"remote": self._peer, "why": reason_of(error)})
        else:
            self._handshake.set_exception(error)

    # -- bytes -------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Take all messages that are here."""
        while self._socket is not None and not self._socket.is_closing():
            try:
                data = self._tls.read(_RECORD)
            except ssl.SSLWantReadError:
                self._flush()  # TLS may have something to answer itself
                return
            except ssl.SSLError as error:
                self._flush()
                log.info("TLS broken", extra={"remote": str(self.flow and self.flow.remote), "why": reason_of(error)})
                self.abort()
                return
            if not data:
                self.close()
                return
            super().data_received(data)

    def _flush(self) -> None:
        """Write what TLS has to say itself, within the bound of all that is written: a peer may ask for new keys again
        and again."""
        if self._outgoing.pending:
            super().write(self._outgoing.read())

    def write(self, data: bytes) -> None:
        if self._socket is None or self._socket.is_closing():
            return
        try:
            self._tls.write(data)
        except ssl.SSLError:
            self.abort()
        else:
            super().write(self._outgoing.read())

    def close(self) -> None:
        """Say so to the peer and end the connection; its own word is not waited for (RFC 8446 §6.1)."""
        if self.flow is not None and self._socket is not None and not self._socket.is_closing():
            with contextlib.suppress(ssl.SSLError):  # always one: of the peer's word, which is not here
                self._tls.unwrap()
            self._flush()
        super().close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.flow is None and self._peer is not None:
            self._connections.dismiss(self, self._peer)
        if not (self.accepted or self._handshake.done()):
            self._handshake.set_exception(ConnectionResetError("closed as it was opened"))
        super().connection_lost(exc)


def _identities_in(certificate: dict[str, Any] | None) -> frozenset[str]:
    """The identities of a certificate that was verified, as the ssl module tells it; none without one."""
    if not certificate:
        return frozenset()
    subject = (pair for part in certificate.get("subject", ()) for pair in part)
    return identities(certificate.get("subjectAltName", ()), (value for key, value in subject if key == "commonName"))


def reason_of(error: OSError) -> str:
    """What went wrong, in the words that say most."""
    known = getattr(error, "verify_message", None) or getattr(error, "reason", None)
    return str(known or (error.args[-1] if error.args else type(error).__name__))
