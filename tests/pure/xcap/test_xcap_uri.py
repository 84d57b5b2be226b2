"""XCAP URIs, beyond RFC 4825's own examples."""

from __future__ import annotations

import pytest

from xcap.core.errors import BadRequest, NotFound
from xcap.core.uri import MAX_URI_BYTES, DocumentKey, ResourceUri, normal_xui, parse, parse_bindings

INDEX = DocumentKey("resource-lists", "sip:alice@example.com", "index")


@pytest.mark.parametrize(
    "path",
    [
        b"/xcap-root/resource-lists/users/sip:alice@example.com/index",
        b"/xcap-root/resource-lists/users/sip%3Aalice%40example.com/index",
        b"/xcap-root/resource-lists/users/SIP:alice@Example.COM/index",
        b"/xcap-root//resource-lists/users/sip:alice@example.com/index",
        b"/xcap-root/resource%2dlists/users/%73ip:alice@example.com/inde%78",
    ],
)
def test_one_document_has_one_key_however_its_path_is_written(path: bytes) -> None:
    assert parse(path, b"", "/xcap-root") == ResourceUri(INDEX)


def test_the_user_part_keeps_its_case_and_an_xui_that_is_no_address_stays() -> None:
    assert normal_xui("Sip:Alice@Example.com") == "sip:Alice@example.com"
    assert normal_xui("Alice") == "Alice"
    assert normal_xui("tel:+358") == "tel:+358"


def test_an_address_without_a_scheme_is_a_sip_address() -> None:
    """As in OpenXCAP and Kamailio, whose users write `/users/alice@example.com/`."""
    assert normal_xui("Alice@Example.com") == "sip:Alice@example.com"
    assert normal_xui("@example.com") == "@example.com"


def test_folders_are_part_of_the_name() -> None:
    assert parse(b"/a/global/x/y", b"", "").key.name == "x/y"


def test_an_encoded_slash_inside_a_quoted_value_stays_inside() -> None:
    assert parse(b"/a/global/index/~~/x%5b@n=%22a%2Fb%22%5d", b"", "").node == 'x[@n="a/b"]'


@pytest.mark.parametrize("path", [b"/a/global/index~~", b"/a/global/~~index", b"/a/global/~~~"])
def test_tildes_within_a_segment_separate_nothing(path: bytes) -> None:
    assert parse(path, b"", "").node is None


@pytest.mark.parametrize(
    "path",
    [
        b"/xcap-rooting/a/global/index",
        b"/other/a/global/index",
        b"/xcap-root",
        b"xcap-root/a/global/index",
        b"/xcap-root/a/global/",
        b"/xcap-root/a/global/x//y",
        b"/xcap-root/a/global/../index",
        b"/xcap-root/a/global/%2e%2E",
        b"/xcap-root/a/global/x%2Fy",
        b"/xcap-root/a/users//index",
        b"/xcap-root/~~/a",
    ],
)
def test_what_can_be_no_document_is_not_found(path: bytes) -> None:
    with pytest.raises(NotFound):
        parse(path, b"", "/xcap-root")


@pytest.mark.parametrize(
    "path",
    [
        b"/a/global/index/~~",
        b"/a/global/index/~~/",
        b"/a/global/%zz",
        b"/a/global/%4",
        b"/a/global/%ff",
        b"/a/global/x%00",
        b"/a/global/x%0A",
        b"/a/global/index/~~/%C3",
        b"/a/global/" + b"x" * MAX_URI_BYTES,
    ],
)
def test_what_cannot_be_read_is_a_bad_request(path: bytes) -> None:
    with pytest.raises(BadRequest):
        parse(path, b"", "")


@pytest.mark.parametrize(
    ("query", "bindings"),
    [
        (b"", {}),
        (b"xmlns(a=urn:x)", {"a": "urn:x"}),
        (b"xmlns(%20a%20=%20urn:x)", None),
        (b"%20xmlns(a%20=%20urn:x)%20%20xmlns(b=urn:y)%20", {"a": "urn:x", "b": "urn:y"}),
        (b"xmlns(a=urn:x)xmlns(a=urn:y)", {"a": "urn:y"}),
        (b"xmlns(a=urn:(x))", {"a": "urn:(x)"}),
        (b"xmlns(a=urn:%5E(%5E%5E%5E))", {"a": "urn:(^)"}),
        (b"xmlns(xml=http://www.w3.org/XML/1998/namespace)", {"xml": "http://www.w3.org/XML/1998/namespace"}),
        (b"xmlns(x=http://www.w3.org/XML/1998/namespace)", None),
        (b"xmlns(xml=urn:x)", None),
        (b"xmlns(xmlns=urn:x)", None),
        (b"xmlns(a=)", None),
        (b"xmlns(=urn:x)", None),
        (b"xmlns(a:b=urn:x)", None),
        (b"xmlns(a=urn:x", None),
        (b"xmlns(a=urn:%5Ex)", None),
        (b"xmlns(a=urn:x%5E", None),
        (b"xmlns(a=urn:x))", None),
        (b"_=1", None),
        (b"xmlns(a=%FF)", None),
    ],
)
def test_the_bindings_of_a_query(query: bytes, bindings: dict[str, str] | None) -> None:
    if bindings is None:
        with pytest.raises(BadRequest):
            parse_bindings(query)
    else:
        assert parse_bindings(query) == bindings


def test_a_resource_writes_its_path() -> None:
    resource = ResourceUri(INDEX, 'a:list[@name="é/~~"]', {"a": "urn:(x)"})
    assert resource.to_path("/root/") == (
        "/root/resource-lists/users/sip:alice@example.com/index"
        "/~~/a:list%5B@name=%22%C3%A9/~~%22%5D?xmlns(a=urn:%5E(x%5E))"
    )
    assert ResourceUri(DocumentKey("a", None, "x/y")).to_path("") == "/a/global/x/y"
