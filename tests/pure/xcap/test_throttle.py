"""Holding back who guesses passwords, without locking out who knows one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xcap.core.throttle import FAMILIARITY, MAX_NAME, SHORT_WAIT, Throttle, source_of

ANN = "sip:ann@example.com"
HOME, AWAY = "192.0.2.1", "198.51.100.1"


def fail(throttle: Throttle, times: int, *, user: str = ANN, source: str | None = AWAY, now: float = 0.0) -> None:
    for _ in range(times):
        throttle.failed(user, source, now)


def test_some_failures_are_free_and_then_each_wait_is_twice_the_one_before() -> None:
    throttle = Throttle(user_failures=3, longest=10.0)
    fail(throttle, 2)
    assert throttle.wait(ANN, AWAY, 0.0) == 0.0
    waits = []
    for _ in range(6):
        throttle.failed(ANN, AWAY, 0.0)
        waits.append(throttle.wait(ANN, AWAY, 0.0))
    assert waits == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_a_wait_passes_with_time() -> None:
    throttle = Throttle(user_failures=1)
    throttle.failed(ANN, AWAY, 100.0)
    assert [throttle.wait(ANN, AWAY, now) for now in (100.0, 100.75, 101.0, 200.0)] == [1.0, 0.25, 0.0, 0.0]


def test_a_guesser_of_one_user_is_held_back_wherever_the_guesses_come_from() -> None:
    throttle = Throttle(user_failures=3)
    for number in range(3):
        throttle.failed(ANN, f"203.0.113.{number}", 0.0)
    assert throttle.wait(ANN, "203.0.113.200", 0.0) > 0.0
    assert throttle.wait("sip:bob@example.com", "203.0.113.200", 0.0) == 0.0


def test_a_source_that_tries_many_users_is_held_back_for_all_of_them() -> None:
    throttle = Throttle(user_failures=3, source_failures=5)
    for number in range(5):
        throttle.failed(f"sip:{number}@example.com", AWAY, 0.0)
    assert throttle.wait(ANN, AWAY, 0.0) > 0.0
    assert throttle.wait(ANN, HOME, 0.0) == 0.0


def test_nobody_is_locked_out_of_where_they_log_in() -> None:
    throttle = Throttle(user_failures=3, source_failures=3)
    throttle.succeeded(ANN, HOME, 0.0)
    fail(throttle, 100)
    assert throttle.wait(ANN, AWAY, 0.0) > 0.0
    assert throttle.wait(ANN, HOME, 0.0) == 0.0
    fail(throttle, 100, user="sip:bob@example.com", source=HOME)
    assert throttle.wait(ANN, HOME, 0.0) == 0.0


def test_where_a_user_logs_in_guesses_wait_too_but_never_long() -> None:
    throttle = Throttle(user_failures=3)
    throttle.succeeded(ANN, HOME, 0.0)
    fail(throttle, 100, source=HOME)
    assert throttle.wait(ANN, HOME, 0.0) == SHORT_WAIT
    assert throttle.wait(ANN, AWAY, 0.0) == 0.0


def test_a_success_clears_nothing() -> None:
    """Else who guesses behind the address of a busy phone could go on for ever."""
    throttle = Throttle(user_failures=3)
    throttle.succeeded(ANN, HOME, 0.0)
    fail(throttle, 3, source=HOME)
    throttle.succeeded(ANN, HOME, 1.0)
    throttle.failed(ANN, HOME, 1.0)
    assert throttle.wait(ANN, HOME, 1.0) == 2.0


def test_familiarity_ends_when_nobody_came_for_a_day() -> None:
    throttle = Throttle(user_failures=1)
    throttle.succeeded(ANN, HOME, 0.0)
    throttle.failed(ANN, AWAY, FAMILIARITY)
    assert throttle.wait(ANN, HOME, FAMILIARITY) == 0.0
    assert throttle.wait(ANN, HOME, FAMILIARITY + 0.5) == 0.5


def test_failures_are_forgotten_when_there_was_none_for_long() -> None:
    throttle = Throttle(user_failures=3, longest=60.0)
    fail(throttle, 2)
    throttle.failed(ANN, AWAY, 61.0)
    assert throttle.wait(ANN, AWAY, 61.0) == 0.0


def test_a_peer_without_a_source_counts_for_the_user_alone() -> None:
    """As one behind a trusted proxy, whose address is everybody's."""
    throttle = Throttle(user_failures=2, source_failures=1)
    throttle.succeeded(ANN, None, 0.0)
    throttle.failed(ANN, None, 0.0)
    assert throttle.wait("sip:bob@example.com", None, 0.0) == 0.0
    throttle.failed(ANN, None, 0.0)
    assert throttle.wait(ANN, None, 0.0) == 1.0


def test_zero_switches_it_off() -> None:
    throttle = Throttle(user_failures=0, source_failures=0)
    fail(throttle, 1000)
    assert throttle.wait(ANN, AWAY, 0.0) == 0.0


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=200))
def test_memory_is_bounded_and_the_oldest_are_forgiven(events: list[tuple[int, bool]]) -> None:
    throttle = Throttle(user_failures=1, source_failures=1, capacity=5)
    for now, (number, good) in enumerate(events):
        act = throttle.succeeded if good else throttle.failed
        act(f"sip:{number}@example.com", f"192.0.2.{number}", float(now))
    tables = (throttle._users._counts, throttle._sources._counts, throttle._pairs._counts, throttle._familiar)
    assert all(len(table) <= 5 for table in tables)


def test_a_name_that_is_too_long_to_be_a_users_is_cut() -> None:
    throttle = Throttle(user_failures=2)
    fail(throttle, 1, user="a" * MAX_NAME + "b")
    fail(throttle, 1, user="a" * MAX_NAME + "c")
    assert throttle.wait("a" * MAX_NAME, HOME, 0.0) > 0.0


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("a socket file", None),
        (None, None),
    ],
)
def test_a_source_is_an_address_or_what_one_subscriber_has_of_ipv6(host: str | None, source: str | None) -> None:
    assert source_of(host) == source
