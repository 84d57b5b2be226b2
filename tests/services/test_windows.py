"""Windows: no destination is flooded, and whoever waits goes in turn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from abserver.services.windows import Windows


def test_a_destination_takes_so_many_and_the_others_wait_in_line() -> None:
    windows: Windows[str] = Windows(per_destination=2)
    assert [windows.enter("proxy", name) for name in "abcd"] == [True, True, False, False]
    assert windows.next("proxy") is None
    windows.leave("proxy")
    assert windows.next("proxy") == "c"
    assert windows.enter("proxy", "c")
    assert windows.next("proxy") is None


def test_a_full_destination_does_not_hold_up_another() -> None:
    windows: Windows[str] = Windows(per_destination=1)
    assert windows.enter("proxy", "a")
    assert not windows.enter("proxy", "b")
    assert windows.enter("phone", "c")


def test_whoever_waits_twice_is_in_line_once() -> None:
    windows: Windows[str] = Windows(per_destination=1)
    windows.enter("proxy", "a")
    windows.enter("proxy", "b")
    windows.enter("proxy", "b")
    windows.leave("proxy")
    assert windows.next("proxy") == "b"
    assert windows.next("proxy") is None


def test_when_all_together_are_too_many_everybody_else_waits_for_the_next_answer() -> None:
    windows: Windows[str] = Windows(per_destination=2, in_all=2)
    assert windows.enter("one", "a")
    assert windows.enter("two", "b")
    assert not windows.enter("three", "c")
    windows.leave("one")
    assert windows.next("one") == "c"


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.booleans()), max_size=200))
def test_nobody_waits_forever_and_no_bound_is_passed(steps: list[tuple[str, bool]]) -> None:
    windows: Windows[tuple[str, int]] = Windows(per_destination=2, in_all=4)
    under_way: list[tuple[str, int]] = []
    waiting: list[tuple[str, int]] = []

    def enter(waiter: tuple[str, int]) -> None:
        entered = windows.enter(waiter[0], waiter)
        (under_way if entered else waiting).append(waiter)
        assert len(under_way) <= 4
        assert max(sum(each[0] == destination for each in under_way) for destination in "xyz") <= 2

    def answer() -> None:
        destination, _ = under_way.pop(0)
        windows.leave(destination)
        while (waiter := windows.next(destination)) is not None:
            waiting.remove(waiter)
            enter(waiter)

    for number, (destination, answers) in enumerate(steps):
        if answers and under_way:
            answer()
        else:
            enter((destination, number))
    while under_way:
        answer()
    assert not waiting


def test_whoever_is_in_line_is_known_to_be() -> None:
    windows: Windows[str] = Windows(1, 10)
    assert windows.enter("a", "first")
    assert not windows.is_waiting("a", "first")
    assert not windows.enter("a", "second")
    assert windows.is_waiting("a", "second")
    windows.leave("a")
    assert windows.next("a") == "second"
    assert not windows.is_waiting("a", "second")
