"""What a SUBSCRIBE to `xcap-diff` asks for: its list, the resources that the list selects, its parameter."""

from __future__ import annotations

import pytest

from abserver.domain.usages import OURS, shared_cards
from abserver.events.xcap_diff.lists import MAX_ENTRIES, InvalidList, TooManyEntries, read_list
from abserver.events.xcap_diff.package import PACKAGE, processing_of, xcap_diff
from abserver.events.xcap_diff.selections import Catalog, Root, Selections
from xcap.core.usage import Usages
from xcap.core.usages import STANDARD
from xcap.core.xcapdiff import Processing
from xcap.ports import DocumentKey

JOE, SUE = "sip:joe@example.com", "sip:sue@example.com"
LISTS, SERVICES = "resource-lists", "rls-services"
INDEX = DocumentKey(LISTS, JOE, "index")
ROOT = Root("http://xcap.example.com/root")
USAGES = Usages([*STANDARD, *OURS], {"lists": LISTS})
CATALOG = Catalog(USAGES, lambda key: shared_cards.canonical(USAGES.canonical(key)), ROOT)


def resource_lists(*uris: str, more: str = "") -> bytes:
    entries = "".join(f'<entry uri="{uri}"/>' for uri in uris)
    return (
        f'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>{entries}{more}</list></resource-lists>'
    ).encode()


def select(*uris: str, user: str = JOE) -> Selections:
    return CATALOG.select(uris, user)


# -- the list -------------------------------------------------------------------------------------------------------


def test_the_uris_of_all_entries_are_read_in_their_order_and_each_once() -> None:
    assert read_list(resource_lists("b", "a", " b\n", "c/")) == ("b", "a", "c/")
    two = b'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list><entry uri="a"/></list><list/>'
    assert read_list(two + b'<list><entry uri="b"/></list></resource-lists>') == ("a", "b")


def test_rfc5875_4_4_elements_and_attributes_that_are_not_understood_are_ignored() -> None:
    """ "If the SUBSCRIBE body contains elements or attributes that the notifier doesn't understand, the notifier MUST
    ignore them." """
    more = (
        '<list><entry uri="nested"/></list><entry-ref ref="elsewhere"/><x:entry xmlns:x="urn:x" uri="not-ours"/>'
        '<entry uri="known" x:also="1" xmlns:x="urn:x"><display-name>Joe</display-name></entry>'
    )
    assert read_list(resource_lists("first", more=more)) == ("first", "known")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no xml",
        b'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">',
        b"<resource-lists/>",
        b'<entry xmlns="urn:ietf:params:xml:ns:resource-lists" uri="a"/>',
        '<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16"),
        b'<!DOCTYPE a [<!ENTITY b "c">]><resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>',
    ],
)
def test_what_is_no_resource_list_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidList):
        read_list(body)


def test_rfc5875_7_a_list_has_a_bound() -> None:
    """ "The following can cause denial of service [...]: subscriptions to a long list of URIs"."""
    uris = [f"u{n}" for n in range(MAX_ENTRIES)]
    assert read_list(resource_lists(*uris)) == tuple(uris)
    with pytest.raises(TooManyEntries):
        read_list(resource_lists(*uris, "one-more"))
    with pytest.raises(TooManyEntries):
        read_list(b"<a>" * 100 + b"</a>" * 100)


# -- the package ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("processing", Processing)
def test_rfc5875_4_3_the_three_modes_are_understood(processing: Processing) -> None:
    assert processing_of(processing.value) is processing
    assert processing_of(processing.value.upper()) is processing, "tokens compare without case"


@pytest.mark.parametrize("wish", [None, "", "some-day"])
def test_rfc5875_4_3_without_a_mode_that_is_known_it_is_no_patching(wish: str | None) -> None:
    """ "If the subscription does not contain the "diff-processing" header field parameter, the notifier MUST default to
    the "no-patching" mode." """
    assert processing_of(wish) is Processing.NO_PATCHING


def test_rfc5875_4_the_package_has_the_names_and_numbers_of_the_rfc() -> None:
    """§4.2, §4.4, §4.5, §4.6, §4.10."""
    assert PACKAGE.name == "xcap-diff"
    assert PACKAGE.granted(None) == 3600
    assert PACKAGE.body_types == ("application/xcap-diff+xml",)
    assert PACKAGE.subscribe_types == ("application/resource-lists+xml",)
    assert PACKAGE.pace == 5
    assert PACKAGE.limits.max_rate == 1 / 5
    assert xcap_diff(pace=0).limits.max_rate > 1 / 5


# -- the root -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "relative"),
    [
        ("resource-lists/users/x/index", "resource-lists/users/x/index"),
        ("http://xcap.example.com/root/resource-lists/", "resource-lists/"),
        ("HTTP://XCAP.Example.Com/root/a", "a"),
        ("/root/a/b", "a/b"),
        ("/a/b", "a/b"),
        ("/", ""),
        ("http://xcap.example.com/root/", ""),
        ("https://xcap.example.com/root/a", None),
        ("http://elsewhere.example.com/root/a", None),
        ("http://xcap.example.com/other/a", None),
        ("http://xcap.example.com/rooted/a", None),
    ],
)
def test_rfc5875_4_4_uris_are_resolved_against_the_xcap_root(uri: str, relative: str | None) -> None:
    """ "the notifier MUST know how to resolve these against the correct XCAP Root URI value." """
    assert ROOT.relative(uri) == relative


