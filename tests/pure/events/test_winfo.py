"""Watcher information: every way of a watcher through his states, and what is told of it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from abserver.domain.relation import RelationState, WinfoEvent
from abserver.events import contact_card
from abserver.events.package import EventPackage, allow_events
from abserver.events.winfo.document import InvalidWatcherInfo, Row, Status, WatcherInfo, WatcherList, read, write
from abserver.events.winfo.package import TEMPLATE, WATCHERINFO, winfo_of
from abserver.events.winfo.table import Telling, WatcherTable, row_id
from abserver.events.winfo.tables import Applied, Tables
from xcap.core.errors import NotWellFormed

ANN, BOB, CAT = "sip:ann@ex.org", "sip:bob@ex.org", "sip:cat@ex.org"
PACKAGE = "contact-card"
LIST = WatcherList(ANN, PACKAGE)

PENDING, ACTIVE, WAITING, TERMINATED = Status
ASKS, LETS_WAIT = RelationState.PENDING, RelationState.WAITING
CONFIRMED, POLITE = RelationState.CONFIRMED, RelationState.POLITE_BLOCKED
REJECTED, ENDED = RelationState.REJECTED, RelationState.ENDED


def row(watcher: str, status: Status, event: WinfoEvent) -> Row:
    return Row(row_id(ANN, PACKAGE, watcher), watcher, status, event)


class Follower:
    """A subscriber of Ann's watcher information that acknowledges what it is sent."""

    def __init__(self, table: WatcherTable) -> None:
        self.table = table
        self.telling = Telling()

    def told(self) -> WatcherInfo:
        """The document that it is sent now."""
        document = self.telling.document(self.table.state())
        assert document is not None
        self.telling.acknowledged()
        return document

    def rows(self) -> list[tuple[str, Status, WinfoEvent]]:
        [each] = self.told().lists
        return [(row.uri, row.status, row.event) for row in each.rows]


@pytest.fixture
def table() -> WatcherTable:
    return WatcherTable(ANN, PACKAGE)


@pytest.fixture
def follower(table: WatcherTable) -> Follower:
    """Knows the table as it is at first: empty."""
    follower = Follower(table)
    follower.told()
    return follower


WAYS: dict[str, tuple[list[tuple[RelationState | None, bool]], Status, WinfoEvent]] = {
    # Figure 1 of RFC 3857, arrow by arrow: what was true one after the other, and where that leads
    "subscribe, no policy": ([(ASKS, True)], PENDING, WinfoEvent.SUBSCRIBE),
    "subscribe, policy=accept": ([(CONFIRMED, True)], ACTIVE, WinfoEvent.SUBSCRIBE),
    "pending approved": ([(ASKS, True), (CONFIRMED, True)], ACTIVE, WinfoEvent.APPROVED),
    "pending approved politely": ([(ASKS, True), (POLITE, True)], ACTIVE, WinfoEvent.APPROVED),
    "pending rejected": ([(ASKS, True), (REJECTED, True)], TERMINATED, WinfoEvent.REJECTED),
    "pending giveup": ([(ASKS, True), (ENDED, True)], TERMINATED, WinfoEvent.GIVEUP),
    "pending noresource": ([(ASKS, True), (None, False)], TERMINATED, WinfoEvent.NORESOURCE),
    "pending timeout": ([(ASKS, True), (LETS_WAIT, False)], WAITING, WinfoEvent.TIMEOUT),
    "pending, approved and over at once": ([(ASKS, True), (CONFIRMED, False)], TERMINATED, WinfoEvent.TIMEOUT),
    "waiting approved": ([(LETS_WAIT, False), (CONFIRMED, False)], TERMINATED, WinfoEvent.APPROVED),
    "waiting rejected": ([(LETS_WAIT, False), (REJECTED, False)], TERMINATED, WinfoEvent.REJECTED),
    "waiting giveup": ([(LETS_WAIT, False), (ENDED, False)], TERMINATED, WinfoEvent.GIVEUP),
    "waiting noresource": ([(LETS_WAIT, False), (None, False)], TERMINATED, WinfoEvent.NORESOURCE),
    "waiting, asks again": ([(LETS_WAIT, False), (ASKS, False), (ASKS, True)], PENDING, WinfoEvent.SUBSCRIBE),
    "waiting, approved and back": ([(LETS_WAIT, False), (CONFIRMED, True)], ACTIVE, WinfoEvent.SUBSCRIBE),
    "active timeout": ([(CONFIRMED, True), (CONFIRMED, False)], TERMINATED, WinfoEvent.TIMEOUT),
    "active rejected": ([(CONFIRMED, True), (REJECTED, False)], TERMINATED, WinfoEvent.REJECTED),
    "active deactivated": ([(CONFIRMED, True), (ENDED, False)], TERMINATED, WinfoEvent.DEACTIVATED),
    "active noresource": ([(CONFIRMED, True), (None, False)], TERMINATED, WinfoEvent.NORESOURCE),
    "active, undecided again (RFC 5025 §3.2.1)": ([(CONFIRMED, True), (ASKS, True)], PENDING, WinfoEvent.SUBSCRIBE),
    "terminated, back": ([(ASKS, True), (REJECTED, True), (CONFIRMED, True)], ACTIVE, WinfoEvent.SUBSCRIBE),
}


