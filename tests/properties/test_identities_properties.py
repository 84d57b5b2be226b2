"""Addresses: whatever they are and however they are written, one user has one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from abserver.domain.identity import Aor, Identities, InvalidAor, parse_aor

DOMAINS = ("example.com", "example.org")
DIGITS = st.text("0123456789", min_size=1, max_size=6)
NUMBERS = st.one_of(
    DIGITS.map(lambda digits: f"+{digits}"),
    st.builds("+{};ext={}".format, DIGITS, DIGITS),
    st.builds("{};phone-context={}".format, DIGITS, st.sampled_from((*DOMAINS, "elsewhere.net", "+49"))),
)
USERS = st.builds("sip:{}@{}".format, st.sampled_from(["ann", "bob", "7"]), st.sampled_from(DOMAINS)).map(parse_aor)
ADDRESSES = st.one_of(
    NUMBERS.map(lambda number: f"tel:{number}"),
    st.builds("sip:{}@{};user=phone".format, NUMBERS, st.sampled_from((*DOMAINS, "elsewhere.net"))),
    USERS,
).map(parse_aor)


@st.composite
def identities(draw: st.DrawFn) -> Identities:
    users = draw(st.lists(USERS, max_size=3))
    aliases = draw(st.lists(ADDRESSES.filter(lambda each: each not in users), max_size=4 if users else 0, unique=True))
    owners = [draw(st.sampled_from(users)) for _ in aliases]
    domain = draw(st.sampled_from((None, *DOMAINS)))
    return Identities(dict(zip(aliases, owners, strict=True)), domains=DOMAINS, phone_domain=domain)


@given(identities(), ADDRESSES)
def test_the_one_address_of_a_user_leads_to_itself(known: Identities, address: Aor) -> None:
    user = known.canonical(address)
    assert known.canonical(user) == user
    assert known.xui(user) == user


@given(identities(), NUMBERS, st.sampled_from(DOMAINS), st.sampled_from("-.()"))
def test_a_number_and_its_form_in_our_domains_are_one_user_where_numbers_are_users(
    known: Identities, number: str, domain: str, separator: str
) -> None:
    """RFC 3261 §19.1.6, RFC 3966 §4."""
    spread = number[0] + separator + number[1:]
    assert known.canonical(f"tel:{spread}") == known.canonical(f"TEL:{number}")
    form, other = (known.canonical(f"sip:{spread}@{each};user=phone") for each in (domain, domain.upper()))
    assert form == other


@given(st.text(max_size=40) | st.from_regex(r"(?i)tel:[0-9a-f+.()*#;=-]{0,30}"))
def test_the_normal_form_of_any_text_is_its_own_or_there_is_none(text: str) -> None:
    try:
        aor = parse_aor(text)
    except InvalidAor:
        return
    assert parse_aor(aor) == aor
