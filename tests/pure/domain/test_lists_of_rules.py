"""Who is on the lists that card rules refer to (RFC 4826 §3, OMA external-list)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abserver.domain import lists
from abserver.domain.conditions import OUT_OF_REACH, Members
from abserver.domain.identity import Aor, Identities, Owner, parse_aor
from abserver.domain.lists import MOST_DOCUMENTS, MOST_REFERENCES, Resolution, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

ANN = Owner(parse_aor("sip:ann@example.com"))
HOME = "http://xcap.example.com/xcap-root/resource-lists/users/sip:ann@example.com"
FRIENDS = f"{HOME}/index/~~/resource-lists/list%5B@name=%22friends%22%5D"


def document(inside: str) -> bytes:
    return f'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">{inside}</resource-lists>'.encode()


def friends(inside: str) -> bytes:
    return document(f'<list name="friends">{inside}</list>')


def entry(user: str) -> str:
    return f'<entry uri="sip:{user}@example.com"><display-name>Somebody</display-name></entry>'


def people(*users: str) -> frozenset[str]:
    return frozenset(f"sip:{user}@example.com" for user in users)


def members(content: bytes | None, anchor: str = FRIENDS, **others: bytes | None) -> Members:
    resolution = resolve([anchor], ANN, {"index": content, **others})
    assert not resolution.missing
    return resolution.lists[anchor]


def test_a_list_is_everybody_in_it_and_in_its_sub_lists() -> None:
    """RFC 4826 §3.1: lists within lists."""
    nested = f"{entry('bob')}<list><list name='x'><display-name>X</display-name>{entry('carol')}</list></list><list/>"
    assert members(friends(nested)) == Members(people("bob", "carol"))


def test_identities_compare_as_in_rules() -> None:
    inside = '<entry uri="SIPS:bob@EXAMPLE.com:5061"/><entry uri="tel:+15550100"/>'
    assert members(friends(inside)) == Members(people("bob") | {"tel:+15550100"})
    known = Identities({parse_aor("tel:+15550100"): parse_aor("sip:dan@example.com"), parse_aor("tel:+1"): Aor(ANN)})
    for anchor in (FRIENDS, FRIENDS.replace("sip:ann@example.com", "tel:+1")):
        assert resolve([anchor], ANN, {"index": friends(inside)}, known).lists[anchor] == Members(people("bob", "dan"))


@pytest.mark.parametrize(
    "anchor",
    [
        FRIENDS,
        'https://other.name:8443/resource-lists/users/sip%3Aann%40example.com/index/~~/resource-lists/list[@name="friends"]',
        FRIENDS.replace("/index", "\n   /index"),
        f"{HOME}/index/~~/resource-lists/list%5B1%5D",
        f"{HOME}/index/~~/r:resource-lists/r:list%5B1%5D?xmlns(r=urn:ietf:params:xml:ns:resource-lists)",
        f"{HOME}/index/~~/resource-lists",
        f"{HOME}/index/~~/resource-lists/list/entry",
    ],
)
def test_a_list_is_found_by_whatever_name_the_server_is_reached(anchor: str) -> None:
    """RFC 4826 §3.1: folded or not, percent-encoded or not."""
    assert members(friends(entry("bob")), anchor) == Members(people("bob"))


@pytest.mark.parametrize(
    "content", [None, document(""), document('<list name="enemies"><entry uri="sip:e@x"/></list>')]
)
def test_a_list_that_was_not_made_yet_is_empty(content: bytes | None) -> None:
    assert members(content) == Members()


@pytest.mark.parametrize(
    "anchor",
    [
        "",
        "friends",
        "ftp://xcap.example.com/resource-lists/users/sip:ann@example.com/index/~~/resource-lists/list",
        FRIENDS.replace("ann", "dan"),
        FRIENDS.replace("users/sip:ann@example.com", "global"),
        FRIENDS.replace("resource-lists/users", "rls-services/users"),
        f"{HOME}/index",
        f"{HOME}/index/~~/resource-lists/list/@name",
        f"{HOME}/index/~~/x:resource-lists",
        f"{HOME}/index/~~/id('a')",
        f"{HOME}/../index/~~/resource-lists",
    ],
)
def test_what_is_no_list_of_the_owner_is_out_of_reach(anchor: str) -> None:
    """Lists of others are not the owner's to read (RFC 4826 §3.4.7)."""
    assert members(friends(entry("bob")), anchor) == OUT_OF_REACH