@pytest.mark.parametrize(("way", "status", "event"), WAYS.values(), ids=WAYS)
def test_a_watcher_stands_where_the_figure_says(
    way: list[tuple[RelationState | None, bool]], status: Status, event: WinfoEvent, table: WatcherTable
) -> None:
    for standing, watched in way:
        table.note(BOB, standing, watched=watched)
    assert list(table.state().rows) == [row(BOB, status, event)]


@pytest.mark.parametrize(("standing", "watched"), list(itertools.product([*RelationState, None], [True, False])))
def test_the_same_truth_twice_changes_nothing(
    standing: RelationState | None, watched: bool, table: WatcherTable
) -> None:
    table.note(BOB, standing, watched=watched)
    state = table.state()
    assert not table.note(BOB, standing, watched=watched)
    assert table.state() is state


@pytest.mark.parametrize("standing", [REJECTED, ENDED, CONFIRMED, POLITE, ASKS, None])
def test_whoever_has_no_subscription_and_no_request_is_not_in_the_table(
    standing: RelationState | None, table: WatcherTable
) -> None:
    assert not table.note(BOB, standing, watched=False)
    assert list(table.state().rows) == []


def test_a_watcher_whom_the_table_finds_is_active_by_what_is_known_of_him(table: WatcherTable) -> None:
    table.note(BOB, CONFIRMED, watched=True, came_by=WinfoEvent.APPROVED)
    assert table.state().present == (row(BOB, ACTIVE, WinfoEvent.APPROVED),)


def test_all_is_told_first_and_then_what_changes(table: WatcherTable) -> None:
    table.note(BOB, CONFIRMED, watched=True)
    follower = Follower(table)
    assert follower.told() == WatcherInfo(0, True, (replace(LIST, rows=(row(BOB, ACTIVE, WinfoEvent.SUBSCRIBE),)),))
    table.note(CAT, ASKS, watched=True)
    assert follower.told() == WatcherInfo(1, False, (replace(LIST, rows=(row(CAT, PENDING, WinfoEvent.SUBSCRIBE),)),))
    table.note(CAT, CONFIRMED, watched=True)
    assert follower.told() == WatcherInfo(2, False, (replace(LIST, rows=(row(CAT, ACTIVE, WinfoEvent.APPROVED),)),))


def test_whoever_leaves_is_told_once(table: WatcherTable, follower: Follower) -> None:
    table.note(BOB, CONFIRMED, watched=True)
    follower.told()
    table.note(BOB, CONFIRMED, watched=False)
    assert follower.rows() == [(BOB, TERMINATED, WinfoEvent.TIMEOUT)]
    table.note(CAT, ASKS, watched=True)
    assert follower.rows() == [(CAT, PENDING, WinfoEvent.SUBSCRIBE)]


def test_whoever_left_is_not_in_a_full_document(table: WatcherTable) -> None:
    table.note(BOB, CONFIRMED, watched=True)
    table.note(BOB, CONFIRMED, watched=False)
    assert Follower(table).rows() == []


def test_whoever_comes_and_goes_in_between_is_not_told(table: WatcherTable, follower: Follower) -> None:
    before = table.state().tag
    table.note(BOB, CONFIRMED, watched=True)
    table.note(BOB, CONFIRMED, watched=False)
    assert table.state().tag == before
    table.note(CAT, ASKS, watched=True)
    assert follower.rows() == [(CAT, PENDING, WinfoEvent.SUBSCRIBE)]


def test_a_second_reason_to_be_gone_is_no_news(table: WatcherTable, follower: Follower) -> None:
    table.note(BOB, CONFIRMED, watched=True)
    follower.told()
    table.note(BOB, CONFIRMED, watched=False)
    follower.told()
    assert not table.note(BOB, REJECTED, watched=False)


def test_polite_blocking_does_not_show(table: WatcherTable) -> None:
    table.note(BOB, CONFIRMED, watched=True)
    state = table.state()
    assert not table.note(BOB, POLITE, watched=True)
    assert table.state() is state


