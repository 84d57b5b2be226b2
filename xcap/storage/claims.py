"""Values that one document of a usage may hold, as rows: who holds which, decided inside the transaction that stores.

A group of writes is decided in its order, so a value that one write gives up is free for the next.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select

from xcap.ports import DocumentKey
from xcap.storage.compiling import among
from xcap.storage.tables import claims

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from xcap.storage.database import Transaction

Claim = tuple[str, str]
"""(auid, value)"""

SELECT_HOLDERS = select(claims.c.value, claims.c.user, claims.c.name).where(
    claims.c.auid == bindparam("auid"), among(claims.c.value, "values")
)
"""Of the values in a JSON array, those that are held: with user and name of the document."""
_held_by = select(claims.c.value).where(
    claims.c.auid == bindparam("auid"), claims.c.user == bindparam("user"), claims.c.name == bindparam("name")
)
_insert = insert(claims)
_delete = delete(claims).where(claims.c.auid == bindparam("at_auid"), claims.c.value == bindparam("at_value"))


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

    def store(self, transaction: Transaction) -> None:
        """Bring the rows to what is held now."""
        gone = [claim for claim, holder in self._stored.items() if self._held.get(claim) != holder]
        new = [(claim, holder) for claim, holder in self._held.items() if self._stored.get(claim) != holder]
        transaction.run(_delete, [{"at_auid": auid, "at_value": value} for auid, value in gone])
        transaction.run(
            _insert,
            [
                {"auid": auid, "value": value, "user": holder.user or "", "name": holder.name}
                for (auid, value), holder in new
            ],
        )


def open_ledger(transaction: Transaction, keys: Iterable[DocumentKey], wanted: Collection[Claim]) -> Ledger:
    """What the documents `keys` hold, and who holds the values that are `wanted`."""
    held: dict[Claim, DocumentKey] = {}
    for auid in {auid for auid, _ in wanted}:
        values = json.dumps([value for of, value in wanted if of == auid])
        for value, user, name in transaction.rows(SELECT_HOLDERS, {"auid": auid, "values": values}):
            held[auid, value] = DocumentKey(auid, user or None, name)
    for key in keys:
        place = {"auid": key.auid, "user": key.user or "", "name": key.name}
        held.update({(key.auid, value): key for (value,) in transaction.rows(_held_by, place)})
    return Ledger(held)
