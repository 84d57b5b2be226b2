"""The conditions of a rule: identity, sphere and validity (RFC 4745 §7) and those of OMA, read from XML and evaluated.

OMA XDM adds three: `external-list` (the watcher is on a list of the owner's resource lists), `other-identity` (no
identity and no list in the whole ruleset names him, so it gives the default for everybody whom the owner has not
thought of) and `anonymous-request` (he is not authenticated).

What is not understood is false: a condition of an extension (§7), and whatever part of an identity is not known here
(§7.1.1). It never widens a rule; and since an identity or a list that is not wholly understood might name anybody,
nobody is "other" where there is one.
"""

from __future__ import annotations

import functools
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from abserver.domain.identity import NO_ALIASES, InvalidAor, Watcher, domain_of
from abserver.domain.instants import instant

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Iterator, Mapping
    from xml.etree.ElementTree import Element

    from abserver.domain.identity import Identities

COMMON_POLICY = "urn:ietf:params:xml:ns:common-policy"
OMA_COMMON_POLICY = "urn:oma:xml:xdm:common-policy"


@dataclass(frozen=True, slots=True)
class Members:
    """Who is on a list."""

    identities: frozenset[str] = frozenset()
    """Users by their one address, and URIs that are no addresses as they are written."""
    complete: bool = True
    """False if something of the list is out of reach: there may be more on it."""


OUT_OF_REACH = Members(complete=False)
"""A list of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Request:
    """The circumstances in which conditions are evaluated."""

    watcher: Watcher | None
    """None is not authenticated: no identity matches, rules without identity do."""
    utc: datetime.datetime
    sphere: str | None
    lists: Mapping[str, Members]
    """Anchor of an external list -> who is on it; one that is not here is out of reach."""
    other: bool
    """Whether no identity and no list in the ruleset names the watcher."""


class Condition(Protocol):
    """A child of <conditions>."""

    def holds(self, request: Request) -> bool:
        """Whether it is true for this request."""
        ...


@dataclass(frozen=True, slots=True)
class Many:
    """<many>: everybody authenticated, or everybody of one domain, except some (RFC 4745 §7.1.3)."""

    domain: str | None
    """In comparable form; a domain that has none, the empty string, equals no domain (step 3 of §7.1.3)."""
    except_ids: frozenset[str]
    except_domains: frozenset[str]

    def holds(self, watcher: Watcher) -> bool:
        """Whether the watcher is one of the many."""
        domain = comparable(domain_of(watcher))
        if self.domain is not None and (self.domain != domain or not domain):
            return False
        return watcher not in self.except_ids and domain not in self.except_domains


@dataclass(frozen=True, slots=True)
class Identity:
    """<identity>: true if any of its children is (RFC 4745 §7.1)."""

    ones: frozenset[str]
    many: tuple[Many, ...]
    understood: bool = True
    """False if a part of it is left out here."""

    def holds(self, request: Request) -> bool:
        """Whether the authenticated watcher is one of those named."""
        return request.watcher is not None and self.names(request.watcher)

    def names(self, watcher: Watcher) -> bool:
        """Whether the watcher is one of those named."""
        return watcher in self.ones or any(many.holds(watcher) for many in self.many)

    def may_name(self, watcher: Watcher, lists: Mapping[str, Members]) -> bool:
        """Whether it names the watcher, for all that is known here."""
        return not self.understood or self.names(watcher)


@dataclass(frozen=True, slots=True)
class ExternalList:
    """<external-list> of OMA: the watcher is on one of these lists."""

    anchors: tuple[str, ...]
    """The lists' URIs, as they are written."""

    def holds(self, request: Request) -> bool:
        """Whether the authenticated watcher is on one of the lists."""
        watcher = request.watcher
        return watcher is not None and any(watcher in members.identities for members in self._members(request.lists))

    def may_name(self, watcher: Watcher, lists: Mapping[str, Members]) -> bool:
        """Whether the watcher is on one of them, for all that is known here."""
        return any(watcher in members.identities or not members.complete for members in self._members(lists))

    def _members(self, lists: Mapping[str, Members]) -> Iterator[Members]:
        return (lists.get(anchor, OUT_OF_REACH) for anchor in self.anchors)


@dataclass(frozen=True, slots=True)
class OtherIdentity:
    """<other-identity> of OMA: everybody authenticated whom nothing in the ruleset names.

    Whether the rule that names him holds at the moment is of no account: whom the owner has named has his own rule.
    """

    def holds(self, request: Request) -> bool:
        """Whether the watcher is authenticated and named nowhere."""
        return request.watcher is not None and request.other


