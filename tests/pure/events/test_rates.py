"""Rates of notification: what a subscriber may ask, what it gets (RFC 6446)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abserver.events.rates import MOST, NO_RATES, Limits, Rates, Rhythm, changed_by
from abserver.sip.errors import SipSyntaxError
from abserver.sip.headers import Event, SubscriptionState, Substate
from abserver.sip.message import Headers, Response

WIDE = Limits(max_rate=99.0, min_rate=99.0)
"""A notifier that grants whatever is asked."""


def agreed(asked: Rates, *, limits: Limits = WIDE, pace: float = 0.0, lasts: float = 3600.0) -> Rates:
    return asked.agreed(limits, pace=pace, lasts=lasts)


@pytest.mark.parametrize("value", ["0.0000000001", "99.9999999999", "1", "00.5", "10"])
@pytest.mark.parametrize("name", ["max-rate", "min-rate", "adaptive-min-rate"])
def test_a_rate_is_read(name: str, value: str) -> None:
    assert getattr(Rates.of({name: value}), name.replace("-", "_")) == float(value)


@pytest.mark.parametrize(
    "value", ["0", "00.0000000000", "100", "1.", ".5", "1.00000000001", "-1", "+1", "1e1", '"1"', "٣", "1 ", "", None]
)
@pytest.mark.parametrize("name", ["max-rate", "min-rate", "adaptive-min-rate"])
def test_a_malformed_rate_is_a_bad_request_rfc6446_9_2(name: str, value: str | None) -> None:
    with pytest.raises(SipSyntaxError) as raised:
        Rates.of({name: value})
    assert raised.value.status_hint == 400


def test_who_asks_for_nothing_shares_one_value() -> None:
    assert Rates.of({}) is NO_RATES
    assert Rates.of({"base": "abc"}) is NO_RATES
    assert agreed(NO_RATES) is NO_RATES


@given(st.builds(Rates, *[st.none() | st.decimals("0.0000000001", "99.9999999999", places=10).map(float)] * 3))
def test_rates_are_written_as_they_are_read(rates: Rates) -> None:
    state = SubscriptionState(Substate.ACTIVE, expires=60, params=rates.params())
    assert Rates.of(SubscriptionState.parse(str(state)).params) == rates
    assert Rates.of(Event.parse(str(Event("contact-card", None, rates.params()))).params) == rates


@given(
    st.builds(Rates, *[st.none() | st.decimals("0.0000000001", "99.9999999999", places=10).map(float)] * 3),
    st.builds(Limits, max_rate=st.floats(0.01, 99.0), min_rate=st.floats(0.001, 99.0)),
    st.floats(0.0, 10.0),
    st.floats(0.0, 86400.0),
)
def test_agreed_rates_are_in_order_and_what_is_told_is_what_is_kept(
    asked: Rates, limits: Limits, pace: float, lasts: float
) -> None:
    rates = asked.agreed(limits, pace=pace, lasts=lasts)
    assert Rates.of(rates.params()) == rates
    assert rates.agreed(limits, pace=pace, lasts=lasts) == rates
    assert (rates.max_rate is None) == (asked.max_rate is None)
    assert (rates.adaptive_min_rate is None) == (asked.adaptive_min_rate is None)
    for lowest in (rates.min_rate, rates.adaptive_min_rate):
        if lowest is not None:
            assert lowest <= limits.min_rate + 1e-10
            assert rates.max_rate is None or lowest <= rates.max_rate
            assert asked.max_rate is not None or not pace or lowest <= 1 / pace + 1e-10
    if rates.min_rate is not None and rates.adaptive_min_rate is not None:
        assert rates.min_rate < rates.adaptive_min_rate


def test_the_notifier_lowers_what_is_more_than_it_grants_rfc6446_5_3_and_6_3_and_7_3() -> None:
    limits = Limits(max_rate=2.0, min_rate=0.5)
    assert agreed(Rates(50.0), limits=limits) == Rates(2.0)
    assert agreed(Rates(None, 50.0), limits=limits) == Rates(None, 0.5)
    assert agreed(Rates(None, None, 50.0), limits=limits) == Rates(None, None, 0.5)


def test_a_max_rate_that_leaves_no_notify_before_the_expiry_is_raised_rfc6446_5_3() -> None:
    assert agreed(Rates(0.0001), lasts=100.0) == Rates(0.01)
    assert agreed(Rates(0.0001), lasts=3600.0) == Rates(0.0002777778)
    assert agreed(Rates(0.0001), lasts=10000.0) == Rates(0.0001)


def test_a_poll_has_no_time_to_be_raised_to() -> None:
    assert agreed(Rates(0.5), lasts=0.0) == Rates(1.0)


def test_a_min_rate_above_the_max_rate_is_lowered_to_it_rfc6446_8() -> None:
    assert agreed(Rates(0.25, 1.0)) == Rates(0.25, 0.25)
    assert agreed(Rates(0.25, None, 1.0)) == Rates(0.25, None, 0.25)


def test_a_minimum_above_the_pace_of_the_package_is_lowered_to_it_rfc6446_5_2() -> None:
    assert agreed(Rates(None, 1.0), pace=4.0) == Rates(None, 0.25)
    assert agreed(Rates(None, None, 1.0), pace=4.0) == Rates(None, None, 0.25)


def test_a_minimum_above_all_that_is_granted_is_lowered_to_it_rfc6446_5_2() -> None:
    assert agreed(Rates(None, 9.0), limits=Limits(max_rate=2.0, min_rate=8.0)) == Rates(None, 2.0)


@pytest.mark.parametrize("lowest", [0.5, 0.75])
def test_a_min_rate_that_is_not_below_the_adaptive_one_is_not_considered_rfc6446_8(lowest: float) -> None:
    assert agreed(Rates(None, lowest, 0.5)) == Rates(None, None, 0.5)
    assert agreed(Rates(0.125, lowest, 0.5)) == Rates(0.125, None, 0.125)


def test_all_three_can_be_agreed_rfc6446_8() -> None:
    assert agreed(Rates(1.0, 0.125, 0.25)) == Rates(1.0, 0.125, 0.25)


@pytest.mark.parametrize(
    ("event", "rates"),
    [
        ("contact-card;max-rate=0.5", Rates(0.5)),
        ("contact-card;min-rate=0.25;base=abc;id=7", Rates(None, 0.25)),  # "MUST be ignored", whatever else it says
        ("contact-card", NO_RATES),
        ("contact-card.winfo;max-rate=0.5", None),  # "MUST match the event type"
        ("contact-card;max-rate=fast", None),
        ("contact-card;;", None),
        (None, None),
    ],
)
def test_a_2xx_to_notify_can_name_all_rates_anew_rfc6446_9_3(event: str | None, rates: Rates | None) -> None:
    answer = Response(200, "OK", Headers([] if event is None else [("Event", event)]))
    assert changed_by(answer, "contact-card") == rates


class TestRhythm:
    def test_a_min_rate_is_a_constant_beat_rfc6446_6_2(self) -> None:
        rhythm = Rhythm(Rates(None, 0.125), 100.0)
        assert rhythm.sent(100.0) == 108.0
        assert rhythm.sent(101.0) == 109.0

    def test_an_adaptive_rate_begins_as_if_it_had_been_kept_rfc6446_7_2(self) -> None:
        rhythm = Rhythm(Rates(None, None, 0.125), 100.0)
        assert rhythm.sent(100.0) == 108.0
        assert rhythm.sent(108.0) == 116.0

    def test_who_got_many_waits_longer_rfc6446_7_4(self) -> None:
        """Equation (1): twice the count is twice the time."""
        rhythm = Rhythm(Rates(None, None, 0.125), 0.0)
        due = [rhythm.sent(float(now)) for now in range(11)][-1]
        assert due == 10.0 + 8.0 * 19 / 10  # of the ten before, those at -80 and -72 are out; and eleven
        later = rhythm.sent(88.0)
        assert later == 88.0 + 8.0 * 3 / 10  # of the eleven, those at 9 and 10 are left

    def test_who_got_none_waits_less_rfc6446_7_4(self) -> None:
        rhythm = Rhythm(Rates(None, None, 0.125), 0.0)
        assert rhythm.sent(1000.0) == 1000.0 + 0.8

    def test_the_timeout_never_falls_below_the_gap_of_the_max_rate_rfc6446_7_4(self) -> None:
        """Equation (2)."""
        rhythm = Rhythm(Rates(0.5, None, 0.125), 0.0)
        assert rhythm.sent(1000.0) == 1002.0

    def test_a_min_rate_bounds_what_an_adaptive_one_makes_rfc6446_8(self) -> None:
        rhythm = Rhythm(Rates(None, 0.0625, 0.125), 0.0)
        assert [rhythm.sent(float(now)) for now in range(30)][-1] == 29.0 + 16.0

    def test_the_history_is_bounded(self) -> None:
        rhythm = Rhythm(Rates(None, None, 0.0001), 0.0)
        assert [rhythm.sent(float(now)) for now in range(1000)][-1] == 999.0 + 10000.0 * MOST / 10
