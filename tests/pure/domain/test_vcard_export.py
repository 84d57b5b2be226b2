"""xCards written as text/vcard 4.0 (RFC 6350, RFC 6351 §6)."""

from __future__ import annotations

import pytest

from abserver.domain.vcard import import_vcard
from abserver.domain.vcard_text import export_vcard


def exported(properties: str) -> list[str]:
    """The lines between VERSION and END, unfolded."""
    document = f'<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0" xmlns:x="urn:x"><vcard>{properties}</vcard></vcards>'
    text = export_vcard(document.encode()).decode()
    assert text.startswith("BEGIN:VCARD\r\nVERSION:4.0\r\n")
    assert text.endswith("END:VCARD\r\n")
    return text.replace("\r\n ", "").split("\r\n")[2:-2]


def with_parameter(parameter: str) -> str:
    return f"<note><parameters>{parameter}</parameters><text>1</text></note>"


def test_the_example_of_rfc_6351_section_6() -> None:
    properties = (
        "<fn><text>J. Doe</text></fn><n><surname>Doe</surname><given>J.</given><additional/><prefix/><suffix/></n>"
        "<x-file><parameters><mediatype><text>image/jpeg</text></mediatype></parameters><unknown>alien.jpg</unknown>"
        '</x-file><a xmlns="http://www.w3.org/1999/xhtml" href="http://www.example.com">My web page!</a>'
    )
    assert exported(properties) == [
        "FN:J. Doe",
        "N:Doe;J.;;;",
        "X-FILE;MEDIATYPE=image/jpeg:alien.jpg",
        'XML:<a xmlns="http://www.w3.org/1999/xhtml" href="http://www.example.com">My web page!</a>',
    ]


@pytest.mark.parametrize(
    ("element", "line"),
    [
        ("<tel><uri>tel:+1</uri></tel>", "TEL;VALUE=uri:tel:+1"),
        ("<tel><text>+1</text></tel>", "TEL:+1"),
        ("<url><uri> http://a.example/?b,c;d </uri></url>", "URL:http://a.example/?b,c;d"),
        ("<bday><date>19800203</date></bday>", "BDAY:19800203"),
        ("<bday><time>1022</time></bday>", "BDAY:T1022"),
        ("<bday><text>circa 1800</text></bday>", "BDAY;VALUE=text:circa 1800"),
        ("<x-a><time>1022</time></x-a>", "X-A;VALUE=time:1022"),
        ("<x-a><text>b</text><text>c,</text></x-a>", "X-A;VALUE=text:b,c\\,"),
        ("<x-a><unknown>b\\,c</unknown></x-a>", "X-A:b\\,c"),
        ("<note><text>a,b;c\\d&#13;&#10;e&#13;f</text></note>", "NOTE:a\\,b;c\\\\d\\ne\\nf"),
        ("<org><text>a;b</text><text>c,d</text></org>", "ORG:a\\;b;c\\,d"),
        ("<nickname><text>a,b</text><text>c;d</text></nickname>", "NICKNAME:a\\,b,c;d"),
        ("<n><given>A</given><given>B;C</given></n>", "N:;A,B\\;C;;;"),
        ("<n><surname>L</surname><generation>Jr.</generation></n>", "N:L;;;;;;Jr."),
        ("<gender><sex/><identity>x</identity></gender>", "GENDER:;x"),
        (with_parameter("<type><text>work</text><text>cell</text></type>"), "NOTE;TYPE=work,cell:1"),
        (with_parameter("<x-level><text>friends</text></x-level>"), "NOTE;X-LEVEL=friends:1"),
        ('<group name="a"><note><text>1</text></note></group>', "a.NOTE:1"),
        ('<group name="a b"><note><text>1</text></note></group>', "NOTE:1"),
        ("<group><note><text>1</text></note></group>", "NOTE:1"),
        ('<group name="a"><x:p/></group>', 'a.XML:<p xmlns="urn:x"/>'),
        ("<note x:a='1'><x:b/><text>1</text></note>", "NOTE:1"),
    ],
)
def test_an_element_becomes_a_line(element: str, line: str) -> None:
    assert exported(element) == [line]


@pytest.mark.parametrize(
    "element",
    [
        "<note/>",
        "<note><x:text>1</x:text></note>",
        "<note><parameters/></note>",
        "<begin><text>VCARD</text></begin>",
        "<end><text>VCARD</text></end>",
        "<version><text>3.0</text></version>",
        "<xml><text>1</text></xml>",
        "<parameters><text>1</text></parameters>",
        "<né><text>1</text></né>",
        "<a.b><text>1</text></a.b>",
    ],
)
def test_what_text_cannot_say_is_left_out(element: str) -> None:
    assert exported(element) == []


@pytest.mark.parametrize(
    "parameter", ["<value><text>uri</text></value>", "<x:p><text>1</text></x:p>", "<p/>", "<p.q><text/></p.q>"]
)
def test_parameters_that_text_cannot_say_are_left_out(parameter: str) -> None:
    assert exported(with_parameter(parameter)) == ["NOTE:1"]


@pytest.mark.parametrize("kind", ["text", "uri", "unknown", "x-own"])
def test_no_value_can_end_its_line(kind: str) -> None:
    lines = exported(f"<x-a><{kind}>1&#10;END:VCARD&#13;2</{kind}></x-a>")
    assert len(lines) == 1
    assert exported("<note><parameters><x-a><text>1&#10;2&#13;3</text></x-a></parameters><text>4</text></note>") == [
        "NOTE;X-A=1^n23:4"
    ]


def test_several_cards_are_written_one_after_the_other() -> None:
    card = "<vcard><fn><text>A</text></fn></vcard>"
    text = export_vcard(f'<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0">{card}{card}</vcards>'.encode())
    assert len(import_vcard(text)) == 2
