"""Entity tags and conditional requests (RFC 4825 §7.11, §8.2.6, §8.5; RFC 9110 §8.8.3, §13.1).

A document has one etag, made from its content: equal content is the same version, so a PUT that changes nothing
changes no etag, and a retried PUT is harmless. All nodes of a document share it. Etags here are strong and bare; the
quotes exist in headers only.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from xcap.core.errors import BadRequest, PreconditionFailed

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_LIST = re.compile(",*T(?:,+T)*,*")


def etag_of(content: bytes) -> str:
    """The etag of a document with these bytes: 32 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class EtagList:
    """The value of If-Match or If-None-Match: `*` or some etags."""

    any: bool
    strong: frozenset[str]
    weak: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, value: str) -> EtagList:
        """Raises BadRequest."""
        if value.strip(" \t") == "*":
            return cls(any=True, strong=frozenset())
        tags = _TAG.findall(value)
        if "T" in _TAG.sub("", value) or not _LIST.fullmatch(re.sub("[ \t]", "", _TAG.sub("T", value))):
            raise BadRequest("an If-Match or If-None-Match header is no list of entity tags")
        return cls(
            any=False,
            strong=frozenset(tag[1:-1] for tag in tags if tag.startswith('"')),
            weak=frozenset(tag[3:-1] for tag in tags if tag.startswith("W/")),
        )


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of one request, about the document's etag whichever node is meant."""

    if_match: EtagList | None = None
    if_none_match: EtagList | None = None

    @classmethod
    def parse(cls, *, if_match: str | None, if_none_match: str | None) -> Conditions:
        """From the header values, None for an absent header. Raises BadRequest."""
        return cls(
            None if if_match is None else EtagList.parse(if_match),
            None if if_none_match is None else EtagList.parse(if_none_match),
        )

    def check(self, current: str | None) -> None:
        """For PUT and DELETE: raises PreconditionFailed; `current` None means that there is no document.

        A node's insertion cannot be made conditional on its being new: `If-None-Match: *` sees the document (§8.2.6).
        """
        wanted, unwanted = self.if_match, self.if_none_match
        if wanted is not None and (current is None or not (wanted.any or current in wanted.strong)):
            raise PreconditionFailed(current)
        if unwanted is not None and current is not None and self._names(unwanted, current):
            raise PreconditionFailed(current)

    def not_modified(self, current: str) -> bool:
        """For GET: whether the answer is 304. Raises PreconditionFailed when If-Match does not hold."""
        Conditions(self.if_match).check(current)
        return self.if_none_match is not None and self._names(self.if_none_match, current)

    @staticmethod
    def _names(etags: EtagList, current: str) -> bool:
        """The weak comparison, which If-None-Match uses (RFC 9110 §13.1.2)."""
        return etags.any or current in etags.strong or current in etags.weak
