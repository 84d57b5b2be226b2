"""RFC 4661: the examples of §6, and of §3 and §5, applied to the documents that they are about.

Those about presence are applied to PIDF documents as such: a shape that needs nothing shows what the expressions do.
"""

from __future__ import annotations

import pytest

from abserver.events.filters import XCARD, BadFilter, Criteria, Shape, due, filters_of, read_change, select
from abserver.events.filters.shapes import Needs
from tests.support.filters import ANN, VC, criteria, filter_set, include, one, sets

ANYTHING = Shape(lambda root: Needs())
PIDF = {"pidf": "urn:ietf:params:xml:ns:pidf", "rpid": "urn:ietf:params:xml:ns:pidf:rpid"}


def pidf(*tuples: str) -> bytes:
    return f'<presence xmlns="{PIDF["pidf"]}" entity="sip:presentity@example.com">{"".join(tuples)}</presence>'.encode()


def a_tuple(id: str, basic: str, kind: str) -> str:
    return (
        f'<tuple id="{id}"><status><basic>{basic}</basic></status><class xmlns="{PIDF["rpid"]}">{kind}</class>'
        f"<contact>im:{id}@example.com</contact></tuple>"
    )


def applied(asked: Criteria, content: bytes) -> str:
    return select(content, asked, ANYTHING).decode()


def test_content_by_a_condition_rfc4661_6_1() -> None:
    asked = criteria(
        '<what><include type="xpath">\n /pidf:presence/pidf:tuple[rpid:class="IM" or rpid:class="SMS"\n'
        ' or rpid:class="MMS"]/pidf:status/pidf:basic\n </include></what>',
        PIDF,
    )
    found = applied(asked, pidf(a_tuple("a", "open", "IM"), a_tuple("b", "open", "voice")))
    assert found == f'<presence xmlns="{PIDF["pidf"]}"><tuple><status><basic>open</basic></status></tuple></presence>'


def test_a_trigger_for_a_change_of_value_rfc4661_6_2() -> None:
    """With the values in lower case, as PIDF has them."""
    asked = criteria(
        '<trigger><changed from="closed" to="open">\n'
        "/pidf:presence/pidf:tuple/pidf:status/pidf:basic\n</changed></trigger>",
        PIDF,
    )
    closed, opened = pidf(a_tuple("a", "closed", "IM")), pidf(a_tuple("a", "open", "IM"))
    assert due(closed, opened, asked, ANYTHING)
    assert not due(opened, closed, asked, ANYTHING)
    assert not due(closed, pidf(a_tuple("a", "closed", "SMS")), asked, ANYTHING)
    assert applied(asked, opened) == opened.decode()


def test_what_and_triggers_together_rfc4661_6_3() -> None:
    wi = "urn:ietf:params:xml:ns:watcherinfo"
    asked = criteria(
        '<what><include>/wi:watcherinfo/wi:watcher-list/wi:watcher[@status="pending"\n'
        'or @status="waiting"]</include></what>'
        '<trigger><changed to="pending">/wi:watcherinfo/wi:watcher-list/wi:watcher/@status</changed></trigger>'
        '<trigger><changed to="waiting">/wi:watcherinfo/wi:watcher-list/wi:watcher/@status</changed></trigger>',
        {"wi": wi},
    )

    def watcherinfo(status: str) -> bytes:
        rows = f'<watcher status="active">sip:a@x</watcher><watcher status="{status}">sip:b@x</watcher>'
        return f'<watcherinfo xmlns="{wi}"><watcher-list>{rows}</watcher-list></watcherinfo>'.encode()

    assert due(watcherinfo("pending"), watcherinfo("waiting"), asked, ANYTHING)
    assert due(watcherinfo("active"), watcherinfo("pending"), asked, ANYTHING)
    assert not due(watcherinfo("pending"), watcherinfo("active"), asked, ANYTHING)
    shown = watcherinfo("waiting").replace(b'<watcher status="active">sip:a@x</watcher>', b"")
    assert applied(asked, watcherinfo("waiting")) == shown.decode()


