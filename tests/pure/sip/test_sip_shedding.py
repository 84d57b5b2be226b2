"""Overload: which kinds of requests are refused, in which order, how many, and how it ends (RFC 5390, RFC 7339)."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest

from abserver.sip.message import Headers, Request
from abserver.sip.shedding import LEAST, Episode, Kind, Load, Shedder, kind_of
from abserver.sip.uas import check

BOUNDS = Load(lag=0.1, handling=100, waiting=1000)
IDLE = Load(0.0, 0, 0)
AT_BOUND = replace(IDLE, handling=100)
BEYOND = replace(IDLE, handling=150)


def a_shedder() -> Shedder:
    return Shedder(BOUNDS, random.Random(5).random)


def request(method: str, *, to_tag: str = "", **fields: str) -> Request:
    rows = {
        "Via": "SIP/2.0/UDP 192.0.2.4;branch=z9hG4bKa",
        "From": "<sip:bob@example.com>;tag=b",
        "To": f"<sip:ann@example.com>{to_tag}",
        "Call-ID": "c",
        "CSeq": f"1 {method}",
    }
    return Request(method, "sip:ann@example.com", Headers([*rows.items(), *fields.items()]))


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (request("SUBSCRIBE", Expires="3600"), Kind.NEW),
        (request("SUBSCRIBE", Expires="0"), Kind.NEW),  # a fetch: it has everything done and a NOTIFY sent
        (request("MESSAGE"), Kind.NEW),
        (request("REGISTER", Expires="0"), Kind.REGISTRATION),
        (request("SUBSCRIBE", to_tag=";tag=a", Expires="3600"), Kind.ONGOING),
        (request("SUBSCRIBE", to_tag=";tag=a"), Kind.ONGOING),
        (request("OPTIONS"), Kind.ONGOING),
        (request("SUBSCRIBE", to_tag=";tag=a", Expires="0"), Kind.ENDING),
        (request("CANCEL"), Kind.ENDING),
    ],
)
def test_rfc5390_req19_requests_are_told_apart_by_what_they_begin_and_end(asked: Request, kind: Kind) -> None:
    assert kind_of(asked, check(asked)) is kind


@dataclass
class Arrivals:
    """Requests of each kind that come in one beat."""

    new: int = 0
    registrations: int = 0
    ongoing: int = 0
    ending: int = 0

    def refused(self, shedder: Shedder) -> list[int]:
        counts = zip(Kind, (self.new, self.registrations, self.ongoing, self.ending), strict=True)
        return [sum(shedder.refuses(kind) for _ in range(count)) for kind, count in counts]


def run(shedder: Shedder, load: Load, arrivals: Arrivals, beats: int, start: float = 0.0) -> list[list[int]]:
    """What is refused in each beat."""
    refused = []
    for beat in range(beats):
        refused.append(arrivals.refused(shedder))
        shedder.measured(load, start + beat / 10)
    return refused


@pytest.mark.parametrize("load", [IDLE, AT_BOUND, BOUNDS])
def test_nothing_is_refused_within_the_bounds(load: Load) -> None:
    shedder = a_shedder()
    assert run(shedder, load, Arrivals(50, 50, 50, 50), 100) == [[0, 0, 0, 0]] * 100
    assert not shedder.overloaded
    assert shedder.loss == 0


@pytest.mark.parametrize(
    "load",
    [replace(IDLE, lag=0.2), replace(IDLE, handling=200), replace(IDLE, waiting=2000)],
    ids=["lag", "handling", "waiting"],
)
def test_each_bound_counts_by_itself(load: Load) -> None:
    shedder = a_shedder()
    run(shedder, load, Arrivals(new=100), 20)
    assert shedder.overloaded
    assert sum(Arrivals(new=100).refused(shedder)) > 0


def test_one_bad_measurement_is_no_overload() -> None:
    shedder = a_shedder()
    shedder.measured(replace(IDLE, lag=60.0), 0.0)
    assert not shedder.overloaded


def test_rfc5390_req19_new_subscriptions_are_refused_first_then_registrations_then_what_lies_within_dialogs() -> None:
    shedder = a_shedder()
    arrivals = Arrivals(100, 100, 100, 100)
    beats = run(shedder, BEYOND, arrivals, 60)
    assert any(new and not registrations for new, registrations, _, _ in beats)
    assert any(registrations and not ongoing for _, registrations, ongoing, _ in beats)
    for new, registrations, ongoing, ending in beats:
        assert registrations == 0 or new == 100
        assert ongoing == 0 or registrations == 100
        assert ending == 0


def test_at_the_worst_a_few_are_still_let_through() -> None:
    shedder = a_shedder()
    run(shedder, replace(IDLE, lag=60.0), Arrivals(new=1000), 100)
    assert shedder.loss == round(100 * (1 - LEAST))
    assert 0 < 1000 - Arrivals(new=1000).refused(shedder)[0] < 100


def test_a_kind_that_has_not_come_of_late_is_refused_before_those_that_follow_it() -> None:
    shedder = a_shedder()
    run(shedder, BEYOND, Arrivals(ongoing=100), 20)
    assert Arrivals(new=1, registrations=1).refused(shedder) == [1, 1, 0, 0]


def test_rfc5390_req7_refusing_is_graded_by_how_far_the_bound_is_exceeded() -> None:
    worst = []
    for handling in (110, 130, 200):
        shedder = a_shedder()
        run(shedder, replace(IDLE, handling=handling), Arrivals(new=100), 10)
        worst.append(shedder.loss)
    assert 0 < worst[0] < worst[1] < worst[2]


def test_between_calm_and_the_bound_the_part_that_is_let_through_stays_as_it_is() -> None:
    """Hysteresis: what was too much a moment ago is not let in again at once."""
    shedder = a_shedder()
    run(shedder, BEYOND, Arrivals(new=100), 10)
    run(shedder, replace(IDLE, handling=70), Arrivals(new=100), 20)
    loss = shedder.loss
    assert loss > 0
    run(shedder, replace(IDLE, handling=70), Arrivals(new=100), 50)
    assert shedder.loss == loss


def test_rfc5390_req21_when_the_load_falls_everything_is_let_through_again_step_by_step() -> None:
    shedder = a_shedder()
    run(shedder, BEYOND, Arrivals(new=100), 30)
    losses = []
    for beat in range(150):
        shedder.measured(IDLE, 3.0 + beat / 10)
        losses.append(shedder.loss)
    assert losses[-1] == 0
    assert not shedder.overloaded
    assert all(later <= earlier for earlier, later in pairwise(losses[5:]))
    assert max(earlier - later for earlier, later in pairwise(losses)) <= 5


def test_an_episode_is_told_once_with_what_was_refused_in_it() -> None:
    shedder = a_shedder()
    refused = sum(beat[0] for beat in run(shedder, BEYOND, Arrivals(new=100), 30))
    told = [episode for beat in range(150) if (episode := shedder.measured(IDLE, 3.0 + beat / 10))]
    assert len(told) == 1
    (episode,) = told
    assert isinstance(episode, Episode)
    assert episode.refused[Kind.NEW] == refused > 0
    assert episode.refused[Kind.ONGOING] == 0
    assert episode.worst > 50
    assert 3.0 < episode.seconds < 18.0


def test_the_next_episode_begins_at_nothing() -> None:
    shedder = a_shedder()
    run(shedder, BEYOND, Arrivals(new=100), 30)
    run(shedder, IDLE, Arrivals(), 150)
    run(shedder, BEYOND, Arrivals(), 5, start=100.0)
    told = [episode for beat in range(100) if (episode := shedder.measured(IDLE, 101.0 + beat / 10))]
    assert [each.refused[Kind.NEW] for each in told] == [0]
    assert told[0].seconds < 10


def test_a_server_that_can_do_so_much_and_no_more_ends_near_what_it_can() -> None:
    """RFC 5390 REQ 1: the throughput under twice the load it can bear stays near its capacity."""
    shedder, capacity, queue, served = a_shedder(), 100, 0, []
    for beat in range(300):
        queue += 200 - Arrivals(new=200).refused(shedder)[0]
        done = min(queue, capacity)
        queue -= done
        served.append(done)
        shedder.measured(replace(IDLE, handling=queue), beat / 10)
    assert sum(served[100:]) / 200 > 0.85 * capacity
    assert queue < 3 * BOUNDS.handling