def test_the_root_itself_is_absolute_and_ends_with_a_slash() -> None:
    assert ROOT.uri == "http://xcap.example.com/root/"
    assert Root("https://xcap.example.com").uri == "https://xcap.example.com/"
    assert Root("https://xcap.example.com").relative("https://xcap.example.com/a") == "a"
    with pytest.raises(ValueError, match="absolute"):
        Root("/xcap-root")


# -- selections -----------------------------------------------------------------------------------------------------


def test_documents_are_selected_by_any_spelling_and_told_of_by_the_first() -> None:
    first = "resource-lists/users/sip%3Ajoe%40example.com/index"
    selections = select(first, f"resource-lists/users/{JOE}/index", "http://xcap.example.com/root/" + first)
    assert selections.documents == {INDEX: first}
    assert selections.selector(INDEX) == first
    assert selections.concern(INDEX)
    assert not selections.concern(DocumentKey(LISTS, JOE, "other"))
    assert selections.selector(DocumentKey(LISTS, JOE, "other")) is None


def test_rfc5875_4_6_a_selector_is_octet_for_octet_what_was_subscribed_to() -> None:
    for uri in (f"http://xcap.example.com/root/resource-lists/users/{JOE}/index", "/resource-lists/global/index"):
        assert list(select(uri).documents.values()) == [uri]
    component = f"rls-services/users/{JOE}/index/~~/*/service%5b@uri='sip:marketing@example.com'%5d"
    assert [each.selector for each in select(component).components] == [component]


def test_other_names_of_a_usage_and_of_a_document_select_the_same() -> None:
    assert list(select("lists/global/index").documents) == [DocumentKey(LISTS, None, "index")]
    named = DocumentKey(shared_cards.AUID, JOE, SUE)
    for name in (SUE, "SIP:sue@EXAMPLE.com", "sips:sue@example.com;transport=tcp"):
        assert list(select(f"{shared_cards.AUID}/users/{JOE}/{name}").documents) == [named]
    assert list(select(f"{shared_cards.AUID}/users/{JOE}/nobody").documents) == [
        DocumentKey(shared_cards.AUID, JOE, "nobody")
    ]


def test_rfc5875_4_6_unprefixed_names_are_of_the_default_document_namespace() -> None:
    """ "notifiers MUST be aware of XCAP Default Document Namespaces for Application Usages"."""
    [component] = select(f"rls-services/users/{JOE}/index/~~/rls-services/service").components
    assert component.node.steps[0].name == "urn:ietf:params:xml:ns:rls-services\x01rls-services"
    prefixed = f"rls-services/users/{JOE}/index/~~/a:b?xmlns(a=urn:a)"
    [component] = select(prefixed).components
    assert component.node.steps[0].name == "urn:a\x01b"


def test_rfc5875_4_7_no_component_is_selected_twice() -> None:
    """ "the notifier SHOULD NOT provide overlapping similar responses for these resources." """
    place = f"rls-services/users/{JOE}/index/~~/"
    same = [place + "*/service%5b1%5d/@uri", place + "*/service[1]/@uri", "/" + place + "*/service[1]/@uri"]
    selections = select(*same, place + "*/service[1]", place + "*/service[2]/@uri")
    assert [each.selector for each in selections.components] == [
        same[0],
        *(place + e for e in ("*/service[1]", "*/service[2]/@uri")),
    ]
    assert selections.concern(DocumentKey(SERVICES, JOE, "index"))
    assert selections.selector(DocumentKey(SERVICES, JOE, "index")) is None
    assert selections.trees == {(SERVICES, JOE)}


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "resource-lists",
        "resource-lists/users",
        "no-such-usage/users/joe/index",
        "no-such-usage/",
        "no-such-usage/users/joe/index/~~/a",
        f"resource-lists/users/{JOE}/index/~~",
        f"resource-lists/users/{JOE}/index/~~/unbound:a",
        f"resource-lists/users/{JOE}/index/~~/a/namespace::*",
        f"resource-lists/users/{JOE}/index/~~/id(a)",
        "resource-lists/users/%ff/index",
        "resource-lists/users/%zz/index",
        "http://elsewhere.example.com/root/resource-lists/",
        "mailto:joe@example.com",
    ],
)
def test_what_can_be_no_resource_here_selects_nothing_and_is_no_error(uri: str) -> None:
    selections = select(uri)
    assert (selections.documents, selections.components, selections.collections) == ({}, (), ())
    assert selections.trees == frozenset()


