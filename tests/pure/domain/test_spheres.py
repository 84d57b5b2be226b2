"""The owner's sphere: RFC 5025 §3.1.2 over RFC 4480 §3.11."""

from __future__ import annotations

import datetime

import pytest

from abserver.domain.spheres import MOST, UNKNOWN, Spheres, read_spheres
from abserver.domain.trees import InvalidDocument

NOON = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)


def spheres(inside: str) -> Spheres:
    return read_spheres(
        '<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"'
        ' xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:x="urn:x" entity="sip:ann@example.com">'
        f'<tuple id="t"><status><basic>open</basic></status></tuple>{inside}</presence>'.encode()
    )


def person(*said: str) -> str:
    return f'<dm:person id="p">{"".join(said)}<r:mood/></dm:person>'


@pytest.mark.parametrize(
    ("inside", "sphere"),
    [
        ("", None),
        (person(), None),
        (person("<r:sphere><r:work/></r:sphere>"), "work"),
        (person("<r:sphere><x:Scouting/></r:sphere>"), "scouting"),
        (person("<r:sphere><r:unknown/></r:sphere>"), "unknown"),
        (person("<r:sphere>\n Work </r:sphere>"), "work"),
        (person("<r:sphere>bowling league</r:sphere>"), "bowling league"),
        (person("<r:sphere/>"), None),
        (person("<r:sphere><r:work/></r:sphere>", "<r:sphere>WORK</r:sphere>"), "work"),
        (person("<r:sphere><r:work/></r:sphere>", "<r:sphere><r:home/></r:sphere>"), None),
        (person("<r:sphere><r:work/></r:sphere>") * 2, "work"),
        (person("<r:sphere><r:work/></r:sphere>") + person("<r:sphere/>"), None),
        ("<r:sphere><r:work/></r:sphere>", None),
        (f'<dm:device id="d"><r:sphere><r:work/></r:sphere></dm:device>{person()}', None),
        (person("<x:sphere><r:work/></x:sphere>"), None),
        (person("<r:sphere><r:work/></r:sphere>" * (MOST + 1)), None),
    ],
)
def test_the_sphere_is_what_all_elements_of_the_person_say(inside: str, sphere: str | None) -> None:
    """RFC 5025 §3.1.2: undefined when absent or inconsistent; person data component only."""
    assert spheres(inside).at(NOON) == sphere


def test_a_sphere_counts_from_and_until_rfc4480_3_1() -> None:
    found = spheres(
        person(
            f'<r:sphere from="{(NOON - HOUR).isoformat()}" until="{NOON.isoformat()}"><r:work/></r:sphere>',
            f'<r:sphere from="{NOON.isoformat()}"><r:home/></r:sphere>',
        )
    )
    moments = [NOON - 2 * HOUR, NOON - HOUR, NOON - HOUR / 2, NOON, NOON + HOUR]
    assert [found.at(moment) for moment in moments] == [None, "work", "work", "home", "home"]
    changes = [found.next_change(moment) for moment in moments]
    assert changes == [NOON - HOUR, NOON, NOON, None, None]


@pytest.mark.parametrize("qualified", ['from="soon"', 'until="never"', 'from=""'])
def test_a_time_that_is_none_lets_the_sphere_never_count(qualified: str) -> None:
    found = spheres(person(f"<r:sphere {qualified}><r:work/></r:sphere>"))
    assert found.at(NOON) is None
    assert found.next_change(NOON) is None


def test_without_a_document_the_sphere_is_not_known() -> None:
    assert UNKNOWN.at(NOON) is None
    assert UNKNOWN.next_change(NOON) is None
    with pytest.raises(InvalidDocument):
        read_spheres(b"<presence")
