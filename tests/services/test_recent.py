"""A bounded memory: what was used last stays, as much as there is room for."""

from __future__ import annotations

from abserver.services.recent import Recent


def test_the_least_recently_used_goes_first() -> None:
    memory: Recent[str, str] = Recent(2)
    memory.put("a", "A")
    memory.put("b", "B")
    assert memory.get("a") == "A"
    memory.put("c", "C")
    assert [memory.get(key) for key in "abc"] == ["A", None, "C"]


def test_values_weigh_what_they_are_said_to() -> None:
    memory: Recent[str, bytes] = Recent(10, len)
    memory.put("a", b"1234")
    memory.put("b", b"1234")
    memory.put("a", b"12")
    memory.put("c", b"1234")
    assert [memory.get(key) for key in "abc"] == [b"12", b"1234", b"1234"]
    memory.put("d", b"1")
    assert [memory.get(key) for key in "abcd"] == [None, b"1234", b"1234", b"1"]


def test_what_was_dropped_leaves_its_room() -> None:
    memory: Recent[str, bytes] = Recent(4, len)
    memory.put("a", b"1234")
    memory.drop("a")
    memory.drop("a")
    memory.put("b", b"12")
    memory.put("c", b"12")
    assert [memory.get(key) for key in "abc"] == [None, b"12", b"12"]


def test_what_is_too_large_is_not_kept_and_others_can_be() -> None:
    memory: Recent[str, bytes] = Recent(4, len)
    memory.put("a", b"12345")
    assert memory.get("a") is None
    memory.put("b", b"1234")
    assert memory.get("b") == b"1234"
