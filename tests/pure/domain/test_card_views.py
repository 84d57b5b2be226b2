"""Cards taken apart into items, and the views that grants make of them."""

from __future__ import annotations

import pytest

from abserver.domain.card import Card, Item, Run, parse_card
from abserver.domain.identity import Owner, parse_aor
from abserver.domain.rules import EVERYTHING, NOTHING, Grant, Provided
from abserver.domain.trees import InvalidDocument
from abserver.domain.view import View, text_of, view_of

OWNER = Owner(parse_aor("sip:ann@example.org"))
PUBLIC = Grant(frozenset({"public"}))
FRIENDS = Grant(frozenset({"public", "friends"}))


def xcard(properties: str) -> bytes:
    return f'<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0"><vcard>{properties}</vcard></vcards>'.encode()


def level(*names: str) -> str:
    return f"<x-level>{''.join(f'<text>{name}</text>' for name in names)}</x-level>"


def shown(card: bytes, grant: Grant) -> str:
    return view_of(card, grant, OWNER).content.decode()


NAME = "<fn><text>Ann</text></fn>"
TEL = "<tel><parameters><type><text>work</text></type></parameters><uri>tel:+1</uri></tel>"
FRIENDS_TEL = f"<tel><parameters>{level('friends')}<type><text>work</text></type></parameters><uri>tel:+1</uri></tel>"


def test_a_card_is_its_items_in_document_order() -> None:
    card = parse_card(
        xcard(f'{NAME}<group name="g"><TEL/></group><tel><parameters>{level("A", " b ")}</parameters></tel>')
    )
    assert card == Card(
        (
            Run(None, (Item("fn", None, frozenset(), NAME),)),
            Run("g", (Item("TEL", None, frozenset(), "<TEL/>"),)),
            Run(None, (Item("tel", frozenset({"a", "b"}), frozenset(), "<tel/>"),)),
        )
    )
    assert [item.name for item in card.items()] == ["fn", "TEL", "tel"]


def test_types_are_read_in_lower_case() -> None:
    (item,) = parse_card(
        xcard("<tel><parameters><type><text>Work</text><text> </text></type><pref/></parameters></tel>")
    ).items()
    assert item.types == {"work"}


def test_the_text_around_a_removed_parameter_stays() -> None:
    parameters = f'<parameters xmlns="urn:ietf:params:xml:ns:vcard-4.0">{level("public")}</parameters>'
    card = xcard(f'<p xmlns="urn:x"><b/>one{parameters}two</p><q xmlns="urn:x">three{parameters}four</q>')
    assert '<p xmlns="urn:x"><b/>onetwo</p><q xmlns="urn:x">threefour</q>' in shown(card, PUBLIC)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<vcards/>", "document element"),
        (b'<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0"/>', "holds 0"),
        (xcard("</vcard><vcard>"), "holds 2"),
        (b"<vcards>", "not well-formed"),
    ],
)
def test_what_is_no_contact_card_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(InvalidDocument, match=message):
        parse_card(content)


def test_an_item_is_seen_by_those_who_have_its_level() -> None:
    card = xcard(NAME + FRIENDS_TEL)
    assert "tel:+1" in shown(card, FRIENDS)
    assert "tel:+1" not in shown(card, PUBLIC)


def test_an_item_of_two_levels_is_seen_by_each_of_them() -> None:
    card = xcard(f"<tel><parameters>{level('family', 'friends')}</parameters><uri>tel:+1</uri></tel>")
    assert "tel:+1" in shown(card, FRIENDS)
    assert "tel:+1" in shown(card, Grant(frozenset({"family"})))
    assert "tel:+1" not in shown(card, PUBLIC)


def test_levels_compare_without_case() -> None:
    assert "tel:+1" in shown(xcard(f"<tel><parameters>{level('FRIENDS')}</parameters><uri>tel:+1</uri></tel>"), FRIENDS)


def test_an_item_with_an_empty_level_is_seen_by_no_level() -> None:
    card = xcard("<fn><parameters><x-level/></parameters><text>Ann</text></fn>")
    assert "Ann" not in shown(card, Grant(frozenset({"public", "private", ""})))
    assert "Ann" in shown(card, EVERYTHING)