def test_tags_name_the_rows_and_not_the_way_to_them() -> None:
    one, other = WatcherTable(ANN, PACKAGE), WatcherTable(ANN, PACKAGE)
    one.note(BOB, CONFIRMED, watched=True)
    one.note(CAT, LETS_WAIT, watched=False)
    other.note(CAT, LETS_WAIT, watched=False)
    other.note(BOB, ASKS, watched=True)
    assert one.state().tag != other.state().tag
    other.note(BOB, REJECTED, watched=True)
    other.note(BOB, CONFIRMED, watched=True)
    assert one.state().tag == other.state().tag


def test_a_state_stays_as_it_was(table: WatcherTable) -> None:
    state = table.state()
    table.note(BOB, CONFIRMED, watched=True)
    assert list(state.rows) == []


def test_a_table_of_one_row_tells_as_one_of_many_does(table: WatcherTable) -> None:
    own = WatcherTable(ANN, PACKAGE, buckets=1)
    for each in (own, table):
        each.note(BOB, ASKS, watched=True)
    assert own.state().present == table.state().present
    assert own.state().tag == table.state().tag
    table.note(CAT, ASKS, watched=True)
    assert own.state().tag != table.state().tag


def test_a_change_leaves_the_rest_of_a_long_list_as_it_is(table: WatcherTable) -> None:
    watchers = [f"sip:{number}@ex.org" for number in range(1000)]
    for watcher in watchers:
        table.note(watcher, CONFIRMED, watched=True)
    before = table.state()
    table.note(watchers[7], CONFIRMED, watched=False)
    after = table.state()
    assert after.since(before) == (row(watchers[7], TERMINATED, WinfoEvent.TIMEOUT),)
    assert sum(old is not new for old, new in zip(before.buckets, after.buckets, strict=True)) == 1
    assert len(before.present) == 1000


def test_a_state_of_another_table_is_no_base(table: WatcherTable, follower: Follower) -> None:
    table.note(BOB, CONFIRMED, watched=True)
    follower.told()
    follower.table = WatcherTable(ANN, PACKAGE)
    follower.table.note(CAT, CONFIRMED, watched=True)
    document = follower.told()
    assert (document.full, document.version) == (True, 2)
    assert [each.uri for each in document.lists[0].rows] == [CAT]


def test_nothing_new_is_no_document(table: WatcherTable, follower: Follower) -> None:
    assert follower.telling.document(table.state()) is None
    follower.telling.acknowledged()  # of a NOTIFY without one
    table.note(BOB, CONFIRMED, watched=True)
    assert not follower.told().full


def test_what_was_not_acknowledged_is_followed_by_everything(table: WatcherTable, follower: Follower) -> None:
    table.note(BOB, CONFIRMED, watched=True)
    lost = follower.telling.document(table.state())
    assert lost is not None
    assert not lost.full
    assert follower.told() == replace(lost, version=lost.version + 1, full=True)


def test_whoever_subscribes_again_gets_everything(table: WatcherTable, follower: Follower) -> None:
    follower.telling.start_over()
    assert follower.told() == WatcherInfo(1, True, (LIST,))


def test_an_answer_that_comes_after_the_subscribe_is_not_what_it_asks_for(table: WatcherTable) -> None:
    telling = Telling()
    telling.document(table.state())
    telling.start_over()
    telling.acknowledged()
    assert telling.document(table.state()) == WatcherInfo(1, True, (LIST,))


def test_versions_go_on_where_they_are_said_to(table: WatcherTable) -> None:
    assert Telling(256).document(table.state()) == WatcherInfo(256, True, (LIST,))


def test_ids_are_opaque_and_differ_from_owner_to_owner_and_package_to_package() -> None:
    ids = {row_id(owner, package, BOB) for owner in (ANN, CAT) for package in (PACKAGE, "presence")}
    assert len(ids) == 4
    assert all(len(each) == 32 and each.isalnum() for each in ids)
    assert row_id(ANN, PACKAGE, BOB) == row_id(ANN, PACKAGE, BOB)


# -- the package ----------------------------------------------------------------------------------------------------


def test_the_template_fits_any_package() -> None:
    presence = EventPackage("presence", 3600, 60, 7200, ("application/pidf+xml",))
    winfo = winfo_of(presence)
    assert (winfo.name, winfo.default_expires, winfo.pace) == ("presence.winfo", 3600, 5.0)
    assert winfo.body_types == (WATCHERINFO,)
    assert winfo.limits.max_rate == 0.2
    assert winfo_of(presence, pace=2.0).limits.max_rate == 0.5
    assert winfo_of(presence, pace=0.0).limits == presence.limits
    assert winfo_of(winfo).name == f"presence{TEMPLATE}{TEMPLATE}"
    assert allow_events([presence, winfo, contact_card.PACKAGE]) == "presence, contact-card"


