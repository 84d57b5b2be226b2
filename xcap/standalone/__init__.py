"""The document server on its own: `xcap serve`, its few settings, and the commands for its users."""

from __future__ import annotations
