"""The access log: one line for each request, with who, where and how long, and never what.

A node selector may quote the document (`entry[@uri="sip:bob@example.com"]`), so the values in it are left out.
"""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xcap.core.uri import ResourceUri
    from xcap.http.message import Head

log = logging.getLogger(__name__)

MAX_NODE = 200
"""Characters of a node selector that are logged."""

_VALUE = re.compile(r"""(["'])(?:(?!\1).)*(?:\1|\Z)""", re.DOTALL)


class Access:
    """One request while it is served: what is known of it goes into the line at its end."""

    __slots__ = ("_head", "_started", "resource", "user")

    def __init__(self, head: Head) -> None:
        self._head = head
        self._started = time.perf_counter_ns()
        self.user: str | None = None
        """Set when the requester is authenticated."""
        self.resource: ResourceUri | None = None
        """Set when the path is understood."""

    def answered(self, status: int) -> None:
        """Write the line: `request`, and the facts as fields of the record."""
        if not log.isEnabledFor(logging.INFO):
            return
        elapsed = (time.perf_counter_ns() - self._started) // 1000
        facts = {"peer": self._head.peer, "user": self.user, "method": self._head.method, "status": status}
        if self.resource is not None:
            key, node = self.resource.key, self.resource.node
            facts |= {"auid": key.auid, "owner": key.user, "document": key.name, "node": node and without_values(node)}
        log.info("request", extra={**facts, "us": elapsed})


def without_values(node: str) -> str:
    """A node selector with `*` for what stands in quotes, and cut where it is long."""
    return _VALUE.sub(r"\1*\1", node)[:MAX_NODE]
