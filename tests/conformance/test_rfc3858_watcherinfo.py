"""RFC 3858, statement by statement: the documents that are written, and how a subscriber reads them."""

from __future__ import annotations

import re
from pathlib import Path
from xml.parsers import expat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from abserver.domain.identity import parse_aor
from abserver.domain.relation import RelationState, WinfoEvent
from abserver.events.winfo.document import (
    LARGEST_VERSION,
    NAMESPACE,
    Row,
    Status,
    WatcherInfo,
    WatcherList,
    read,
    write,
)
from abserver.events.winfo.table import Telling, WatcherTable
from abserver.events.winfo.tables import Applied, Tables

SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent.parent / "data" / "winfo" / "watcherinfo.xsd"))
PROFESSOR = "sip:professor@example.net"
USER_A, USER_B = "sip:userA@example.net", "sip:userB@example.org"

EXAMPLE = b"""<?xml version="1.0"?>
<watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo"
             version="0" state="full">
  <watcher-list resource="sip:professor@example.net" package="presence">
    <watcher status="active"
             id="8ajksjda7s"
             duration-subscribed="509"
             event="approved" >sip:userA@example.net</watcher>
    <watcher status="pending"
             id="hh8juja87s997-ass7"
             display-name="Mr. Subscriber"
             event="subscribe">sip:userB@example.org</watcher>
  </watcher-list>
</watcherinfo>
"""
"""That of §5."""

A = Row("8ajksjda7s", USER_A, Status.ACTIVE, WinfoEvent.APPROVED)
B = Row("hh8juja87s997-ass7", USER_B, Status.PENDING, WinfoEvent.SUBSCRIBE, display_name="Mr. Subscriber")


def table(*watchers: str) -> WatcherTable:
    """The professor's watchers, each in another state."""
    made = WatcherTable(PROFESSOR, "presence")
    truths = [(RelationState.CONFIRMED, True), (RelationState.PENDING, True), (RelationState.WAITING, False)]
    for number, watcher in enumerate(watchers):
        standing, watched = truths[number % 3]
        made.note(watcher, standing, watched=watched)
    return made


def told(made: WatcherTable, telling: Telling) -> bytes:
    document = telling.document(made.state())
    telling.acknowledged()
    assert document is not None
    return write(document)


def a_history() -> list[bytes]:
    """What one subscriber is told while somebody is approved, somebody leaves and somebody comes."""
    made, telling = table(USER_A, USER_B), Telling()
    documents = [told(made, telling)]
    made.note(USER_B, RelationState.CONFIRMED, watched=True)
    documents.append(told(made, telling))
    made.note(USER_A, RelationState.REJECTED, watched=False)
    made.note("sip:c@example.org", RelationState.WAITING, watched=False)
    documents.append(told(made, telling))
    return documents


# -- §3: structure ----------------------------------------------------------------------------------------------------


def test_3_documents_are_well_formed_and_valid() -> None:
    for each in a_history():
        SCHEMA.assertValid(etree.fromstring(each))


names = st.from_regex(r"sip:[A-Za-z0-9\-_.!~*'()&=+$,;?/]{1,20}@[a-z]{1,10}\.org", fullmatch=True)


@given(watchers=st.lists(names, unique=True, max_size=8), version=st.integers(0, LARGEST_VERSION))
def test_3_documents_are_valid_whoever_watches(watchers: list[str], version: int) -> None:
    document = Telling(version).document(table(*map(parse_aor, watchers)).state())
    assert document is not None
    SCHEMA.assertValid(etree.fromstring(write(document)))
    assert read(write(document)) == document


def test_3_documents_are_xml_1_0_in_utf_8() -> None:
    for each in a_history():
        assert re.match(rb"<\?xml version=['\"]1\.0['\"] encoding=['\"]UTF-8['\"]\?>", each)
        each.decode("utf-8")
    zoe = Row("a", USER_A, Status.PENDING, WinfoEvent.SUBSCRIBE, display_name="Zoë")
    document = WatcherInfo(0, True, (WatcherList(PROFESSOR, "presence", (zoe,)),))
    assert "Zoë".encode() in write(document)


def test_3_the_root_is_watcherinfo_in_its_namespace() -> None:
    root = etree.fromstring(a_history()[0])
    assert root.tag == f"{{{NAMESPACE}}}watcherinfo"
    assert {each.tag for each in root.iter("*")} == {
        f"{{{NAMESPACE}}}{name}" for name in ("watcherinfo", "watcher-list", "watcher")
    }


