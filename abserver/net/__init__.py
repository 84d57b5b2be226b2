"""Shells: sockets, the SIP driver, name resolution, the HTTP listener."""
