"""What one filter says: which content is wanted, and which changes are worth a notification (RFC 4661 §3.5, §3.6)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.domain.trees import attribute, escaped
from abserver.events.filters.expressions import Path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Namespace:
    """A selection of type `namespace`: all elements and attributes of one (§3.5.3)."""

    uri: str


Selection = Path | Namespace


@dataclass(frozen=True, slots=True)
class What:
    """The content that is wanted; all of it where nothing is included by name."""

    includes: tuple[Selection, ...] = ()
    excludes: tuple[Selection, ...] = ()


@dataclass(frozen=True, slots=True)
class Changed:
    """A change of an element's or attribute's value (§3.6.1)."""

    path: Path
    before: str | None = None
    """`from`."""
    after: str | None = None
    """`to`."""
    by: Decimal | None = None

    @property
    def any_sort(self) -> bool:
        """Whether every change counts, in whatever is within the element too."""
        return self.before is None and self.after is None and self.by is None


@dataclass(frozen=True, slots=True)
class Trigger:
    """Changes that must all have happened at once."""

    changed: tuple[Changed, ...] = ()
    added: tuple[Path, ...] = ()
    removed: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a filter asks for. Equal for filters that do the same for different resources or under different names."""

    what: What | None
    """None: all content."""
    triggers: tuple[Trigger, ...]
    """Alternatives; with none, every change counts."""
    tag: str
    """32 hexadecimal digits made of the rest alone: what is filtered may be cached by it."""

    @classmethod
    def of(cls, what: What | None, triggers: tuple[Trigger, ...]) -> Criteria:
        """Criteria with their tag."""
        prefixes = prefixes_of(paths(what, triggers))
        text = write_bindings(prefixes) + "".join(write(what, triggers, prefixes))
        return cls(what, triggers, hashlib.blake2b(text.encode(), digest_size=16).hexdigest())

    @property
    def count(self) -> int:
        """Elements of the filter that select something."""
        what = self.what or What()
        return (
            len(what.includes)
            + len(what.excludes)
            + sum(len(each.changed) + len(each.added) + len(each.removed) for each in self.triggers)
        )

    @property
    def weight(self) -> int:
        """What applying them costs for each node of a document, and more so the deeper it lies."""
        return self.count + sum(path.weight for path in paths(self.what, self.triggers))


def paths(what: What | None, triggers: tuple[Trigger, ...]) -> Iterator[Path]:
    """All expressions."""
    if what is not None:
        yield from (each for each in (*what.includes, *what.excludes) if isinstance(each, Path))
    for trigger in triggers:
        yield from (each.path for each in trigger.changed)
        yield from trigger.added
        yield from trigger.removed


def prefixes_of(expressions: Iterable[Path]) -> dict[str, str]:
    """A prefix for each namespace that the expressions name, the same whenever they name the same."""
    namespaces = sorted({uri for path in expressions for uri in path.namespaces()})
    return {uri: f"n{number}" for number, uri in enumerate(namespaces)}


def write_bindings(prefixes: Mapping[str, str]) -> str:
    """<ns-bindings>, if there are any."""
    if not prefixes:
        return ""
    bindings = [f'<ns-binding prefix="{prefix}" urn="{attribute(uri)}"/>' for uri, prefix in prefixes.items()]
    return f"<ns-bindings>{''.join(bindings)}</ns-bindings>"


def write(what: What | None, triggers: tuple[Trigger, ...], prefixes: Mapping[str, str]) -> Iterator[str]:
    """The elements of a <filter>, in one form for equal criteria; <what/> if there is nothing to say."""
    if what is None and not triggers:
        yield "<what/>"
    if what is not None:
        yield "<what>"
        yield from (_selection("include", each, prefixes) for each in what.includes)
        yield from (_selection("exclude", each, prefixes) for each in what.excludes)
        yield "</what>"
    for trigger in triggers:
        yield "<trigger>"
        yield from (_changed(each, prefixes) for each in trigger.changed)
        yield from (f"<added>{escaped(each.text(prefixes))}</added>" for each in trigger.added)
        yield from (f"<removed>{escaped(each.text(prefixes))}</removed>" for each in trigger.removed)
        yield "</trigger>"


def _selection(name: str, selection: Selection, prefixes: Mapping[str, str]) -> str:
    if isinstance(selection, Namespace):
        return f'<{name} type="namespace">{escaped(selection.uri)}</{name}>'
    return f"<{name}>{escaped(selection.text(prefixes))}</{name}>"


def _changed(changed: Changed, prefixes: Mapping[str, str]) -> str:
    limits = {"from": changed.before, "to": changed.after, "by": None if changed.by is None else f"{changed.by:f}"}
    given = "".join(f' {name}="{attribute(value)}"' for name, value in limits.items() if value is not None)
    return f"<changed{given}>{escaped(changed.path.text(prefixes))}</changed>"