def test_3_what_must_be_present_is_present() -> None:
    for each in a_history():
        root = etree.fromstring(each)
        assert {"version", "state"} <= set(root.keys())
        for watchers in root:
            assert {"resource", "package"} <= set(watchers.keys())
            for watcher in watchers:
                assert {"id", "status", "event"} <= set(watcher.keys())


def test_3_versions_start_at_0_and_increment_by_one() -> None:
    assert [read(each).version for each in a_history()] == [0, 1, 2]


def test_3_versions_are_scoped_within_a_subscription() -> None:
    made = table(USER_A)
    first, second = Telling(), Telling()
    told(made, first)
    made.note(USER_A, RelationState.REJECTED, watched=False)
    assert read(told(made, first)).version == 1
    assert read(told(made, second)).version == 0


def test_3_versions_are_32_bit_integers() -> None:
    assert read(EXAMPLE.replace(b'version="0"', b'version="4294967295"')).version == LARGEST_VERSION == 2**32 - 1


def test_3_partial_documents_hold_those_who_changed() -> None:
    full, approved, left = map(read, a_history())
    assert (full.full, {row.uri for row in full.lists[0].rows}) == (True, {USER_A, USER_B})
    assert (approved.full, {row.uri for row in approved.lists[0].rows}) == (False, {USER_B})
    assert (left.full, {row.uri for row in left.lists[0].rows}) == (False, {USER_A, "sip:c@example.org"})


def test_3_a_list_names_the_resource_and_the_package_that_is_watched() -> None:
    [watchers] = read(a_history()[0]).lists
    assert (watchers.resource, watchers.package) == (PROFESSOR, "presence")


@given(watchers=st.lists(names, unique=True, min_size=2, max_size=8))
def test_3_ids_are_tokens_and_unique(watchers: list[str]) -> None:
    rows = table(*watchers).state().present
    assert all(re.fullmatch(r"[A-Za-z0-9\-.!%*_+`'~]+", row.id) for row in rows)
    assert len({row.id for row in rows}) == len(rows) == len(watchers)


def test_3_an_id_stays_that_of_its_subscription() -> None:
    documents = [read(each) for each in a_history()]
    [pending] = [row for row in documents[0].lists[0].rows if row.uri == USER_B]
    [active] = documents[1].lists[0].rows
    assert pending.id == active.id


def test_3_a_watcher_is_his_address_and_no_device() -> None:
    assert {row.uri for row in table(USER_A, USER_B).state().present} == {USER_A, USER_B}


STRANGE = (
    EXAMPLE.replace(b"<watcherinfo ", b'<watcherinfo xmlns:x="urn:x" x:a="1" ')
    .replace(b"<watcher-list ", b'<watcher-list x:status="?" ')
    .replace(b"<watcher status", b'<watcher x:id="?" status')
    .replace(b"</watcher-list>", b"<x:watcher>nobody</x:watcher></watcher-list><x:more><watcher/></x:more>")
)


def test_3_what_is_of_unknown_namespaces_is_ignored() -> None:
    assert read(STRANGE) == read(EXAMPLE)


def test_3_a_display_name_may_have_a_language() -> None:
    example = EXAMPLE.replace(b"display-name", b'xml:lang="en" display-name')
    SCHEMA.assertValid(etree.fromstring(example))
    assert read(example).lists[0].rows[1].language == "en"
    SCHEMA.assertValid(etree.fromstring(write(read(example))))
    assert read(write(read(example))) == read(example)


# -- §4: what a subscriber computes -----------------------------------------------------------------------------------


def partial(version: int, row: bytes, resource: str = PROFESSOR) -> WatcherInfo:
    return read(
        b'<watcherinfo xmlns="%s" version="%d" state="partial"><watcher-list resource="%s" package="presence">%s'
        b"</watcher-list></watcherinfo>" % (NAMESPACE.encode(), version, resource.encode(), row)
    )


APPROVED = b'<watcher id="hh8juja87s997-ass7" status="active" event="approved">sip:userB@example.org</watcher>'
GONE = b'<watcher id="hh8juja87s997-ass7" status="terminated" event="timeout">sip:userB@example.org</watcher>'
NEW = b'<watcher id="n" status="pending" event="subscribe">sip:c@example.org</watcher>'


@pytest.fixture
def tables() -> Tables:
    """As of the example."""
    made = Tables()
    assert made.apply(read(EXAMPLE)) is Applied.DONE
    return made


def test_4_the_first_document_sets_the_version(tables: Tables) -> None:
    assert tables.version == 0
    later = Tables()
    later.apply(read(EXAMPLE.replace(b'version="0"', b'version="7"')))
    assert later.version == 7


