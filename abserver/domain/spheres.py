"""The sphere that an owner is in: a word like `work` or `home` (RFC 4480 §3.11), which rules can ask for.

It is read from the owner's permanent presence (the `pidf-manipulation` document of RFC 4827, a publication without an
end), by RFC 5025 §3.1.2: the <sphere> elements of the person, and only if all of them say the same. One that is
qualified with `from` or `until` counts in that time only, so a sphere may change without any edit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.domain import trees
from abserver.domain.instants import EARLIEST, LATEST, instant

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

DATA_MODEL = "urn:ietf:params:xml:ns:pidf:data-model"
RPID = "urn:ietf:params:xml:ns:pidf:rpid"

MOST = 100
"""<sphere> elements that are read; with more of them the sphere is not known."""


@dataclass(frozen=True, slots=True)
class Sphere:
    """One <sphere> element."""

    value: str
    """Lower case; "" for one that says nothing."""
    begins: datetime.datetime
    ends: datetime.datetime


@dataclass(frozen=True, slots=True)
class Spheres:
    """What a presence document says of the sphere, now and later."""

    stated: tuple[Sphere, ...] = ()

    def at(self, utc: datetime.datetime) -> str | None:
        """The sphere at that time; None if nothing is said, or not one thing (RFC 5025 §3.1.2)."""
        values = {each.value for each in self.stated if each.begins <= utc < each.ends}
        return values.pop() or None if len(values) == 1 else None

    def next_change(self, utc: datetime.datetime) -> datetime.datetime | None:
        """The next time after `utc` at which the sphere may be another one without an edit."""
        times = (time for each in self.stated for time in (each.begins, each.ends))
        return min((time for time in times if utc < time < LATEST), default=None)


UNKNOWN = Spheres()
"""Of an owner without a presence document."""


def read_spheres(content: bytes) -> Spheres:
    """The spheres of a PIDF document (RFC 3863). Raises InvalidDocument."""
    persons = trees.parse(content).iterfind(f"{{{DATA_MODEL}}}person")
    elements = [element for person in persons for element in person.iterfind(f"{{{RPID}}}sphere")]
    return Spheres(tuple(map(_sphere, elements))) if len(elements) <= MOST else UNKNOWN


def _sphere(element: Element) -> Sphere:
    return Sphere(
        value=" ".join(sorted(_words(element))),
        begins=_time(element.get("from"), EARLIEST, LATEST),
        ends=_time(element.get("until"), LATEST, EARLIEST),
    )


def _words(element: Element) -> Iterator[str]:
    """What the element says: names of elements as its schema has it, or text as the example in RFC 4480 §4 does."""
    text = (element.text or "").strip().lower()
    if text:
        yield text
    for child in element:
        yield trees.split(child.tag)[1].lower()


def _time(text: str | None, missing: datetime.datetime, wrong: datetime.datetime) -> datetime.datetime:
    """A boundary; one that is no time makes a period in which nothing lies."""
    return missing if text is None else instant(text) or wrong