def test_content_by_namespace_rfc4661_6_4() -> None:
    asked = criteria(f'<what><include type="namespace">\n  {PIDF["pidf"]}\n</include></what>', {})
    found = applied(asked, pidf(a_tuple("a", "open", "IM")))
    assert found == pidf(a_tuple("a", "open", "IM")).decode().replace(f'<class xmlns="{PIDF["rpid"]}">IM</class>', "")


def test_content_by_includes_only_rfc4661_6_5() -> None:
    asked = criteria(
        '<what><include>/pidf:presence/pidf:tuple/\npidf:status[game-ext:label="game-X"]</include></what>',
        {"pidf": PIDF["pidf"], "game-ext": "urn:ietf:params:xml:ns:game-ext"},
    )
    game = '<status><label xmlns="urn:ietf:params:xml:ns:game-ext">game-X</label></status>'
    found = applied(asked, pidf(f"<tuple>{game}</tuple>", "<tuple><status/></tuple>"))
    assert found == f'<presence xmlns="{PIDF["pidf"]}"><tuple>{game}</tuple></presence>'


def test_two_filters_of_which_one_is_for_us_rfc4661_6_6() -> None:
    other = one(include('/vc:vcards/vc:vcard/vc:tel[vc:uri="x"]'), 'id="8439" uri="sip:buddies@example.com"')
    mine = one(
        f'<what><include type="namespace">{VC}</include><exclude>/vc:vcards/vc:vcard/vc:note</exclude></what>',
        'id="999" uri="sip:ann@example.com"',
    )
    found = sets(filter_set(other, mine)).criteria_for(ANN)
    assert found is not None
    card = f'<vcards xmlns="{VC}"><vcard><fn><text>A</text></fn><note><text>n</text></note></vcard></vcards>'
    assert select(card.encode(), found, XCARD).decode() == card.replace("<note><text>n</text></note>", "")


def test_an_element_that_is_included_comes_with_its_ancestors_rfc4661_3_5_1() -> None:
    asked = criteria(include("/p:presence/p:tuple/p:status/p:basic"), {"p": PIDF["pidf"]})
    assert applied(asked, pidf(a_tuple("a", "open", "IM"))).count("<") == 8


def test_an_attribute_that_is_included_comes_with_its_element_rfc4661_3_5_1() -> None:
    asked = criteria(include("//p:tuple/@id"), {"p": PIDF["pidf"]})
    assert applied(asked, pidf(a_tuple("a", "open", "IM"))) == (
        f'<presence xmlns="{PIDF["pidf"]}"><tuple id="a"/></presence>'
    )


def test_names_without_prefix_are_in_no_namespace_rfc4661_5() -> None:
    asked = criteria(include("/presence/tuple"), {})
    assert applied(asked, pidf(a_tuple("a", "open", "IM"))) == f'<presence xmlns="{PIDF["pidf"]}"/>'
    assert applied(asked, b"<presence><tuple/><x/></presence>") == "<presence><tuple/></presence>"


def test_the_previous_document_is_the_one_before_filtering_rfc4661_3_6_1() -> None:
    """A change that <what> does not show still activates the trigger."""
    asked = criteria(include("//p:contact") + "<trigger><changed>//p:basic</changed></trigger>", {"p": PIDF["pidf"]})
    old, new = pidf(a_tuple("a", "closed", "IM")), pidf(a_tuple("a", "open", "IM"))
    assert applied(asked, old) == applied(asked, new)
    assert due(old, new, asked, ANYTHING)


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1"])
def test_documents_are_utf_8_rfc4661_3(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + filter_set(one(include("//vc:tel"))).decode()
    with pytest.raises(BadFilter):
        read_change(text.encode(encoding))


def test_an_attribute_of_remove_or_enabled_defaults_as_the_schema_says_rfc4661_7() -> None:
    plain = read_change(filter_set(one(include("//vc:tel"))))
    spelled = read_change(filter_set(one(include("//vc:tel"), 'id="1" remove="false" enabled="true"')))
    assert plain == spelled
    assert filters_of(sets(filter_set(one(include("//vc:tel")))).to_xml()).filters[0].enabled