def test_4_rows_are_updated_and_added_by_id(tables: Tables) -> None:
    assert tables.apply(partial(1, APPROVED + NEW)) is Applied.DONE
    assert tables.version == 1
    rows = tables.rows[PROFESSOR]
    assert rows[A.id] == A
    assert rows[B.id] == Row(B.id, USER_B, Status.ACTIVE, WinfoEvent.APPROVED)
    assert rows["n"].status is Status.PENDING


def test_4_a_table_is_made_for_another_resource(tables: Tables) -> None:
    tables.apply(partial(1, NEW, resource="sip:other@example.net"))
    assert list(tables.rows) == [PROFESSOR, "sip:other@example.net"]
    assert tables.rows[PROFESSOR] == {A.id: A, B.id: B}


def test_4_a_version_more_than_one_higher_is_processed_and_asks_for_a_refresh(tables: Tables) -> None:
    assert tables.apply(partial(3, APPROVED)) is Applied.GAP
    assert (tables.version, tables.rows[PROFESSOR][B.id].status) == (3, Status.ACTIVE)


def test_4_a_lower_version_is_discarded(tables: Tables) -> None:
    tables.apply(partial(1, NEW))
    assert tables.apply(partial(0, APPROVED)) is Applied.OLD
    assert (tables.version, tables.rows[PROFESSOR][B.id]) == (1, B)


def test_4_full_state_replaces_all_tables(tables: Tables) -> None:
    tables.apply(partial(1, NEW, resource="sip:other@example.net"))
    assert tables.apply(read(EXAMPLE.replace(b'version="0"', b'version="2"'))) is Applied.DONE
    assert tables.rows == {PROFESSOR: {A.id: A, B.id: B}}


def test_4_terminated_rows_go(tables: Tables) -> None:
    tables.apply(partial(1, GONE))
    assert tables.rows == {PROFESSOR: {A.id: A}}


# -- §5, §6 -----------------------------------------------------------------------------------------------------------


def test_5_the_example_is_read_and_written() -> None:
    SCHEMA.assertValid(etree.fromstring(EXAMPLE))
    document = read(EXAMPLE)
    assert document == WatcherInfo(0, True, (WatcherList(PROFESSOR, "presence", (A, B)),))
    assert document.lists[0].rows[0].duration == 509
    SCHEMA.assertValid(etree.fromstring(write(document)))
    assert read(write(document)) == document


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("event", WinfoEvent)
def test_6_the_schema_knows_every_status_and_event(status: Status, event: WinfoEvent) -> None:
    row = Row("a", USER_A, status, event, "A", "en", 0, 2**64 - 1)
    document = WatcherInfo(0, False, (WatcherList(PROFESSOR, "presence", (row,)),))
    SCHEMA.assertValid(etree.fromstring(write(document)))
    assert read(write(document)).lists[0].rows[0].duration == 2**64 - 1


# -- what programs in use ask for beyond that -------------------------------------------------------------------------


def attributes_by_plain_name(content: bytes) -> list[tuple[str, dict[str, str]]]:
    """Elements as a parser without namespaces sees them."""
    found: list[tuple[str, dict[str, str]]] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: found.append((name, attributes))
    parser.Parse(content, True)
    return found


def test_clients_that_know_no_namespaces_find_all_names_without_prefix() -> None:
    """OPAL asks for an attribute called `xmlns` and elements called as they are here."""
    for each in a_history():
        found = attributes_by_plain_name(each)
        assert found[0] == ("watcherinfo", found[0][1])
        assert found[0][1]["xmlns"] == NAMESPACE
        assert {name for name, _ in found} == {"watcherinfo", "watcher-list", "watcher"}


def test_clients_that_look_for_their_list_find_it_when_it_is_empty() -> None:
    """Jitsi reports an error if there is none; SIP SIMPLE looks for `sip:user@domain`, letter by letter."""
    [watchers] = read(told(table(), Telling())).lists
    assert (watchers.resource, watchers.rows) == (PROFESSOR, ())


def test_clients_that_keep_no_equal_versions_get_none() -> None:
    """SIP SIMPLE and Jitsi take only versions that are higher than the last, over refreshes too."""
    made, telling = table(USER_A), Telling()
    versions = []
    for _ in range(5):
        telling.start_over()
        versions.append(read(told(made, telling)).version)
    assert versions == [0, 1, 2, 3, 4]


def test_an_address_stands_alone_in_its_element() -> None:
    """SIP SIMPLE validates it as a URI, white space included."""
    found = etree.fromstring(a_history()[0]).findall(f".//{{{NAMESPACE}}}watcher")
    assert {each.text for each in found} == {USER_A, USER_B}
