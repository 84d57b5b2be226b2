"""Values that one document of a usage may hold, as rows: who holds which, decided inside the transaction that stores.

A group of writes is decided in its order, so a value that one write gives up is free for the next.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import and_, bindparam, delete, insert, select, tuple_

from xcap.ports import DocumentKey
from xcap.storage.tables import claims

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from sqlalchemy import Connection

Item = TypeVar("Item")

Claim = tuple[str, str]
"""(auid, value)"""

MAX_PARAMETERS = 3_000
"""Values in one query; databases stop at some ten thousand parameters."""

_held_values = select(claims).where(
    claims.c.auid == bindparam("auid"), claims.c.value.in_(bindparam("values", expanding=True))
)
_held_by = select(claims).where(
    tuple_(claims.c.auid, claims.c.user, claims.c.name).in_(bindparam("places", expanding=True))
)
_insert = insert(claims)
_delete = delete(claims).where(and_(claims.c.auid == bindparam("at_auid"), claims.c.value == bindparam("at_value")))


class Ledger:
    """Who holds what, as the writes of one group go by."""

    def __init__(self, held: dict[Claim, DocumentKey]) -> None:
        self._stored = held
        self._held = dict(held)
        self._of: defaultdict[DocumentKey, set[Claim]] = defaultdict(set)
        for claim, holder in held.items():
            self._of[holder].add(claim)

    def taken(self, key: DocumentKey, values: Iterable[str]) -> frozenset[str]:
        """Those of the values that documents other than `key` hold."""
        return frozenset(value for value in values if self._held.get((key.auid, value), key) != key)

    def hold(self, key: DocumentKey, values: Iterable[str]) -> None:
        """From now on `key` holds these values and no others; none of them is `taken`."""
        for claim in self._of.pop(key, ()):
            del self._held[claim]
        self._of[key] = {(key.auid, value) for value in values}
        self._held.update(dict.fromkeys(self._of[key], key))

    def store(self, connection: Connection) -> None:
        """Bring the rows to what is held now."""
        gone = [claim for claim, holder in self._stored.items() if self._held.get(claim) != holder]
        new = [(claim, holder) for claim, holder in self._held.items() if self._stored.get(claim) != holder]
        if gone:
            connection.execute(_delete, [{"at_auid": auid, "at_value": value} for auid, value in gone])
        if new:
            rows = [
                {"auid": auid, "value": value, "user": holder.user or "", "name": holder.name}
                for (auid, value), holder in new
            ]
            connection.execute(_insert, rows)


def open_ledger(connection: Connection, keys: Collection[DocumentKey], wanted: Collection[Claim]) -> Ledger:
    """What the documents `keys` hold, and who holds the values that are `wanted`."""
    held: dict[Claim, DocumentKey] = {}
    for auid in {auid for auid, _ in wanted}:
        held.update(_holders(connection, auid, [value for of, value in wanted if of == auid]))
    for some in _portions(keys):
        places = [(key.auid, key.user or "", key.name) for key in some]
        for row in connection.execute(_held_by, {"places": places}):
            held[row.auid, row.value] = DocumentKey(row.auid, row.user or None, row.name)
    return Ledger(held)


def _holders(connection: Connection, auid: str, values: Collection[str]) -> dict[Claim, DocumentKey]:
    """Which documents hold which of the values."""
    held: dict[Claim, DocumentKey] = {}
    for some in _portions(values):
        for row in connection.execute(_held_values, {"auid": auid, "values": some}):
            held[row.auid, row.value] = DocumentKey(row.auid, row.user or None, row.name)
    return held


def _portions(items: Iterable[Item]) -> Iterator[Sequence[Item]]:
    rest = iter(items)
    while portion := list(islice(rest, MAX_PARAMETERS)):
        yield portion
