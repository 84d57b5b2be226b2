"""RFC 3261 §25: lists, parameters, quoted strings, numbers."""

from __future__ import annotations

import pytest

from abserver.sip.errors import SipSyntaxError
from abserver.sip.grammar import (
    bare_host,
    format_params,
    is_token,
    is_uri,
    parse_number,
    parse_params,
    quote,
    split_list,
    unquote,
)


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("a", ["a"]),
        ("a, b ,\tc", ["a", "b", "c"]),
        ('"x, y" <sip:a@b>, <sip:c@d;p="q,r">', ['"x, y" <sip:a@b>', '<sip:c@d;p="q,r">']),
        ("<sip:a,b@c>,<sip:d@e>", ["<sip:a,b@c>", "<sip:d@e>"]),
        (r'"quote \", comma" <sip:a@b>, c', [r'"quote \", comma" <sip:a@b>', "c"]),
    ],
)
def test_commas_split_only_outside_of_quotes_and_brackets(text: str, elements: list[str]) -> None:
    assert split_list(text) == elements


@pytest.mark.parametrize("text", ["", ",", "a,", "a,,b", 'a, "b', "a, <b", 'a, "b\\', 'a, "b\\"'])
def test_empty_elements_and_open_shelters_are_refused(text: str) -> None:
    with pytest.raises(SipSyntaxError):
        split_list(text)


def test_a_line_of_escaped_quotes_takes_linear_time() -> None:
    """200 kB of the worst line: quadratic time would take minutes here."""
    for text in (',"' + '\\"' * 100_000, "," + "<" * 200_000, "," + '"' * 199_999):
        with pytest.raises(SipSyntaxError):
            split_list(text)
    with pytest.raises(SipSyntaxError):
        parse_params(";a" + " " * 200_000 + "?")


def test_parameters_keep_order_and_lose_case_in_names_only() -> None:
    params = parse_params(' ; Branch = z9hG4bKABC;lr;Text="a;b\\"c"')
    assert list(params.items()) == [("branch", "z9hG4bKABC"), ("lr", None), ("text", '"a;b\\"c"')]
    assert format_params(params) == ';branch=z9hG4bKABC;lr;text="a;b\\"c"'
    assert parse_params("") == {}


@pytest.mark.rfc("3261", "7.3.1", "a parameter occurs once")
@pytest.mark.parametrize("text", [";", ";;a", "a", ";a=", ";a=b c", ';a="b', ";a;A", ";a=b,c", ";ä=1"])
def test_malformed_or_repeated_parameters_are_refused(text: str) -> None:
    """§7.3.1: "any given parameter-name MUST NOT appear more than once"."""
    with pytest.raises(SipSyntaxError):
        parse_params(text)


def test_quoting_is_undone_by_unquoting() -> None:
    for text in ("", "plain", 'a "b" \\c', "Zoë"):
        assert unquote(quote(text)) == text
    assert unquote("token") == "token"
    assert unquote('"') == '"'


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "１", " 1", "4294967296", "9" * 5000])
def test_numbers_are_digits_within_bounds(text: str) -> None:
    with pytest.raises(SipSyntaxError):
        parse_number(text, 2**32 - 1)


def test_leading_zeros_do_not_make_a_number_large() -> None:
    assert parse_number("0009", 9) == 9
    assert parse_number("0" * 6000 + "9", 9) == 9


def test_shapes_of_tokens_uris_and_hosts() -> None:
    assert is_token("contact-card.winfo")
    assert not is_token("a b")
    assert is_uri("sip:alice@[::1]:5060;transport=tcp")
    assert not is_uri("alice")
    assert not is_uri("sip:a b")
    assert bare_host("[::1]") == "::1"
    assert bare_host("example.com") == "example.com"
