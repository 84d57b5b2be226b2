"""The synchronization update lists: what moves them, and when a device leaves the view that its list names."""

from __future__ import annotations

import pytest

from abserver.domain.view import View
from abserver.ports import Departure, DeviceKey, DeviceRecord, OwnerRecord
from abserver.services.update_lists import UpdateLists
from tests.support.documents import ANN, BOB
from tests.support.virtual_time import BEGINNING

A, B, C = (View(tag.encode(), tag) for tag in "abc")
KEY, OTHER = DeviceKey(ANN, BOB, "phone"), DeviceKey(ANN, BOB, "tablet")
OWNER = OwnerRecord(ANN, 5, BEGINNING, None, None)


def record(key: DeviceKey, view: View, version: int) -> DeviceRecord:
    return DeviceRecord(key, view.tag, version, BEGINNING)


def test_a_list_moves_with_an_acknowledgement_and_tells_what_is_news() -> None:
    lists = UpdateLists([OWNER])
    assert lists.held(KEY) is None
    assert lists.delivered(KEY, A, 4, BEGINNING) == record(KEY, A, 4)
    assert lists.delivered(OTHER, A, 4, BEGINNING) == record(OTHER, A, 4)
    assert lists.delivered(KEY, A, 4, BEGINNING) is None
    assert lists.delivered(KEY, A, 5, BEGINNING) == record(KEY, A, 5)
    assert lists.delivered(KEY, B, 5, BEGINNING) == record(KEY, B, 5)
    assert (lists.held(KEY), lists.held(OTHER)) == ("b", "a")


def test_a_device_that_holds_something_departs_before_it_is_sent_another_view() -> None:
    lists = UpdateLists([OWNER], [record(KEY, A, 4)])
    assert lists.departure(KEY, A) is None
    assert lists.departure(OTHER, B) is None
    departure = lists.departure(KEY, B)
    assert departure == Departure(KEY, "a", 5)
    assert lists.departure(KEY, B) == departure
    lists.departed(departure)
    assert lists.departure(KEY, B) is None
    lists.forget_departures()
    assert lists.departure(KEY, B) == departure


def test_it_departs_anew_from_each_view() -> None:
    lists = UpdateLists([OWNER], [record(KEY, A, 4)])
    lists.departed(Departure(KEY, "a", 5))
    lists.delivered(KEY, B, 5, BEGINNING)
    assert lists.departure(KEY, C) == Departure(KEY, "b", 5)
    lists.departed(Departure(KEY, "b", 5))
    lists.delivered(KEY, A, 5, BEGINNING)
    assert lists.departure(KEY, B) == Departure(KEY, "a", 5)


def test_a_departure_does_not_count_for_the_same_view_of_a_later_version() -> None:
    lists = UpdateLists([OWNER], [record(KEY, A, 4)])
    lists.departed(Departure(KEY, "a", 4))
    assert lists.departure(KEY, B) is None
    lists.delivered(KEY, A, 5, BEGINNING)
    assert lists.departure(KEY, B) == Departure(KEY, "a", 5)


@pytest.mark.parametrize(
    ("departure", "doubted"),
    [
        (Departure(KEY, "a", 3), False),
        (Departure(KEY, "a", 4), True),
        (Departure(KEY, "a", 5), True),
        (Departure(KEY, "b", 5), False),
        (Departure(OTHER, "a", 5), False),
    ],
)
def test_after_a_restart_a_device_whose_view_was_left_is_in_doubt(departure: Departure, doubted: bool) -> None:
    lists = UpdateLists([OWNER], [record(KEY, A, 4)], [departure])
    assert lists.held(KEY) == (None if doubted else "a")


def test_doubt_ends_with_an_acknowledgement_whatever_it_says() -> None:
    lists = UpdateLists([OWNER], [record(KEY, A, 4)], [Departure(KEY, "a", 5)])
    assert lists.departure(KEY, B) is None
    assert lists.delivered(KEY, A, 4, BEGINNING) == record(KEY, A, 4)
    assert lists.held(KEY) == "a"
