"""A bounded memory of what was used last."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Key = TypeVar("Key")
Value = TypeVar("Value")

ENTRY = 512
"""Octets that an entry needs beside its content, about."""


class Recent(Generic[Key, Value]):
    """A mapping that drops its least recently used entries when it is full."""

    def __init__(self, room: int, weigh: Callable[[Value], int] = lambda _: 1) -> None:
        """room: what all values may weigh together; by itself, each of them weighs one."""
        self._room = room
        self._weigh = weigh
        self._entries: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """The value, which counts as a use; None if there is none."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Add or replace an entry. What weighs more than there is room drops all others, and itself."""
        self.drop(key)
        self._entries[key] = value
        self._room -= self._weigh(value)
        while self._room < 0:
            self._room += self._weigh(self._entries.popitem(last=False)[1])

    def drop(self, key: Key) -> None:
        """Forget an entry, if there is one."""
        dropped = self._entries.pop(key, None)
        if dropped is not None:
            self._room += self._weigh(dropped)
