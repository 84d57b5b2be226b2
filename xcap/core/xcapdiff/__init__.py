"""XCAP diff documents (RFC 5874, `application/xcap-diff+xml`): which XCAP resources changed, and how.

    values      XcapDiff, DocumentChange, ElementContent, AttributeContent
    bytes       read, write
    notifier    Version, Processing, since, changes, component_changes
    client      Cache, Applied, apply

Law: a client that holds a version which the notifier knows and applies what `changes` tells holds the newest version,
equal in canonical form with comments (RFC 5874 §1), or knows that it has to fetch it.
"""

from __future__ import annotations

from xcap.core.xcapdiff.applying import Applied, Cache, apply
from xcap.core.xcapdiff.changes import Processing, Version, changes, component_changes, since
from xcap.core.xcapdiff.reading import read
from xcap.core.xcapdiff.values import (
    MEDIA_TYPE,
    NAMESPACE,
    AttributeContent,
    Component,
    DocumentChange,
    ElementContent,
    InvalidXcapDiff,
    XcapDiff,
)
from xcap.core.xcapdiff.writing import write

__all__ = [
    "MEDIA_TYPE",
    "NAMESPACE",
    "Applied",
    "AttributeContent",
    "Cache",
    "Component",
    "DocumentChange",
    "ElementContent",
    "InvalidXcapDiff",
    "Processing",
    "Version",
    "XcapDiff",
    "apply",
    "changes",
    "component_changes",
    "read",
    "since",
    "write",
]