@pytest.mark.parametrize(
    ("uri", "inside", "outside"),
    [
        ("resource-lists/users/{joe}/", [(JOE, "index"), (JOE, "a/b/c")], [(SUE, "index"), (None, "index")]),
        ("resource-lists/users/{joe}/a/", [(JOE, "a/x"), (JOE, "a/b/c")], [(JOE, "index"), (JOE, "ab/c")]),
        ("resource-lists/global/", [(None, "index")], [(JOE, "index")]),
        ("resource-lists/global/a/", [(None, "a/x")], [(None, "index")]),
        ("resource-lists/users/", [(JOE, "index")], [(None, "index"), (SUE, "index")]),
        ("resource-lists/", [(JOE, "index"), (None, "index")], [(SUE, "index")]),
        ("/", [(JOE, "index"), (None, "index")], [(SUE, "index")]),
        ("resource-lists/users/{sue}/", [(SUE, "index")], [(JOE, "index")]),
        ("resource-lists/elsewhere/", [], [(JOE, "index"), (None, "index")]),
    ],
)
def test_rfc5875_4_1_a_collection_has_all_documents_below_it(
    uri: str, inside: list[tuple[str | None, str]], outside: list[tuple[str | None, str]]
) -> None:
    """ "A collection selection includes all documents in that collection and recursively all documents in
    sub-collections." """
    selections = select(uri.format(joe=JOE, sue=SUE))
    for user, name in inside:
        assert selections.concern(DocumentKey(LISTS, user, name))
        assert selections.selector(DocumentKey(LISTS, user, name)) is not None
        assert (LISTS, user) in selections.trees
    for user, name in outside:
        assert not selections.concern(DocumentKey(LISTS, user, name))
    if uri != "/":
        assert not selections.concern(DocumentKey(SERVICES, JOE, "index"))


@pytest.mark.parametrize(
    ("uri", "selector"),
    [
        (f"resource-lists/users/{JOE}/", f"resource-lists/users/{JOE}/a/b%20c"),
        ("resource-lists/users/sip%3Ajoe%40example.com/", "resource-lists/users/sip%3Ajoe%40example.com/a/b%20c"),
        (f"resource-lists/users/{JOE}/a/", f"resource-lists/users/{JOE}/a/b%20c"),
        ("resource-lists/users/", f"resource-lists/users/{JOE}/a/b%20c"),
        ("resource-lists/", f"resource-lists/users/{JOE}/a/b%20c"),
        ("http://xcap.example.com/root/", f"resource-lists/users/{JOE}/a/b%20c"),
        (f"/root/resource-lists/users/{JOE}/", f"resource-lists/users/{JOE}/a/b%20c"),
        ("lists/users/", f"lists/users/{JOE}/a/b%20c"),
    ],
)
def test_documents_of_a_collection_continue_its_uri(uri: str, selector: str) -> None:
    assert select(uri).selector(DocumentKey(LISTS, JOE, "a/b c")) == selector


def test_a_collection_of_a_name_that_hides_a_folder_has_that_folder() -> None:
    usage = next(usage for usage in STANDARD if any(usage.aliases.values()))
    alias, folder = next((name, folder) for name, folder in usage.aliases.items() if folder)
    inside, outside = DocumentKey(usage.auid, JOE, f"{folder}/face"), DocumentKey(usage.auid, JOE, "other/face")
    for uri in (f"{alias}/", f"{alias}/users/", f"{alias}/users/{JOE}/"):
        selections = select(uri)
        assert selections.concern(inside)
        assert not selections.concern(outside)
        assert selections.selector(inside) == f"{alias}/users/{JOE}/face"


def test_a_collection_of_another_address_of_a_user_has_the_documents_of_the_user() -> None:
    usages = Usages(STANDARD, known_as=lambda xui: JOE if xui == "tel:+15550100" else xui)
    selections = Catalog(usages, usages.canonical, ROOT).select(
        ["resource-lists/users/tel%3A%2B15550100/", "rls-services/users/tel:+15550100/index"], JOE
    )
    assert selections.selector(INDEX) == "resource-lists/users/tel%3A%2B15550100/index"
    assert selections.selector(DocumentKey(SERVICES, JOE, "index")) == "rls-services/users/tel:+15550100/index"


def test_rfc5875_4_7_a_document_of_its_own_and_of_a_collection_is_told_of_by_its_own_uri() -> None:
    own = f"http://xcap.example.com/root/resource-lists/users/{JOE}/index"
    selections = select(f"resource-lists/users/{JOE}/", own)
    assert selections.selector(INDEX) == own
    assert selections.selector(DocumentKey(LISTS, JOE, "other")) == f"resource-lists/users/{JOE}/other"


def test_rfc5875_4_7_the_order_of_the_uris_does_not_matter_for_what_is_selected() -> None:
    """ "it is RECOMMENDED that the notifier does not consider the order of these URIs"."""
    assert select("a/", "b/").name == select("b/", "a/").name != select("a/").name


def test_without_a_list_it_is_about_the_documents_of_the_user() -> None:
    selections = CATALOG.everything_of(JOE)
    assert {user for _, user in selections.trees} == {JOE}
    assert {auid for auid, _ in selections.trees} == {usage.auid for usage in USAGES}
    assert selections.selector(INDEX) == f"resource-lists/users/{JOE}/index"
    assert not selections.concern(DocumentKey(LISTS, None, "index"))
