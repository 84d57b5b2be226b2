"""Why an XCAP request is refused, as facts: no HTTP objects here, one mapper in `xcap.http` makes responses.

    XcapError
    ├── BadRequest            400  the URI, its query, a node selector or a conditional header is malformed
    ├── Forbidden             403  the usage's policy says no
    ├── NotFound              404  no such usage, user, document or node
    │   └── UnknownSelector   404  a selector outside RFC 4825 §6.3's grammar, so an extension that is not known here
    ├── MethodNotAllowed      405  with the methods that are
    ├── PreconditionFailed    412  If-Match or If-None-Match does not hold
    ├── TooLarge              413  over a bound on size, depth or number
    ├── UnsupportedMediaType  415  with the type that is expected
    ├── OverQuota             507  what the user keeps here would be too much
    └── Conflict              409  with a body: RFC 4825 §11, see `errorbody`
        ├── Malformed              with line and column
        │   ├── NotWellFormed
        │   └── NotXmlFragment
        ├── NotUtf8
        ├── NotXmlAttributeValue
        ├── NoParent
        ├── CannotInsert
        ├── CannotDelete
        ├── SchemaValidationError
        ├── UniquenessFailure
        ├── ConstraintFailure
        └── ExtensionFailure

Law: a phrase names places, names and limits, never the text or attribute values of a document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class XcapError(Exception):
    """A request that cannot be served. `phrase` is for people; it may be empty."""

    status: ClassVar[int]

    def __init__(self, phrase: str = "") -> None:
        super().__init__(phrase)
        self.phrase = phrase


class BadRequest(XcapError):
    """The request itself is malformed: its URI, its query, a prefix without binding (RFC 4825 §8), a header."""

    status = 400


class Forbidden(XcapError):
    """The requester is known and may not do this (RFC 4825 §5.7)."""

    status = 403


class NotFound(XcapError):
    """No such application usage, user, document or node (RFC 4825 §8, §8.3, §8.4)."""

    status = 404


class UnknownSelector(NotFound):
    """A step outside the core grammar is an extension-selector that this server does not know (RFC 4825 §8)."""


class MethodNotAllowed(XcapError):
    """The resource does not take this method; `allow` is what it takes."""

    status = 405

    def __init__(self, allow: Sequence[str]) -> None:
        super().__init__(f"allowed here: {', '.join(allow)}")
        self.allow = tuple(allow)


class PreconditionFailed(XcapError):
    """A conditional request's condition is false; `current` is the document's etag, None when there is none."""

    status = 412

    def __init__(self, current: str | None) -> None:
        super().__init__("the document is not in the version that the request names")
        self.current = current


class TooLarge(XcapError):
    """A body, a document, or what an edit would make of it, has more than `limit` of what is counted."""

    status = 413

    def __init__(self, limit: int, counted: str = "bytes") -> None:
        super().__init__(f"more than {limit} {counted}")
        self.limit = limit


class UnsupportedMediaType(XcapError):
    """The body's Content-Type is not `expected` (RFC 4825 §8.2.2)."""

    status = 415

    def __init__(self, expected: str) -> None:
        super().__init__(f"expected {expected}")
        self.expected = expected


class OverQuota(XcapError):
    """The user's documents would have more than `limit` of what is counted (RFC 4918 §11.5)."""

    status = 507

    def __init__(self, limit: int, counted: str) -> None:
        super().__init__(f"all documents of a user together may have {limit} {counted}")
        self.limit = limit


class Conflict(XcapError):
    """The operation would leave a document that must not be. `element` names the condition in RFC 4825 §11."""

    status = 409
    element: ClassVar[str]


class Malformed(Conflict):
    """XML that does not parse. `line` and `column` count from 1 within the body that was sent."""

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {reason}")
        self.reason = reason
        self.line = line
        self.column = column


class NotWellFormed(Malformed):
    """The body is no well-formed document, or is one with a DTD."""

    element = "not-well-formed"


class NotXmlFragment(Malformed):
    """The body is not exactly one element, or uses a prefix that is unbound where it would go."""

    element = "not-xml-frag"


class NotUtf8(Conflict):
    """The document would not be UTF-8 (RFC 4825 §5.3)."""

    element = "not-utf-8"


class NotXmlAttributeValue(Conflict):
    """The body does not follow AttValue: a quoted text without `<` and with only known references."""

    element = "not-xml-att-value"


class NoParent(Conflict):
    """There is nothing to insert into.

    ancestor: the closest parent that exists, a URI relative to the document, percent-encoded; None if none does.
    """

    element = "no-parent"

    def __init__(self, ancestor: str | None = None) -> None:
        super().__init__("the parent does not exist")
        self.ancestor = ancestor


class CannotInsert(Conflict):
    """After this PUT, a GET of the same URI would not return what was PUT."""

    element = "cannot-insert"


class CannotDelete(Conflict):
    """After this DELETE, the same URI would select something else."""

    element = "cannot-delete"


class SchemaValidationError(Conflict):
    """The resulting document is not valid by its usage's schema."""

    element = "schema-validation-error"


@dataclass(frozen=True, slots=True)
class NotUnique:
    """One value that exists already."""

    field: str
    """Its node selector: a relative, percent-encoded URI that starts with the root element (RFC 4825 §11.1)."""
    alternatives: tuple[str, ...] = ()
    """Values that are free at the moment."""


class UniquenessFailure(Conflict):
    """Values that the usage wants unique are not; `fields` is never empty."""

    element = "uniqueness-failure"

    def __init__(self, fields: Sequence[NotUnique], phrase: str = "") -> None:
        super().__init__(phrase)
        self.fields = tuple(fields)


class ConstraintFailure(Conflict):
    """A constraint of the usage that is neither schema nor uniqueness does not hold."""

    element = "constraint-failure"


class ExtensionFailure(Conflict):
    """A condition that an extension of XCAP defines: an empty element `{namespace}name` says which."""

    element = "extension"

    def __init__(self, namespace: str, name: str, phrase: str = "") -> None:
        super().__init__(phrase)
        self.namespace = namespace
        self.name = name
