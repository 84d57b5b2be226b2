"""Address data as phones and mail programs export it, made into xCards (RFC 2426, RFC 6350, RFC 6351 §6)."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from abserver.domain.contentline import VcardError
from abserver.domain.usages import CONTACT_CARD
from abserver.domain.vcard import LARGEST, import_vcard
from abserver.domain.vcard_text import export_vcard

DATA = Path(__file__).parents[2] / "data" / "vcards"
GOOD = ["android", "iphone", "outlook", "rfc6350", "thunderbird", "two-people"]


def vcf(*lines: str, version: str = "3.0") -> bytes:
    return "\r\n".join(["BEGIN:VCARD", f"VERSION:{version}", "FN:Ann", *lines, "END:VCARD", ""]).encode()


def imported(*lines: str, version: str = "3.0") -> str:
    """The properties behind <fn>."""
    (card,) = import_vcard(vcf(*lines, version=version))
    head = '<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0"><vcard><fn><text>Ann</text></fn>'
    assert card.decode().startswith(head)
    return card.decode().removeprefix(head).removesuffix("</vcard></vcards>")


def element(name: str, value: str, **parameters: str) -> str:
    written = "".join(f"<{parameter}>{values}</{parameter}>" for parameter, values in parameters.items())
    return f"<{name}><parameters>{written}</parameters>{value}</{name}>"


def sample(name: str) -> str:
    (card,) = import_vcard((DATA / f"{name}.vcf").read_bytes())
    return card.decode()


# Whole files


@pytest.mark.parametrize("name", GOOD)
def test_exported_address_data_makes_valid_cards(name: str) -> None:
    for card in import_vcard((DATA / f"{name}.vcf").read_bytes()):
        assert CONTACT_CARD.validate(card) is not None


@pytest.mark.parametrize("name", GOOD)
def test_exported_address_data_survives_being_written_as_text(name: str) -> None:
    for card in import_vcard((DATA / f"{name}.vcf").read_bytes()):
        assert import_vcard(export_vcard(card)) == [card]


@pytest.mark.parametrize("name", GOOD)
def test_line_ends_do_not_matter(name: str) -> None:
    content = (DATA / f"{name}.vcf").read_bytes()
    unix = content.replace(b"\r\n", b"\n")
    assert import_vcard(unix) == import_vcard(unix.replace(b"\n", b"\r\n")) == import_vcard(b"\xef\xbb\xbf" + content)


def test_what_an_iphone_exports() -> None:
    card = sample("iphone")
    assert (
        '<group name="item1"><email><text>lilo@segeln.example</text></email>'
        "<x-ablabel><unknown>Segelverein</unknown></x-ablabel></group>"
    ) in card
    assert "<unknown>_$!&lt;Anniversary&gt;!$_</unknown>" in card
    assert "<bday><date>--0314</date></bday>" in card
    assert "<street>Am alten Kran 7\nHinterhof, 2. OG</street>" in card
    assert "Mag Tee; keinen Kaffee.\nSchlüssel liegt bei Frau Öztürk, Nr. 9. Diese Zeile" in card
    photo = card.partition("data:image/jpeg;base64,")[2].partition("<")[0]
    assert base64.b64decode(photo).startswith(b"\xff\xd8\xff")
    assert base64.b64decode(photo).endswith(b"\xff\xd9")


def test_what_an_android_phone_exports() -> None:
    card = sample("android")
    assert "<fn><text>Tomás Ó Briain 🌊</text></fn>" in card
    assert (
        "<tel><parameters><pref><integer>1</integer></pref><type><text>cell</text></type></parameters>"
        "<text>+353-85-555-0142</text></tel>"
    ) in card
    assert "<unknown>vnd.android.cursor.item/nickname;Tommo;1;;;;;;;;;;;;;</unknown>" in card
    assert "<bday><date>--1130</date></bday>" in card
    assert "<photo><uri>data:image/png;base64,iVBOR" in card


def test_what_outlook_exports() -> None:
    card = sample("outlook")
    assert "<language><language-tag>fr-ca</language-tag></language>" in card
    assert "<street>88, rang des Érables</street>" in card
    assert "<unknown>Bureau 3\\n88\\, rang des Érables\\nSaint-Rond QC  G0A 0A0\\nCanada</unknown>" in card
    assert "<x-ms-cardpicture><parameters><type><text>png</text></type></parameters><uri>data:image/png;base64," in card
    assert "<uri>http://www.lacrond.example/equipe</uri>" in card
    assert "<geo><uri>geo:46.9087,-71.2104</uri></geo>" in card
    assert "<tz><utc-offset>-0500</utc-offset></tz>" in card
    assert "<rev><timestamp>20240311T143000Z</timestamp></rev>" in card


def test_what_thunderbird_exports() -> None:
    card = sample("thunderbird")
    assert "<nickname><text>Pri</text><text>PR</text></nickname>" in card
    assert "<label><text>Kiln &amp; Co.\n12 Potters Lane, Chennai</text></label>" in card
    assert "<org><text>Kiln &amp; Co.</text><text>Glazes</text><text>Reds</text></org>" in card
    assert "<uri>tel:+91-98-5550-0189</uri>" in card
    assert "<uid><text>0c4f4a57-1d0b-4b5a-8a55-6c2f7d3b9e10</text></uid>" in card
    assert "<x-custom1><text>Kiln temperature 1240 °C</text></x-custom1>" in card


def test_what_the_standards_allow() -> None:
    """RFC 6350, 6474, 6715, 8605, 9554."""
    card = sample("rfc6350")
    assert "<sort-as><text>Dlamini</text><text>Nomvula</text></sort-as>" in card
    assert "<additional>Thandi</additional><additional>Grace</additional>" in card
    assert "<suffix>M.Sc.</suffix><suffix>Ph.D.</suffix></n>" in card
    assert "<gender><sex>F</sex><identity>she/her</identity></gender>" in card
    assert "<type><text>work</text><text>voice</text></type></parameters><uri>tel:+27-31-555-0160;ext=12</uri>" in card
    assert "<pid><text>4.1</text><text>5.1</text></pid>" in card
    assert "<clientpidmap><sourceid>1</sourceid><uri>urn:uuid:53e374d9-337e-4727-8803-a1e9c14e0556</uri>" in card
    assert "<floor/><streetnumber>3</streetnumber><streetname>Observatory Road</streetname></adr>" in card
    assert "<text>Institute of Geodesy; South</text><text>Height Systems</text>" in card
    assert "<categories><text>geodesy</text><text>rowing, coxed</text></categories>" in card
    assert (
        '<x-param><unknown>a;b:c,d ^ "e"\nf</unknown></x-param></parameters><unknown>raw\\,value\\;kept</unknown>'
        in card
    )
    assert '<group name="garden"><note><parameters><x-level><text>friends</text></x-level></parameters>' in card
    assert '<mood xmlns="urn:example:mood" scale="5">calm &amp; curious</mood>' in card


def test_a_file_may_hold_several_people() -> None:
    first, second = import_vcard((DATA / "two-people.vcf").read_bytes())
    assert b"Iker Castellanos" in first
    assert "<fn><text>Yuki 谷口</text></fn><email>".encode() in second


# Refusals of a file


def test_vcard_2_1_is_refused_with_what_to_do() -> None:
    with pytest.raises(VcardError) as refusal:
        import_vcard((DATA / "old-nokia-2.1.vcf").read_bytes())
    assert str(refusal.value) == (
        "line 2 (VERSION): vCard 2.1 is not supported: export the contact as vCard 3.0 or 4.0"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "there is no vCard in the file"),
        (b"FN:Ann\n", "line 1: BEGIN:VCARD is missing"),
        (b"END:VCARD\n", "line 1: BEGIN:VCARD is missing"),
        (b"BEGIN:VCARD\nVERSION:3.0\nFN:A\n", "line 1: the vCard is not closed"),
        (b"BEGIN:VCARD\nVERSION:3.0\nFN:A\nBEGIN:VCARD\n", "line 4: the vCard above is not closed"),
        (b"BEGIN:VCARD\nFN:A\nEND:VCARD\n", r"line 1 \(VERSION\): the version of the vCard is not known"),
        (b"BEGIN:VCARD\nVERSION:5.0\nFN:A\nEND:VCARD\n", r"line 2 \(VERSION\): the version of the vCard is not known"),
        (b"BEGIN:VCARD\nVERSION:3.0\nN:A;B\nFN: \nEND:VCARD\n", r"line 1 \(FN\): every vCard needs a name"),
        ("BEGIN:VCARD".encode("utf-16"), "UTF-16: save it again as UTF-8"),
        (b"x" * (LARGEST + 1), "larger than 4 MiB"),
    ],
)
def test_what_is_no_vcard_file_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(VcardError, match=message):
        import_vcard(content)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("NOTE;CHARSET=ISO-8859-1:x", r"line 4 \(NOTE\): only UTF-8 is taken"),
        ("NOTE;ENCODING=QUOTED-PRINTABLE:x", r"line 4 \(NOTE\): quoted-printable belongs to vCard 2.1"),
        ("NOTE;QUOTED-PRINTABLE:x", r"line 4 \(NOTE\): quoted-printable"),
        ("NOTE:bell\x07", r"line 4 \(NOTE\): there is a control character"),
        ("NOTE;X-A=\x00:x", r"line 4 \(NOTE\): there is a control character"),
        ("PHOTO;ENCODING=b:not base64!", r"line 4 \(PHOTO\): the value is not base64"),
        ("TEL;PREF=0:1", r"line 4 \(TEL\): PREF must be a number from 1"),
        ("TEL;PREF=101:1", "PREF must be"),
        ("1A:x", r"line 4 \(1A\): a property name must begin with a letter"),
        ("TEL;1A=x:1", r"line 4 \(TEL\): a parameter name must begin with a letter"),
        ("XML:<a", r"line 4 \(XML\): the value must be one XML element"),
        ("XML:<a/>", r"line 4 \(XML\): the element must be of a namespace of its own"),
        ("no property", "line 4"),
    ],
)
def test_a_property_that_cannot_be_taken_is_named(line: str, message: str) -> None:
    with pytest.raises(VcardError, match=message):
        import_vcard(vcf(line))


# Properties


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "TEL;TYPE=CELL,pref:+1 555",
            element("tel", "<text>+1 555</text>", pref="<integer>1</integer>", type="<text>cell</text>"),
        ),
        ("TEL;TYPE=pref;PREF=2:1", element("tel", "<text>1</text>", pref="<integer>2</integer>")),
        ("TEL;TYPE=work;TYPE=WORK:1", element("tel", "<text>1</text>", type="<text>work</text>")),
        ("EMAIL;TYPE=INTERNET:a@b", "<email><text>a@b</text></email>"),
        ("TEL;TYPE=internet:1", element("tel", "<text>1</text>", type="<text>internet</text>")),
        ("TEL;VALUE=phone-number:1", "<tel><text>1</text></tel>"),
        ("NOTE;CHARSET=utf-8:ä", "<note><text>ä</text></note>"),
        ("N:Lee;Ann", "<n><surname>Lee</surname><given>Ann</given><additional/><prefix/><suffix/></n>"),
        ("GENDER:", "<gender><sex/></gender>"),
        ("GENDER:;it's, well; complicated", "<gender><sex/><identity>it's, well; complicated</identity></gender>"),
        ("GENDER:F", "<gender><sex>F</sex></gender>"),
        ("X-A:a\\,b;c", "<x-a><unknown>a\\,b;c</unknown></x-a>"),
        ("X-A;VALUE=uri:urn:x", "<x-a><uri>urn:x</uri></x-a>"),
        ("X-A;VALUE=x-own:b", "<x-a><unknown>b</unknown></x-a>"),
        ("X-A;VALUE=date:2020-01-02", "<x-a><date>20200102</date></x-a>"),
        ("URL;TYPE=:http://a.example/?a,b", "<url><uri>http://a.example/?a,b</uri></url>"),
        ("UID:abc", "<uid><text>abc</text></uid>"),
        ("UID:urn:uuid:1", "<uid><uri>urn:uuid:1</uri></uid>"),
        ("GEO:geo:1,2", "<geo><uri>geo:1,2</uri></geo>"),
        ("GEO:1.5;-2", "<geo><uri>geo:1.5,-2</uri></geo>"),
        ("TZ:+0100", "<tz><utc-offset>+0100</utc-offset></tz>"),
        ("TZ:Europe/Paris", "<tz><text>Europe/Paris</text></tz>"),
        ("REV:2020-01-02", "<rev><timestamp>20200102T000000Z</timestamp></rev>"),
        ("REV:2020-01-02T03:04:05.678+01:00", "<rev><timestamp>20200102T030405+0100</timestamp></rev>"),
        ("REV:20200102T03Z", "<rev><timestamp>20200102T030000Z</timestamp></rev>"),
        ("REV:yesterday", "<rev><text>yesterday</text></rev>"),
        ("item_1.NOTE:x", '<group name="item-1"><note><text>x</text></note></group>'),
    ],
)
def test_a_property_becomes_an_element(line: str, expected: str) -> None:
    assert imported(line) == expected


@pytest.mark.parametrize(
    ("value", "element"),
    [
        ("1980-02-03", "<date>19800203</date>"),
        ("19800203", "<date>19800203</date>"),
        ("1980-02", "<date>1980-02</date>"),
        ("1980", "<date>1980</date>"),
        ("--02-03", "<date>--0203</date>"),
        ("--02", "<date>--02</date>"),
        ("---03", "<date>---03</date>"),
        ("T10:22", "<time>1022</time>"),
        ("T--22Z", "<time>--22Z</time>"),
        ("1980-02-03T10:22:00Z", "<date-time>19800203T102200Z</date-time>"),
        ("--0203T10-0500", "<date-time>--0203T10-0500</date-time>"),
        ("circa 1800", "<text>circa 1800</text>"),
        ("10:22", "<text>10:22</text>"),
    ],
)
def test_a_birthday_is_whatever_is_known_of_it(value: str, element: str) -> None:
    """RFC 6350 §4.3, §6.2.5."""
    assert imported(f"BDAY:{value}", version="4.0") == f"<bday>{element}</bday>"


def test_a_birthday_may_be_text_by_declaration() -> None:
    assert imported("BDAY;VALUE=text:19800203", version="4.0") == "<bday><text>19800203</text></bday>"


def test_a_year_that_stands_for_none_is_left_out() -> None:
    assert imported("BDAY;X-APPLE-OMIT-YEAR=1604:1604-05-06") == "<bday><date>--0506</date></bday>"
    assert imported("BDAY;X-APPLE-OMIT-YEAR=1604:1980-05-06") == "<bday><date>19800506</date></bday>"


JPEG = base64.b64encode(b"\xff\xd8\xff\xe0").decode()
GIF = base64.b64encode(b"GIF89a").decode()
LINK = "<uri>http://a.example/b</uri>"
OTHER = base64.b64encode(b"\x00\x01").decode()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"PHOTO;ENCODING=b;TYPE=JPEG:{JPEG}", f"<photo><uri>data:image/jpeg;base64,{JPEG}</uri></photo>"),
        (f"PHOTO;TYPE=JPG;ENCODING=BASE64:{JPEG}", f"<photo><uri>data:image/jpeg;base64,{JPEG}</uri></photo>"),
        (f"PHOTO;BASE64;PNG:{JPEG}", f"<photo><uri>data:image/png;base64,{JPEG}</uri></photo>"),
        (f"PHOTO;ENCODING=B:{GIF[:4]} {GIF[4:]}", f"<photo><uri>data:image/gif;base64,{GIF}</uri></photo>"),
        (f"LOGO;ENCODING=b;TYPE=image/webp:{OTHER}", f"<logo><uri>data:image/webp;base64,{OTHER}</uri></logo>"),
        (f"SOUND;ENCODING=b;TYPE=WAVE:{OTHER}", f"<sound><uri>data:audio/wav;base64,{OTHER}</uri></sound>"),
        (f"KEY;ENCODING=b;TYPE=X509:{OTHER}", f"<key><uri>data:application/pkix-cert;base64,{OTHER}</uri></key>"),
        (f"X-A;ENCODING=b:{OTHER}", f"<x-a><uri>data:application/octet-stream;base64,{OTHER}</uri></x-a>"),
        ("PHOTO;VALUE=uri;TYPE=GIF:http://a.example/b", element("photo", LINK, mediatype="<text>image/gif</text>")),
        ("PHOTO;TYPE=home:http://a.example/b", element("photo", LINK, type="<text>home</text>")),
        (
            "PHOTO;MEDIATYPE=image/gif;TYPE=PNG:http://a.example/b",
            element("photo", LINK, mediatype="<text>image/gif</text>"),
        ),
        ("KEY;TYPE=PGP:A1B2", element("key", "<text>A1B2</text>", mediatype="<text>application/pgp-keys</text>")),
        ("PHOTO;TYPE=JPEG:data:image/png;base64,AA==", "<photo><uri>data:image/png;base64,AA==</uri></photo>"),
    ],
)
def test_embedded_and_linked_media(line: str, expected: str) -> None:
    """RFC 2426 §3.1.4 as RFC 6350 §6.2.4 wants it."""
    assert imported(line) == expected


def test_what_is_embedded_the_old_way_in_a_new_vcard_is_understood() -> None:
    assert imported(f"PHOTO;ENCODING=b:{GIF}", version="4.0") == (
        f"<photo><uri>data:image/gif;base64,{GIF}</uri></photo>"
    )
    assert imported("PHOTO;TYPE=cell:http://a.example/b", version="4.0") == element(
        "photo", LINK, type="<text>cell</text>"
    )


def test_neighbours_of_a_group_stand_together() -> None:
    assert imported("a.NOTE:1", "a.NOTE:2", "NOTE:3", "b.NOTE:4", "a.NOTE:5") == (
        '<group name="a"><note><text>1</text></note><note><text>2</text></note></group><note><text>3</text></note>'
        '<group name="b"><note><text>4</text></note></group><group name="a"><note><text>5</text></note></group>'
    )
