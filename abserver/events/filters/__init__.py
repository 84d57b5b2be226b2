"""Event notification filtering at the notifier (RFC 4660) with simple-filter documents (RFC 4661).

    a SUBSCRIBE's body          read_change, FilterSet.amended, FilterSet.to_xml, BadFilter
    a subscription's filters    filters_of, FilterSet.criteria_for
    applying them               filtered and is_due for views; select and due for other documents, by their Shape

Filters see what authorization left and nothing else: the view, never the card. So they cannot widen what a watcher
sees, and who names hidden items in a filter learns as much as who names items that do not exist. The result is a view
of its own, with a tag of its own.
"""

from __future__ import annotations

from typing import Final

from abserver.domain.view import View
from abserver.events.filters.changes import Changes
from abserver.events.filters.content import selected
from abserver.events.filters.criteria import Criteria
from abserver.events.filters.documents import Document
from abserver.events.filters.errors import BadFilter
from abserver.events.filters.filter_set import Change, Filter, FilterSet
from abserver.events.filters.reading import filters_of, read_change
from abserver.events.filters.shapes import WATCHERS, XCARD, Shape

__all__ = [
    "MEDIA_TYPE",
    "MOST_WORK",
    "WATCHERS",
    "XCARD",
    "BadFilter",
    "Change",
    "Criteria",
    "Filter",
    "FilterSet",
    "Shape",
    "due",
    "filtered",
    "filters_of",
    "is_due",
    "read_change",
    "select",
]

MEDIA_TYPE: Final = "application/simple-filter+xml"

MOST_WORK: Final = 200_000
"""Steps of a filter times elements and their depths: what is spent on one document, a tenth of a second or less. A
filter that would cost more is not applied (RFC 4660 §5.3.1: "may be populated with a pre-configured value as
authorised"): the subscriber gets the document as it may see it. An ordinary card and filter need a few thousand."""


def filtered(view: View, criteria: Criteria) -> View:
    """The part of a view that <what> selects: the view itself if that is all of it."""
    content = select(view.content, criteria, XCARD)
    return view if content is view.content else View.of(content)


def is_due(previous: View | None, current: View, criteria: Criteria) -> bool:
    """Whether a change of the view is worth a NOTIFY: one <trigger> is satisfied, or there is none.

    previous: the view as it was, unfiltered, when the last NOTIFY left (RFC 4661 §3.6.1); None if that is not known any
    more: then the NOTIFY is due. Only for changes: what follows a SUBSCRIBE goes without asking (RFC 4660 §5.3.1).
    """
    return due(None if previous is None else previous.content, current.content, criteria, XCARD)


def select(content: bytes, criteria: Criteria, shape: Shape) -> bytes:
    """The part of a document that <what> selects, in canonical form; `content` itself if that is all of it.

    Raises InvalidDocument if `content` is no document.
    """
    if criteria.what is None:
        return content
    document = Document(content)
    if document.weight * criteria.weight > MOST_WORK:
        return content
    return selected(criteria.what, document, shape) or content


def due(previous: bytes | None, current: bytes, criteria: Criteria, shape: Shape) -> bool:
    """Whether a change of a document is worth a notification: see `is_due`."""
    if previous is None or not criteria.triggers:
        return True
    old, new = Document(previous), Document(current)
    if (old.weight + new.weight) * criteria.weight > MOST_WORK:
        return True
    changes = Changes(old, new, shape)
    return any(map(changes.satisfy, criteria.triggers))