@dataclass(frozen=True, slots=True)
class AnonymousRequest:
    """<anonymous-request> of OMA."""

    def holds(self, request: Request) -> bool:
        """Whether the watcher is not authenticated."""
        return request.watcher is None


@dataclass(frozen=True, slots=True)
class Sphere:
    """<sphere>: the owner is in one of these (RFC 4745 §7.3); an unknown sphere is in none."""

    values: frozenset[str]

    def holds(self, request: Request) -> bool:
        """Whether the owner's sphere is one of the tokens, without regard to case."""
        return request.sphere is not None and request.sphere.lower() in self.values


@dataclass(frozen=True, slots=True)
class Validity:
    """<validity>: now is within one of the pairs, from inclusive, until exclusive (RFC 4745 §7.4)."""

    periods: tuple[tuple[datetime.datetime, datetime.datetime], ...]

    @property
    def times(self) -> Iterator[datetime.datetime]:
        """When a period begins or ends."""
        return itertools.chain.from_iterable(self.periods)

    def holds(self, request: Request) -> bool:
        """Whether the time is in one of the periods."""
        return any(start <= request.utc < end for start, end in self.periods)


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """A condition of an extension that this server does not have."""

    def holds(self, request: Request) -> bool:
        """False (RFC 4745 §7)."""
        return False


# Reading


def read_condition(element: Element, identities: Identities = NO_ALIASES) -> Condition:
    """A child of <conditions>. identities: who is meant by the addresses in it."""
    read = _READERS.get(element.tag)
    return NotUnderstood() if read is None else read(element, identities)


def _identity(element: Element, identities: Identities) -> Identity:
    """Children that are not understood, or hold something that is not, match nobody and are left out."""
    ones = [child for child in element.findall(f"{{{COMMON_POLICY}}}one") if not len(child)]
    many = [each for child in element.findall(f"{{{COMMON_POLICY}}}many") if (each := _many(child, identities))]
    return Identity(
        frozenset(identifier(one.get("id", ""), identities) for one in ones),
        tuple(many),
        understood=len(ones) + len(many) == len(element),
    )


def _many(element: Element, identities: Identities) -> Many | None:
    """None if one of its exceptions is not understood: leaving that out would let somebody in."""
    excepts = element.findall(f"{{{COMMON_POLICY}}}except")
    if len(excepts) != len(element):
        return None
    domain = element.get("domain")
    return Many(
        domain=None if domain is None else comparable(domain),
        except_ids=frozenset(identifier(one, identities) for each in excepts if (one := each.get("id"))),
        except_domains=frozenset(comparable(name) for each in excepts if (name := each.get("domain"))),
    )


def identifier(text: str, identities: Identities = NO_ALIASES) -> str:
    """What identities compare by: the user's one address; what is no address is compared as it is written.

    RFC 5025 §3.1.1.2: "URIs of different schemes are never equivalent", but for those that the operator made aliases.
    """
    try:
        return identities.canonical(text)
    except InvalidAor:
        return text


@functools.lru_cache(maxsize=4096)
def comparable(domain: str) -> str:
    """What domains compare by (RFC 4745 §7.1.3): the ASCII form, percent-encoding undone; "" where there is none."""
    plain = re.sub(
        "(?:%[0-9A-Fa-f]{2})+", lambda run: bytes.fromhex(run[0].replace("%", "")).decode("utf-8", "replace"), domain
    )
    try:
        return plain.strip().rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return ""


def _sphere(element: Element, identities: Identities) -> Sphere:
    return Sphere(frozenset(element.get("value", "").lower().split()))


def _validity(element: Element, identities: Identities) -> Validity:
    """Pairs in their order; a half pair or a time that is none is no period."""
    times = [instant(child.text or "") for child in element]
    pairs = zip(times[::2], times[1::2], strict=False)
    return Validity(tuple((start, end) for start, end in pairs if start is not None and end is not None))


def _external_list(element: Element, identities: Identities) -> ExternalList:
    return ExternalList(tuple(entry.get("anc", "") for entry in element.findall(f"{{{OMA_COMMON_POLICY}}}entry")))


_READERS: Mapping[str, Callable[[Element, Identities], Condition]] = {
    f"{{{COMMON_POLICY}}}identity": _identity,
    f"{{{COMMON_POLICY}}}sphere": _sphere,
    f"{{{COMMON_POLICY}}}validity": _validity,
    f"{{{OMA_COMMON_POLICY}}}external-list": _external_list,
    f"{{{OMA_COMMON_POLICY}}}other-identity": lambda element, identities: OtherIdentity(),
    f"{{{OMA_COMMON_POLICY}}}anonymous-request": lambda element, identities: AnonymousRequest(),
}