def test_items_without_level_have_the_default_of_their_property() -> None:
    card = xcard(f"{NAME}<n><surname>Lee</surname></n><gender><sex>F</sex></gender>{TEL}")
    assert shown(card, PUBLIC).count("<fn>") == 1
    assert "Lee" in shown(card, PUBLIC)
    assert "<sex>" in shown(card, PUBLIC)
    assert "tel:+1" not in shown(card, PUBLIC)
    assert "tel:+1" in shown(card, Grant(frozenset({"private"})))


def test_defaults_are_configurable() -> None:
    card = xcard(NAME + TEL)
    content = view_of(card, PUBLIC, OWNER, {"tel": "public"}).content.decode()
    assert "tel:+1" in content
    assert "Ann" not in content


def test_a_property_of_another_namespace_has_no_default_of_ours() -> None:
    assert "hello" not in shown(xcard('<fn xmlns="urn:x">hello</fn>'), PUBLIC)


@pytest.mark.parametrize(
    ("provided", "seen"),
    [
        (Provided("tel"), True),
        (Provided("tel", "work"), True),
        (Provided("tel", "home"), False),
        (Provided("email"), False),
    ],
)
def test_a_property_can_be_given_by_name_and_type_whatever_its_level(provided: Provided, seen: bool) -> None:
    grant = Grant(frozenset({"public"}), frozenset({provided}))
    assert ("tel:+1" in shown(xcard(NAME + TEL), grant)) is seen


def test_everything_is_everything_but_levels() -> None:
    content = shown(xcard(NAME + FRIENDS_TEL), EVERYTHING)
    assert content == xcard(NAME + TEL).decode()


def test_levels_never_leave_however_they_are_written() -> None:
    card = xcard(
        '<tel><parameters><X-LEVEL><text>friends</text></X-LEVEL></parameters><e:parameters xmlns:e="urn:x"/></tel>'
        '<p:tel xmlns:p="urn:ietf:params:xml:ns:vcard-4.0"><p:parameters><p:x-level><p:text>friends</p:text>'
        "</p:x-level></p:parameters></p:tel>"
    )
    content = shown(card, EVERYTHING)
    assert "level" not in content.lower()
    assert "friends" not in content


def test_groups_stay_around_their_visible_items_and_vanish_without_them() -> None:
    card = xcard(
        f'{NAME}<group name="a">{TEL}</group><group name="b">{FRIENDS_TEL}{TEL}</group>'
        f'<group name="c">{FRIENDS_TEL}</group>'
    )
    assert shown(card, FRIENDS) == xcard(f'{NAME}<group name="b">{TEL}</group><group name="c">{TEL}</group>').decode()


def test_a_view_is_always_a_valid_vcard() -> None:
    """RFC 6350 §6.2.1: FN is required; where the owner shows none, the address that the watcher asked for stands in."""
    nameless = xcard("<fn><text>sip:ann@example.org</text></fn>").decode()
    assert shown(xcard(NAME), NOTHING) == nameless
    assert shown(xcard(FRIENDS_TEL), FRIENDS) == xcard("<fn><text>sip:ann@example.org</text></fn>" + TEL).decode()
    assert shown(xcard(f'<group name="g">{NAME}</group>'), PUBLIC) == xcard(f'<group name="g">{NAME}</group>').decode()


def test_no_card_looks_like_a_card_that_shows_nothing() -> None:
    assert view_of(None, FRIENDS, OWNER) == view_of(xcard(NAME + TEL), NOTHING, OWNER)


def test_a_card_can_be_parsed_once_for_many_grants() -> None:
    content = xcard(NAME + FRIENDS_TEL)
    card = parse_card(content)
    assert view_of(card, FRIENDS, OWNER) == view_of(content, FRIENDS, OWNER)


def test_equal_views_have_equal_tags_and_others_do_not() -> None:
    one = view_of(xcard(NAME + FRIENDS_TEL), PUBLIC, OWNER)
    other = view_of(xcard(f"<!-- c --> {NAME}  {TEL}"), PUBLIC, OWNER)
    assert one == other
    assert len(one.tag) == 32
    assert view_of(xcard(NAME + FRIENDS_TEL), FRIENDS, OWNER).tag != one.tag


def test_a_view_is_written_as_text_for_simple_clients() -> None:
    view = View(xcard(NAME), "")
    assert text_of(view) == b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ann\r\nEND:VCARD\r\n"
