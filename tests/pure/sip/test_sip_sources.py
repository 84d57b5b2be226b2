"""Token buckets: what one source may send, what it is refused, what is ignored, and that nobody else notices."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from abserver.sip.sources import MOST_TOLD, TOLD_EVERY, Excess, Sources, Verdict
from abserver.sip.transport import Address, Flow, Transport

PEER = Flow(Transport.UDP, Address("192.0.2.10", 5060), Address("198.51.100.7", 5060))
NEW = b"SUBSCRIBE sip:ann@a SIP/2.0\r\nFrom: <sip:b@a>;tag=1\r\nTo: <sip:ann@a>\r\n\r\n"
ONGOING = NEW.replace(b"ann@a>\r", b"ann@a>;tag=2\r")


def from_host(host: str, flow: Flow = PEER, port: int = 5060) -> Flow:
    return replace(flow, remote=Address(host, port))


def judged(sources: Sources, count: int, *, flow: Flow = PEER, now: float = 0.0, new: bool = False) -> list[Verdict]:
    return [sources.judge(flow, now, new=new) for _ in range(count)]


def test_a_burst_is_served_then_as_many_are_refused_then_the_rest_is_ignored() -> None:
    sources = Sources(rate=1, burst=8)
    verdicts = [(each, len(list(run))) for each, run in itertools.groupby(judged(sources, 20))]
    assert verdicts == [(Verdict.SERVE, 8), (Verdict.REFUSE, 8), (Verdict.IGNORE, 4)]


def test_a_bucket_fills_at_its_rate_and_no_further_than_its_burst() -> None:
    sources = Sources(rate=2, burst=8)
    judged(sources, 8)
    assert judged(sources, 3, now=1.0) == [Verdict.SERVE, Verdict.SERVE, Verdict.REFUSE]
    assert judged(sources, 9, now=1000.0) == [Verdict.SERVE] * 8 + [Verdict.REFUSE]


def test_the_last_quarter_is_for_requests_within_dialogs() -> None:
    sources = Sources(rate=1, burst=8)
    assert judged(sources, 7, new=True) == [Verdict.SERVE] * 6 + [Verdict.REFUSE]
    assert judged(sources, 3) == [Verdict.SERVE] * 2 + [Verdict.REFUSE]


def test_a_flood_of_new_requests_leaves_those_within_dialogs_their_share_for_ever() -> None:
    sources = Sources(rate=4, burst=8)
    for second in range(1, 100):
        judged(sources, 1000, now=float(second), new=True)
        assert judged(sources, 2, now=float(second)) == [Verdict.SERVE] * 2


def test_one_source_does_not_use_up_the_bucket_of_another() -> None:
    sources = Sources(rate=1, burst=8)
    judged(sources, 100)
    assert judged(sources, 8, flow=from_host("198.51.100.8")) == [Verdict.SERVE] * 8


def test_all_ports_of_an_address_are_one_source() -> None:
    sources = Sources(rate=1, burst=8)
    judged(sources, 8)
    assert judged(sources, 1, flow=from_host("198.51.100.7", port=6060)) == [Verdict.REFUSE]


def test_a_64_of_ipv6_is_one_source() -> None:
    sources = Sources(rate=1, burst=8)
    judged(sources, 8, flow=from_host("2001:db8:1:2::1"))
    assert judged(sources, 1, flow=from_host("2001:db8:1:2:ffff::9")) == [Verdict.REFUSE]
    assert judged(sources, 1, flow=from_host("2001:db8:1:3::1")) == [Verdict.SERVE]


def test_datagrams_whose_source_can_be_forged_use_up_nothing_of_the_connections_from_there() -> None:
    sources = Sources(rate=1, burst=8)
    judged(sources, 100)
    assert judged(sources, 8, flow=replace(PEER, transport=Transport.TLS, connection=3)) == [Verdict.SERVE] * 8


def test_a_flow_without_an_address_has_a_bucket_by_its_name() -> None:
    sources = Sources(rate=1, burst=8)
    judged(sources, 8, flow=from_host("unix"))
    assert judged(sources, 1, flow=from_host("unix")) == [Verdict.REFUSE]


def test_only_who_has_used_up_refusals_too_is_ignored_unread() -> None:
    sources = Sources(rate=1, burst=8)
    assert not sources.ignores(NEW, PEER, 0.0)
    judged(sources, 9)
    assert not sources.ignores(NEW, PEER, 0.0)
    judged(sources, 7)
    assert sources.ignores(NEW, PEER, 0.0)
    assert sources.ignores(ONGOING, PEER, 0.0)
    assert not sources.ignores(NEW, from_host("198.51.100.8"), 0.0)
    assert not sources.ignores(NEW, PEER, 1.0)


@pytest.mark.parametrize(
    "ongoing", [b"\r\nTo: <sip:ann@a>;tag=1", b"\r\nt:<sip:ann@a>;x=y; tag =1", b"\r\nTO : a;TAG=1"]
)
def test_what_lies_within_a_dialog_is_read_as_long_as_there_is_something_left_for_it(ongoing: bytes) -> None:
    sources = Sources(rate=1, burst=8)
    judged(sources, 14, new=True)
    assert sources.ignores(NEW, PEER, 0.0)
    assert not sources.ignores(b"SUBSCRIBE sip:a SIP/2.0" + ongoing, PEER, 0.0)
    judged(sources, 2)
    assert sources.ignores(b"SUBSCRIBE sip:a SIP/2.0" + ongoing, PEER, 0.0)


def test_memory_is_bounded_and_the_source_that_was_silent_longest_is_forgiven() -> None:
    sources = Sources(rate=1, burst=8, capacity=2)
    first, second, third = (from_host(f"198.51.100.{number}") for number in (1, 2, 3))
    judged(sources, 9, flow=first)
    judged(sources, 9, flow=second)
    judged(sources, 1, flow=first)
    judged(sources, 1, flow=third)
    assert judged(sources, 1, flow=second) == [Verdict.SERVE]
    assert {each.peer for each in sources.reports(0.0)} <= {"198.51.100.1", "198.51.100.3"}


def test_a_source_in_excess_is_reported_at_once_and_then_from_time_to_time_with_what_is_new() -> None:
    sources = Sources(rate=1, burst=8)
    assert sources.reports(0.0) == []
    judged(sources, 20)
    sources.ignores(NEW, PEER, 0.0)
    assert sources.reports(0.0) == [Excess("198.51.100.7", refused=8, ignored=5)]
    judged(sources, 2, now=0.0)
    assert sources.reports(TOLD_EVERY / 2) == []
    assert sources.reports(TOLD_EVERY) == [Excess("198.51.100.7", refused=0, ignored=2)]
    assert sources.reports(TOLD_EVERY * 2) == []
    assert not sources.ignores(NEW, PEER, 0.0)  # nothing new: it is over for this source


def test_the_report_names_the_address_that_came_last() -> None:
    sources = Sources(rate=1, burst=8)
    judged(sources, 9, flow=from_host("2001:db8::1"))
    judged(sources, 1, flow=from_host("2001:db8::2"))
    assert [each.peer for each in sources.reports(0.0)] == ["2001:db8::2"]


def test_many_sources_are_reported_some_at_a_time_and_none_is_lost() -> None:
    sources = Sources(rate=0.001, burst=8)
    for number in range(MOST_TOLD + 3):
        judged(sources, 9, flow=from_host(f"198.51.100.{number}"))
    first, second = sources.reports(0.0), sources.reports(0.1)
    assert (len(first), len(second)) == (MOST_TOLD, 3)
    assert len({each.peer for each in first + second}) == MOST_TOLD + 3


@pytest.mark.parametrize("seconds", [1, 10])
def test_what_is_served_and_refused_of_a_flood_is_bounded_by_rate_and_burst(seconds: int) -> None:
    sources = Sources(rate=10, burst=8)
    verdicts = [verdict for tick in range(seconds * 10) for verdict in judged(sources, 100, now=tick / 10)]
    assert verdicts.count(Verdict.SERVE) <= 8 + 10 * seconds
    assert verdicts.count(Verdict.REFUSE) <= 8 + 10 * seconds
