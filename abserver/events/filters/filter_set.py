"""The filters of one subscription, and how a SUBSCRIBE changes them (RFC 4660 §3.3.3, §5.2; RFC 4661 §3.4).

Filters stay until they are removed by name. They are kept as a document too, in one form for equal sets, so that many
subscriptions share it and a restart finds them.

Law: `filters_of(found.to_xml()) == found` for every FilterSet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from abserver.domain.identity import InvalidAor, domain_of, parse_aor
from abserver.domain.trees import attribute
from abserver.events.filters.criteria import Criteria, paths, prefixes_of, write, write_bindings
from abserver.events.filters.errors import BadFilter

if TYPE_CHECKING:
    from abserver.domain.identity import Aor

NAMESPACE: Final = "urn:ietf:params:xml:ns:simple-filter"

MOST_FILTERS: Final = 40
MOST_CRITERIA: Final = 40
"""<include>, <exclude>, <changed>, <added> and <removed> of one subscription: the limit of RFC 4660 §8."""
MOST_OCTETS: Final = 16_384
"""The document that is kept of one subscription."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One <filter>."""

    id: str
    uri: str | None = None
    """The resource; without it and without `domain`, that of the subscription."""
    domain: str | None = None
    enabled: bool = True
    criteria: Criteria | None = None
    """None if they were never given, or are not given anew."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a filter-set in a SUBSCRIBE says."""

    filters: tuple[Filter, ...]
    removed: frozenset[str]
    """The ids of filters that are to be removed."""
    package: str | None = None
    """The event package that it is for, if it says."""


Target = tuple[str, str]
"""What a filter is addressed to: `uri` or `domain`, and which."""


@dataclass(frozen=True, slots=True)
class FilterSet:
    """The filters of a subscription, by id."""

    filters: tuple[Filter, ...] = ()

    def amended(self, change: Change, resource: Aor) -> FilterSet:
        """The filters after a SUBSCRIBE.

        resource: what the subscription is for. Removing what is not there does nothing. Raises BadFilter for two
        filters with one target, for one that says nothing when it is enabled first, and beyond the bounds.
        """
        known = {each.id: each for each in self.filters if each.id not in change.removed}
        for each in change.filters:
            known[each.id] = _replaced(known.get(each.id), each)
        amended = FilterSet(tuple(known[id] for id in sorted(known)))
        amended._check(resource)
        return amended

    def criteria_for(self, resource: Aor) -> Criteria | None:
        """What to apply to the notifications about `resource`; None to leave them as they are.

        A filter for a resource comes before one for its domain (RFC 4660 §3.3.2); those for others say nothing here
        (§5.2.1), nor do those that are disabled (§5.3).
        """
        enabled = {_target(each, resource): each.criteria for each in self.filters if each.enabled}
        found = enabled.get(("uri", resource)) or enabled.get(("domain", domain_of(resource)))
        return found if found is not None and (found.what is not None or found.triggers) else None

    def to_xml(self) -> bytes:
        """The document that is kept; empty without filters."""
        if not self.filters:
            return b""
        known = [each.criteria for each in self.filters if each.criteria is not None]
        prefixes = prefixes_of(path for each in known for path in paths(each.what, each.triggers))
        filters = "".join(_filter(each, prefixes) for each in self.filters)
        return f'<filter-set xmlns="{NAMESPACE}">{write_bindings(prefixes)}{filters}</filter-set>'.encode()

    def _check(self, resource: Aor) -> None:
        if len({_target(each, resource) for each in self.filters}) < len(self.filters):
            raise BadFilter("two filters for the same resource or domain")
        if len(self.filters) > MOST_FILTERS:
            raise BadFilter(f"more than {MOST_FILTERS} filters")
        if sum(each.criteria.count for each in self.filters if each.criteria is not None) > MOST_CRITERIA:
            raise BadFilter(f"more than {MOST_CRITERIA} criteria")
        if len(self.to_xml()) > MOST_OCTETS:
            raise BadFilter(f"filters of more than {MOST_OCTETS} octets")


def _replaced(old: Filter | None, new: Filter) -> Filter:
    """The filter of one id after it was sent again. One that is only switched keeps what it said (RFC 4661 §3.4)."""
    if new.criteria is not None:
        return new
    if old is not None:
        target = new if new.uri is not None or new.domain is not None else old
        new = replace(old, enabled=new.enabled, uri=target.uri, domain=target.domain)
    if new.enabled and new.criteria is None:
        raise BadFilter("a filter that is enabled for the first time needs what or trigger")
    return new


def _target(filter: Filter, resource: Aor) -> Target:
    if filter.domain is not None:
        return "domain", filter.domain.rstrip(".").lower()
    if filter.uri is None:
        return "uri", resource
    try:
        return "uri", parse_aor(filter.uri)
    except InvalidAor:
        return "uri", filter.uri


def _filter(filter: Filter, prefixes: dict[str, str]) -> str:
    given = {
        "id": filter.id,
        "uri": filter.uri,
        "domain": filter.domain,
        "enabled": None if filter.enabled else "false",
    }
    attributes = "".join(f' {name}="{attribute(value)}"' for name, value in given.items() if value is not None)
    if filter.criteria is None:
        return f"<filter{attributes}/>"
    inside = "".join(write(filter.criteria.what, filter.criteria.triggers, prefixes))
    return f"<filter{attributes}>{inside}</filter>"
