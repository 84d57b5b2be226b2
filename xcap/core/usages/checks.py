"""What constraints of several usages need: the root's name, places in a document, references to other documents.

Law: what these raise names places, names and limits, never what a document says.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from xcap.core.errors import ConstraintFailure
from xcap.core.uri import encode_node, normal_xui

if TYPE_CHECKING:
    from lxml import etree

    from xcap.core.usage import Constraint

_ABSOLUTE_HTTP = re.compile(r"https?://[^/?#\s]+", re.IGNORECASE)
_NO_RELATIVE_PATH = re.compile(r"[^/?#]*:|[/?#]")
_LIST = re.compile(
    r"(?i:https?)://[^/?#]+(?:/[^?#]*?)?/resource-lists/users/(?P<user>[^/?#]+)/[^/?#][^?#]*?/(?i:~|%7E){2}/."
)


def root_is(namespace: str, name: str) -> Constraint:
    """A schema takes any of its global elements for a root; a document of the usage has this one."""
    tag = f"{{{namespace}}}{name}"

    def check(document: etree._Element, owner: str | None) -> None:
        if document.tag != tag:
            raise ConstraintFailure(f"the document element must be <{name}> of {namespace}")

    return check


def selector_of(element: etree._Element, attribute: str, default_namespace: str) -> str:
    """The node selector of an element's attribute, percent-encoded, by positions alone (RFC 4825 §11.1).

    default_namespace: of the usage; elements of others are counted among all their siblings, which needs no prefix.
    """
    steps = [f"@{attribute}"]
    for each in (element, *element.iterancestors()):
        tag = str(each.tag)
        own = tag.startswith(f"{{{default_namespace}}}")
        name = tag.rpartition("}")[2] if own else "*"
        position = 1 + len(list(each.itersiblings(tag if own else "*", preceding=True)))
        steps.append(name if each.getparent() is None else f"{name}[{position}]")
    return encode_node("/".join(reversed(steps)), {})


def unfolded(uri: str) -> str:
    """A URI without the white space that folding and indenting put into it (RFC 3986 Appendix C)."""
    return "".join(uri.split())


def is_absolute_http(uri: str) -> bool:
    """Whether a URI names something on a server."""
    return _ABSOLUTE_HTTP.match(unfolded(uri)) is not None


def is_relative_path(uri: str) -> bool:
    """Whether a URI is a path that begins with a name (RFC 3986 §4.2 `path-noscheme`)."""
    path = unfolded(uri)
    return bool(path) and _NO_RELATIVE_PATH.match(path) is None


def check_own_list(uri: str, owner: str | None) -> None:
    """Raises ConstraintFailure unless the URI is of an element in resource lists of `owner` (RFC 4826 §4.1, §4.4.5).

    The URI is looked at and never followed. The XCAP root before the AUID may have any name: a server is reached by
    several, and knows them no better than its clients do. So may a user: one of another scheme, such as a number, may
    be the same user, which only who follows the reference can tell.
    """
    found = _LIST.match(unfolded(uri))
    if found is None:
        raise ConstraintFailure("a reference to a list must be the absolute HTTP URI of an element of resource-lists")
    named = normal_xui(unquote(found["user"]))
    if owner is not None and named != owner and _scheme(named) == _scheme(owner):
        raise ConstraintFailure("a reference to a list must be to one of the same user")


def _scheme(xui: str) -> str:
    return xui.partition(":")[0].lower()
