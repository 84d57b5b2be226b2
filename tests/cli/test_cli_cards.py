"""`abserver card …`: a card imported from what programs export, shown, and edited item by item by XCAP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abserver.cli.card_items import InvalidLine, edit_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Abserver

ALICE, BOB = "sip:alice@example.com", "sip:bob@example.com"

EXPORTED = """BEGIN:VCARD
VERSION:3.0
FN:Alice Beispiel
N:Beispiel;Alice;;;
TEL;TYPE=WORK;X-LEVEL=friends:+49 30 1
TEL;TYPE=HOME:+49 30 2
TEL;TYPE=HOME:+49 30 3
item1.EMAIL;TYPE=INTERNET:alice@example.com
item1.X-ABLABEL:school
END:VCARD
"""


@pytest.fixture
def imported(served: Abserver) -> Abserver:
    """The running server, where alice has the exported card."""
    ran = served("card", "import", "-", ALICE, stdin=EXPORTED)
    assert ran.code == 0, ran.err
    return served


def _lines(abserver: Abserver) -> list[str]:
    return abserver("card", "show", ALICE).out.splitlines()[2:-1]


def test_an_exported_card_is_imported_and_shown_with_its_levels(imported: Abserver) -> None:
    assert _lines(imported) == [
        "FN:Alice Beispiel",
        "N:Beispiel;Alice;;;",
        "TEL;X-LEVEL=friends;TYPE=work:+49 30 1",
        "TEL;TYPE=home:+49 30 2",
        "TEL;TYPE=home:+49 30 3",
        "item1.EMAIL:alice@example.com",
        "item1.X-ABLABEL:school",
    ]


def test_a_file_is_imported_in_place_of_the_card_before(imported: Abserver, tmp_path: Path) -> None:
    file = tmp_path / "alice.vcf"
    file.write_text("BEGIN:VCARD\nVERSION:4.0\nFN:A. B.\nEND:VCARD\n")
    assert imported("card", "import", str(file), ALICE).out == f"card of {ALICE} replaced: 1 items\n"
    assert _lines(imported) == ["FN:A. B."]


def test_the_document_itself_can_be_shown(imported: Abserver) -> None:
    shown = imported("card", "show", ALICE, "--xml").out
    assert shown.startswith('<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0"><vcard><fn>')


def test_an_item_is_changed_and_keeps_its_level(imported: Abserver) -> None:
    ran = imported("card", "set", ALICE, "TEL;TYPE=work:+49 30 11")
    assert (ran.code, ran.out) == (0, "changed TEL;TYPE=work (vcards/vcard/tel[1])\n")
    assert "TEL;TYPE=work;X-LEVEL=friends:+49 30 11" in _lines(imported)


def test_an_items_level_is_changed_by_naming_one(imported: Abserver) -> None:
    imported("card", "set", ALICE, "TEL;TYPE=work;X-LEVEL=public:+49 30 1")
    assert "TEL;X-LEVEL=public;TYPE=work:+49 30 1" in _lines(imported)


def test_an_item_that_is_not_there_is_added_behind_its_like(imported: Abserver) -> None:
    ran = imported("card", "set", ALICE, "TEL;TYPE=cell;X-LEVEL=friends:tel:+49-170-1")
    assert (ran.code, ran.out) == (0, "added TEL;TYPE=cell (vcards/vcard/tel[4])\n")
    assert _lines(imported)[5] == "TEL;X-LEVEL=friends;TYPE=cell:tel:+49-170-1"


def test_an_item_of_a_new_name_is_added(imported: Abserver) -> None:
    assert imported("card", "set", ALICE, "NOTE:back on Monday").out == "added NOTE (vcards/vcard/note[1])\n"
    assert "NOTE:back on Monday" in _lines(imported)


def test_one_of_several_is_named_by_its_number(imported: Abserver) -> None:
    several = imported("card", "set", ALICE, "TEL;TYPE=home:+49 30 33")
    assert several.code == 1
    assert "the card has 2 of TEL;TYPE=home" in several.err
    assert "--which N" in several.err
    assert imported("card", "set", ALICE, "TEL;TYPE=home:+49 30 33", "--which", "2").code == 0
    assert _lines(imported)[3:5] == ["TEL;TYPE=home:+49 30 2", "TEL;TYPE=home:+49 30 33"]


def test_an_item_in_a_group_is_changed_where_it_is(imported: Abserver) -> None:
    assert imported("card", "set", ALICE, "EMAIL:alice@example.org").code == 0
    assert "item1.EMAIL:alice@example.org" in _lines(imported)


def test_a_line_without_a_value_removes_the_item(imported: Abserver) -> None:
    before = _lines(imported)
    assert imported("card", "set", ALICE, "TEL;TYPE=work:").out == "removed TEL;TYPE=work (vcards/vcard)\n"
    assert _lines(imported) == before[:2] + before[3:]


def test_the_last_item_of_a_group_takes_the_group_with_it(imported: Abserver) -> None:
    for line in ("EMAIL:", "X-ABLABEL:"):
        assert imported("card", "set", ALICE, line).code == 0
    assert "group" not in imported("card", "show", ALICE, "--xml").out


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("hello", "'hello' is no line of a vCard: a colon must follow", "TEL;TYPE=home"),
        ("home.TEL:1", "a group cannot be changed by one line", "import the whole card"),
        ("TEL;TYPE=fax:", "the card has no TEL;TYPE=fax", "abserver card show"),
        ("TEL;PREF=1000:+1", "the line cannot be taken: PREF must be a number", "Mend the line"),
        ("FN:", "refused: 409 constraint-failure a vCard needs <fn>", ""),
    ],
)
def test_a_line_that_cannot_be_taken_is_said(imported: Abserver, line: str, message: str, hint: str) -> None:
    before = _lines(imported)
    ran = imported("card", "set", ALICE, line)
    assert ran.code == 1
    assert message in ran.err
    assert hint in ran.err
    assert _lines(imported) == before


def test_a_line_break_in_a_line_is_no_way_to_a_second_property() -> None:
    card = b"<vcards xmlns='urn:ietf:params:xml:ns:vcard-4.0'><vcard><fn><text>a</text></fn></vcard></vcards>"
    with pytest.raises(InvalidLine, match="line break"):
        edit_for("NOTE:one\nTEL:2", card, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("BEGIN:VCARD\nVERSION:2.1\nFN;ENCODING=QUOTED-PRINTABLE:A=20B\nEND:VCARD\n", "vCard 2.1 is not supported"),
        (EXPORTED + EXPORTED, "- holds 2 vCards, and an owner has one card"),
        ("", "there is no vCard in the file"),
    ],
)
def test_a_file_that_cannot_be_taken_changes_nothing(imported: Abserver, content: str, message: str) -> None:
    before = _lines(imported)
    ran = imported("card", "import", "-", ALICE, stdin=content)
    assert ran.code == 1
    assert message in ran.err
    assert _lines(imported) == before


def test_a_file_that_is_not_there_is_said(served: Abserver) -> None:
    ran = served("card", "import", "/nowhere/a.vcf", ALICE)
    assert ran.code == 1
    assert "/nowhere/a.vcf cannot be read: No such file or directory" in ran.err


@pytest.mark.parametrize("command", [["show", BOB], ["set", BOB, "NOTE:x"]])
def test_an_owner_without_a_card_is_told_how_to_make_one(served: Abserver, command: list[str]) -> None:
    ran = served("card", *command)
    assert ran.code == 1
    assert ran.err == f"error: {BOB} has no card yet\n  Import one: abserver card import FILE.vcf {BOB}\n"
