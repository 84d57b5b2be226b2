"""Which changes are worth a notification."""

from __future__ import annotations

import pytest

from abserver.events.filters import MOST_WORK, WATCHERS, due, is_due
from tests.support.filters import criteria, include, view

FN = "<fn><text>Ann</text></fn>"
OTHER = {"vc": "urn:ietf:params:xml:ns:vcard-4.0", "m": "urn:mine"}


def tel(number: str, kind: str = "work") -> str:
    return f"<tel><parameters><type><text>{kind}</text></type></parameters><uri>tel:{number}</uri></tel>"


def mine(value: str, more: str = "") -> str:
    return f'<mine xmlns="urn:mine"{more}>{value}</mine>'


def happens(trigger: str, old: str, new: str) -> bool:
    """Whether a change of the card from these properties to those satisfies a trigger."""
    found = criteria(f"<trigger>{trigger}</trigger>", OTHER)
    return is_due(view(FN + old), view(FN + new), found)


A, B, C = tel("+1"), tel("+2"), tel("+3")
ADDED, REMOVED, CHANGED = (f"<{name}>//vc:tel</{name}>" for name in ("added", "removed", "changed"))


@pytest.mark.parametrize(
    ("old", "new", "happened"),
    [
        ("", "", ()),
        (A, A, ()),
        ("", A, (ADDED,)),
        (A, "", (REMOVED,)),
        (A, B, (CHANGED,)),
        (A, tel("+1", "home"), (CHANGED,)),
        (A + B, B + A, ()),  # an entry that moves is no change
        (B, A + B, (ADDED,)),  # nor is one before which another is put
        (A + B, B, (REMOVED,)),
        (A + A, A, (REMOVED,)),
        (A, A + A, (ADDED,)),
        (A + B, A + C, (CHANGED,)),
        (A + B, C + A, (CHANGED,)),
        (A + B, C, (CHANGED, REMOVED)),
        (A, B + C, (ADDED, CHANGED)),
        (A + B, A + f'<group name="g">{B}</group>', (ADDED, REMOVED)),
        (A, A + "<note><text>x</text></note>", ()),
    ],
)
def test_instances_are_found_again_rfc4661_3_6(old: str, new: str, happened: tuple[str, ...]) -> None:
    for trigger in (ADDED, REMOVED, CHANGED):
        assert happens(trigger, old, new) is (trigger in happened), trigger


def test_all_that_a_trigger_names_has_to_happen_and_one_trigger_is_enough_rfc4661_3_6() -> None:
    both = criteria(f"<trigger>{CHANGED}{REMOVED}</trigger>")
    either = criteria(f"<trigger>{REMOVED}</trigger><trigger>{ADDED}</trigger>")
    assert is_due(view(A + B), view(C), both)
    assert not is_due(view(A + B), view(A), both)
    assert is_due(view(A), view(A + B), either)
    assert is_due(view(A), view(""), either)
    assert not is_due(view(A), view(B), either)


def test_without_triggers_every_change_counts_rfc4660_5_3() -> None:
    assert is_due(view(A), view(B), criteria(include("//vc:email")))


def test_a_change_from_what_is_not_known_counts() -> None:
    assert is_due(None, view(A), criteria(f"<trigger>{REMOVED}</trigger>"))


URI = "//vc:tel/vc:uri"


@pytest.mark.parametrize(
    ("limits", "old", "new", "satisfied"),
    [
        ("", "+1", "+2", True),
        ("", "+1", "+1", False),
        ('from="tel:+1"', "+1", "+2", True),
        ('from="tel:+1"', "+2", "+1", False),
        ('to="tel:+2"', "+1", "+2", True),
        ('to="tel:+2"', "+2", "+2", False),
        ('to="tel:+2"', "+2", "+1", False),
        ('from="tel:+1" to="tel:+2"', "+1", "+2", True),
        ('from="tel:+1" to="tel:+2"', "+3", "+2", False),
        ('from="tel:+1" to="tel:+2"', "+1", "+3", False),
        ('from="tel:+1" to="tel:+1"', "+1", "+1", False),
        ('by="1"', "+1", "+9", False),
    ],
)
def test_from_and_to_say_which_change_counts_rfc4661_3_6_1(limits: str, old: str, new: str, satisfied: bool) -> None:
    assert happens(f"<changed {limits}>{URI}</changed>", tel(old), tel(new)) is satisfied


