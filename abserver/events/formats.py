"""What bodies a subscriber takes, of what a package can make: Accept and Accept-Encoding (RFC 3261 §20.1, §20.2).

Accept-Language says nothing here: a resource's state is in the language of whoever wrote it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from abserver.events import codings
from abserver.sip.grammar import split_list
from abserver.sip.headers import MediaType, quality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abserver.events.package import EventPackage
    from abserver.sip.message import Request

REMEMBERED: Final = 1024
"""Pairs of Accept and Accept-Encoding whose meaning is at hand."""

VCARD: Final = "text/vcard"

TEXT_SUFFIX: Final = "-text"
"""A tag names one presentation (RFC 5839 §6.1): the vCard text of a view has another tag than its xCard."""

_PARAMETERS: Final = {"charset": "utf-8", "version": "4.0"}
"""What the parameters of a media range may ask for; others say nothing about our bodies."""


@dataclass(frozen=True, slots=True)
class Formats:
    """The bodies of one subscription: the full form, whether a copy is kept that patches apply to, and the coding."""

    full: str
    patches: bool
    coding: str | None = None
    """`gzip` or `deflate`, if bodies may be packed so."""
    always_coded: bool = False
    """Whether bodies must be packed (`identity;q=0`), the small ones too."""

    def entity_tag(self, view_tag: str) -> str:
        """The SIP-ETag of a view in this subscriber's full form and coding, which are part of what a tag names."""
        return view_tag + self._suffix

    def view_tag(self, entity_tag: str) -> str | None:
        """The view that an entity-tag in this form names; None when it is of another form."""
        suffix = self._suffix
        return entity_tag.removesuffix(suffix) if entity_tag.endswith(suffix) else None

    def is_like(self, other: Formats) -> bool:
        """Whether a tag names the same in both."""
        return self._suffix == other._suffix

    @property
    def _suffix(self) -> str:
        return (TEXT_SUFFIX if self.full == VCARD else "") + (f"-{self.coding}" if self.coding else "")


def negotiate(request: Request, package: EventPackage) -> Formats | None:
    """Choose the bodies for a SUBSCRIBE; None means 406.

    Of several full forms the one wanted most is taken, of equals the first that the package names. A patch needs a full
    form beside it, since the first NOTIFY has nothing to patch; only the default form can be patched. Raises
    SipSyntaxError.
    """
    headers = request.headers
    return _negotiated(
        tuple(headers.get_all("Accept")),
        tuple(headers.get_all("Accept-Encoding")),
        package.body_types,
        package.patch_type,
    )


@functools.lru_cache(REMEMBERED)
def _negotiated(
    accept: tuple[str, ...], accept_encoding: tuple[str, ...], body_types: tuple[str, ...], patch_type: str | None
) -> Formats | None:
    """The same, by the rows of the two fields: all phones of a kind say the same."""
    form = _form([MediaType.parse(each) for each in _elements(accept)] if accept else None, body_types, patch_type)
    coding = codings.choose(_elements(accept_encoding) if accept_encoding else None)
    if form is None or coding is None:
        return None
    return replace(form, coding=coding.name, always_coded=coding.always)


def _elements(rows: tuple[str, ...]) -> list[str]:
    return [element for row in rows if row for element in split_list(row)]


def _form(accept: list[MediaType] | None, body_types: tuple[str, ...], patch_type: str | None) -> Formats | None:
    """accept: None when there is no Accept: then the package's default (RFC 6665 §4.1.2.1)."""
    default = body_types[0]
    if accept is None:
        return Formats(full=default, patches=False)
    ranges = _fitting(accept)
    wanted = {name: quality(ranges, name) for name in body_types if name != patch_type}
    full = max(wanted, key=wanted.__getitem__)
    if wanted[full] <= 0:
        return None
    named = any(each.name == patch_type for each in ranges)  # `*/*` is no promise to keep a copy
    patches = patch_type is not None and named and quality(ranges, patch_type) > 0
    return Formats(full=full, patches=patches and full == default)


def _fitting(accept: Sequence[MediaType]) -> list[MediaType]:
    """The ranges whose parameters our bodies have, the more specific first."""
    return sorted(filter(_fits, accept), key=lambda each: -len(each.params))


def _fits(media_range: MediaType) -> bool:
    given = media_range.params
    return all((given.get(name) or value).strip('"').lower() == value for name, value in _PARAMETERS.items())
