"""The composition root: the only place where shells, services and stores meet, and where settings become values."""

from __future__ import annotations

from abserver.app.running import serve
from abserver.app.server import Server

__all__ = ["Server", "serve"]
