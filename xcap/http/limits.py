"""What one HTTP server spends on its peers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Law: whatever a peer can make grow or last is named here."""

    body: int = 2 * 1024 * 1024
    """Bytes of a request body; the application may be stricter."""
    body_pause: float = 30.0
    """Seconds to wait for the next piece of a request body."""
    leftover: int = 4 * 1024 * 1024
    """Bytes of a body that are read and dropped once its request is answered, so that the answer arrives (RFC 9112
    §9.6) and the connection can go on."""
    leftover_time: float = 5.0
    """Seconds for the same."""
    head: int = 64 * 1024
    """Bytes of a request line with its header fields."""
    head_time: float = 15.0
    """Seconds from a connection's start, or a request's first byte, to the end of its head."""
    keep_alive: int = 75
    """Seconds that a connection may rest between requests."""
    connections: int = 5000
    """Open at once; a request on one more is answered 503."""
    stop: int = 5
    """Seconds that requests in progress get when the server stops."""