@pytest.mark.parametrize(
    ("limits", "old", "new", "satisfied"),
    [
        ('by="2"', "6", "7", False),
        ('by="2"', "6", "8", True),
        ('by="2"', "6", "9.5", True),
        ('by="2"', "6", "4", True),
        ('by="2"', "6", "5", False),
        ('by="0"', "6", "6.0", False),
        ('by="2" from="6"', "6", "8", True),
        ('by="2" from="6.0"', "6", "8", True),
        ('by="2" from="6"', "5", "8", False),
        ('by="2" to="8"', "6", "8.0", True),
        ('by="2" to="8"', "6", "9", False),
        ('by="2"', "six", "8", False),
        ('by="2"', "6", "eight", False),
    ],
)
def test_by_says_how_far_a_number_moves_rfc4661_3_6_1_3(limits: str, old: str, new: str, satisfied: bool) -> None:
    assert happens(f"<changed {limits}>//m:mine</changed>", mine(old), mine(new)) is satisfied


def test_values_are_compared_as_what_they_are_rfc4661_3_6_1() -> None:
    def pref(text: str, kind: str = "integer") -> str:
        return f"<note><parameters><pref><{kind}>{text}</{kind}></pref></parameters><text>x</text></note>"

    assert not happens("<changed>//vc:integer</changed>", pref("1"), pref("01"))
    assert not happens("<changed>//vc:note</changed>", pref("1"), pref("+1"))
    assert happens("<changed>//vc:integer</changed>", pref("1"), pref("2"))
    assert happens('<changed to="02">//vc:integer</changed>', pref("1"), pref("2"))
    assert happens("<changed>//vc:integer</changed>", pref("x"), pref("y"))
    assert not happens("<changed>//vc:float</changed>", pref("1.50", "float"), pref("15e-1", "float"))
    assert not happens("<changed>//vc:boolean</changed>", pref("1", "boolean"), pref("true", "boolean"))
    assert happens("<changed>//vc:text</changed>", "<note><text>1</text></note>", "<note><text>01</text></note>")


def test_attributes_change_come_and_go_rfc4661_3_6() -> None:
    one, two, none = mine("v", ' a="1"'), mine("v", ' a="2"'), mine("v")
    assert happens("<changed>//m:mine/@a</changed>", one, two)
    assert not happens("<changed>//m:mine/@a</changed>", one, one)
    assert not happens("<changed>//m:mine/@a</changed>", none, one)
    assert not happens("<changed>//m:mine/@a</changed>", "", one)
    assert happens("<added>//m:mine/@a</added>", none, one)
    assert happens("<added>//@a</added>", "", one)
    assert not happens("<added>//m:mine/@a</added>", one, two)
    assert happens("<removed>//m:mine/@a</removed>", one, none)


def test_without_limits_a_change_anywhere_within_counts() -> None:
    assert happens("<changed>//vc:vcard</changed>", A, B)
    assert happens("<changed>//vc:vcard</changed>", A, "")
    assert not happens("<changed>//vc:vcard</changed>", A, A)
    assert happens("<changed>//m:mine</changed>", mine("a<b/>c"), mine("a<b/>d"))


def test_a_limit_is_about_the_text_of_the_element() -> None:
    old, new = "<note><text>x</text></note>", "<note><text>y</text></note>"
    assert happens('<changed from="x">//vc:note</changed>', old, new)


def test_documents_of_different_kinds_have_nothing_in_common() -> None:
    found = criteria("<trigger><added>/b</added><removed>/a</removed></trigger>")
    assert due(b"<a/>", b"<b/>", found, WATCHERS)


def test_a_trigger_that_costs_too_much_lets_changes_pass() -> None:
    found = criteria("<trigger>" + "<added>//vc:email</added>" * 40 + "</trigger>")
    many = view(A * 400)
    assert MOST_WORK < 40 * 2 * 400 * 20
    assert is_due(many, view(A * 401), found)
    assert not is_due(view(A), view(B), found)


# -- watcher information --------------------------------------------------------------------------------------------

WI = "urn:ietf:params:xml:ns:watcherinfo"


def watchers(*rows: tuple[str, str]) -> bytes:
    inside = "".join(f'<watcher id="{id}" status="{status}" event="subscribe">sip:x@y</watcher>' for id, status in rows)
    return (
        f'<watcherinfo xmlns="{WI}" version="0" state="full"><watcher-list resource="sip:a@b" package="contact-card">'
        f"{inside}</watcher-list></watcherinfo>"
    ).encode()


@pytest.mark.parametrize(
    ("old", "new", "satisfied"),
    [
        ([("a", "active"), ("b", "pending")], [("b", "active"), ("a", "active")], True),
        ([("a", "active"), ("b", "pending")], [("b", "pending"), ("a", "active")], False),
        ([("a", "pending")], [("b", "active")], False),
        ([], [("b", "active")], False),
        ([("a", "active")], [("a", "pending")], False),
    ],
)
def test_watchers_are_known_by_their_id_rfc3858_4_2(
    old: list[tuple[str, str]], new: list[tuple[str, str]], satisfied: bool
) -> None:
    found = criteria('<trigger><changed to="active">//wi:watcher/@status</changed></trigger>', {"wi": WI})
    assert due(watchers(*old), watchers(*new), found, WATCHERS) is satisfied