def test_documents_are_asked_for_as_references_lead_to_them() -> None:
    """RFC 4826 §3.1: <external> in one document, <entry-ref> in the next."""
    contents = {
        "index": friends(f'{entry("bob")}<external anchor="{HOME}/other/~~/resource-lists/list%5B1%5D"/>'),
        "other": document(
            f"<list>{entry('carol')}<entry-ref ref='resource-lists/users/sip:ann@example.com/third/~~/resource-lists"
            "/list/entry%5B@uri=%22sip:dave@example.com%22%5D'/></list>"
        ),
        "third": document(f"<list>{entry('eve')}{entry('dave')}</list>"),
    }
    given: dict[str, bytes | None] = {}
    asked: list[set[str]] = []
    while (resolution := resolve([FRIENDS], ANN, given)).missing:
        asked.append(set(resolution.missing))
        given.update({name: contents[name] for name in resolution.missing})
    assert asked == [{"index"}, {"other"}, {"third"}]
    assert resolution.lists == {FRIENDS: Members(people("bob", "carol", "dave"))}


def test_a_reference_out_of_reach_leaves_the_list_incomplete() -> None:
    abroad = '<external anchor="http://elsewhere.example/lists/~~/all"/>'
    assert members(friends(f"{abroad}{entry('bob')}")) == Members(people("bob"), complete=False)
    absolute = friends(f'<entry-ref ref="{FRIENDS}"/>')
    assert members(absolute) == OUT_OF_REACH, "an entry-ref is a relative path (RFC 4826 §3.1)"


def test_lists_that_refer_to_each_other_are_walked_once() -> None:
    here, there = (f"{HOME}/{name}/~~/resource-lists/list%5B@name=%22friends%22%5D" for name in ("index", "other"))
    loop = friends(f'{entry("bob")}<external anchor="{there}"/><external anchor="{here}"/>')
    back = friends(f'{entry("carol")}<external anchor="{here}"/>')
    assert members(loop, other=back) == Members(people("bob", "carol"))


def test_only_so_many_documents_are_read() -> None:
    anchors = [f"{HOME}/d{number:02}/~~/resource-lists" for number in range(MOST_DOCUMENTS + 3)]
    first = resolve(anchors, ANN, {})
    assert len(first.missing) == MOST_DOCUMENTS
    everything: Mapping[str, bytes | None] = {name: friends(entry("bob")) for name in first.missing}
    second = resolve(anchors, ANN, everything)
    assert not second.missing
    assert [second.lists[anchor].complete for anchor in anchors] == [True] * MOST_DOCUMENTS + [False] * 3


def test_only_so_many_references_are_followed() -> None:
    refs = "".join(f'<external anchor="{HOME}/index/~~/resource-lists/list%5B2%5D?n({n})"/>' for n in range(300))
    found = members(document(f'<list name="friends">{refs}</list><list>{entry("bob")}</list>'))
    assert found == Members(people("bob"), complete=False)
    anchors = [f"{FRIENDS}?n({number:03})" for number in range(MOST_REFERENCES + 1)]
    lists_ = resolve(anchors, ANN, {"index": friends(entry("bob"))}).lists
    assert [each.complete for each in lists_.values()] == [True] * MOST_REFERENCES + [False]


def test_only_so_many_entries_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MOST_STEPS", 3)
    found = members(friends("".join(map(entry, ["a", "b", "c"]))))
    assert not found.complete
    assert len(found.identities) == 2
    assert members(friends("".join(map(entry, ["a", "b"])))).complete


def test_rules_without_lists_need_no_documents() -> None:
    assert resolve([], ANN, {}) == Resolution({}, frozenset())