def test_durations_are_those_of_the_watched_package_and_leave_room_for_an_hour() -> None:
    brief = winfo_of(replace(contact_card.PACKAGE, min_expires=10, max_expires=600))
    assert (brief.min_expires, brief.granted(None), brief.granted(99999)) == (10, 3600, 3600)
    assert winfo_of(contact_card.PACKAGE).granted(99999) == contact_card.PACKAGE.max_expires


# -- documents ------------------------------------------------------------------------------------------------------

FULL_ROW = Row(
    "a1", "sip:r%C3%A9&b@ex.org", ACTIVE, WinfoEvent.APPROVED, display_name='"Réné" <x> &', language="fr",
    expiration=20, duration=0,
)  # fmt: skip


def test_a_document_says_what_was_written() -> None:
    document = WatcherInfo(7, False, (replace(LIST, rows=(FULL_ROW, row(BOB, PENDING, WinfoEvent.SUBSCRIBE))),))
    copy = read(write(document))
    assert copy == document
    assert (copy.lists[0].rows[0].expiration, copy.lists[0].rows[0].duration) == (20, 0)
    assert read(write(WatcherInfo(0, True))) == WatcherInfo(0, True)


def test_times_are_no_part_of_a_row() -> None:
    assert replace(FULL_ROW, expiration=None, duration=9) == FULL_ROW


GOOD = write(WatcherInfo(0, True, (replace(LIST, rows=(row(BOB, PENDING, WinfoEvent.SUBSCRIBE),)),)))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (b"<watcherinfo", b"<watchers"),
        (b'version="0"', b""),
        (b'version="0"', b'version="-1"'),
        (b'version="0"', b'version="4294967296"'),
        (b'state="full"', b'state="whole"'),
        (b'resource="', b'source="'),
        (b'package="', b'pack="'),
        (b'id="', b'id="a b'),
        (b'status="pending"', b'status="asleep"'),
        (b'event="subscribe"', b'event="invariant"'),
        (b'event="subscribe"', b'event="subscribe" expiration="soon"'),
    ],
)
def test_what_is_no_watcher_information_is_refused(right: bytes, wrong: bytes) -> None:
    content = GOOD.replace(right, wrong).replace(
        b"</watcherinfo", b"</watchers" if b"<watchers" in wrong else b"</watcherinfo"
    )
    assert content != GOOD
    with pytest.raises(InvalidWatcherInfo):
        read(content)


def test_what_is_no_xml_is_refused() -> None:
    with pytest.raises(NotWellFormed):
        read(GOOD[:-3])


def test_two_rows_of_one_id_are_refused() -> None:
    twice = (row(BOB, PENDING, WinfoEvent.SUBSCRIBE),) * 2
    with pytest.raises(InvalidWatcherInfo):
        read(write(WatcherInfo(0, True, (replace(LIST, rows=twice),))))


# -- the subscriber's tables ----------------------------------------------------------------------------------------


def info(version: int, *rows: Row, full: bool = False) -> WatcherInfo:
    return WatcherInfo(version, full, (replace(LIST, rows=rows),))


def test_tables_follow_documents() -> None:
    tables, bob = Tables(), row(BOB, PENDING, WinfoEvent.SUBSCRIBE)
    assert tables.apply(info(0, bob, full=True)) is Applied.DONE
    assert tables.apply(info(1, row(CAT, ACTIVE, WinfoEvent.SUBSCRIBE))) is Applied.DONE
    assert tables.apply(info(2, row(CAT, TERMINATED, WinfoEvent.TIMEOUT))) is Applied.DONE
    assert tables.rows == {ANN: {bob.id: bob}}
    assert tables.version == 2


def test_an_old_document_is_discarded() -> None:
    tables = Tables()
    tables.apply(info(4, full=True))
    for version in (3, 4):
        assert tables.apply(info(version, row(BOB, PENDING, WinfoEvent.SUBSCRIBE))) is Applied.OLD
    assert tables.rows == {ANN: {}}


def test_a_gap_asks_for_a_refresh_unless_everything_came_anyway() -> None:
    tables, bob = Tables(), row(BOB, PENDING, WinfoEvent.SUBSCRIBE)
    tables.apply(info(0, full=True))
    assert tables.apply(info(2, bob)) is Applied.GAP
    assert tables.rows == {ANN: {bob.id: bob}}
    assert tables.apply(info(9, full=True)) is Applied.DONE
    assert tables.rows == {ANN: {}}


def test_a_partial_document_alone_is_a_gap() -> None:
    assert Tables().apply(info(0)) is Applied.GAP
