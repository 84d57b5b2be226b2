"""What a subscriber asked for, as the journal keeps it."""

from __future__ import annotations

import gc
import json
import weakref

from hypothesis import given
from hypothesis import strategies as st

from abserver.events.contact_card import VCARD, XCARD, Formats
from abserver.events.quirks import Quirks
from abserver.events.rates import NO_RATES, Rates
from abserver.events.terms import Terms

RATES = st.none() | st.decimals("0.0000000001", "99.9999999999", places=10).map(float)


@given(
    st.builds(
        Terms,
        formats=st.builds(
            Formats,
            full=st.sampled_from([XCARD, VCARD]),
            patches=st.booleans(),
            coding=st.sampled_from([None, "gzip", "deflate"]),
            always_coded=st.booleans(),
        ),
        rates=st.builds(Rates, RATES, RATES, RATES),
        body_type=st.sampled_from([None, "application/simple-filter+xml"]),
        body=st.binary(max_size=20),
        quenched=st.booleans(),
        quirks=st.sampled_from(Quirks),
        processing=st.sampled_from([None, "aggregate"]),
        identity=st.sampled_from([None, "sip:bob@example.com"]),
        charging=st.sampled_from([None, 'icid-value="Ay=02";orig-ioi=x.example']),
    )
)
def test_terms_come_back_from_the_journal_as_they_were(terms: Terms) -> None:
    assert Terms.from_json(terms.to_json()) == terms


def test_what_is_usual_is_not_written() -> None:
    assert json.loads(Terms(Formats(XCARD, patches=True)).to_json()) == {"full": XCARD, "patches": True}


def test_without_rates_there_is_one_value_for_that() -> None:
    assert Terms.from_json(Terms().to_json()).rates is NO_RATES


def test_equal_terms_are_kept_once() -> None:
    first, second = Terms(rates=Rates(0.5), body=b"filter"), Terms(rates=Rates(0.5), body=b"filter")
    assert first is not second
    assert first.shared() is second.shared()
    assert Terms.from_json(second.to_json()) is first.shared()


def test_terms_that_nobody_holds_are_not_kept() -> None:
    terms = Terms(body=b"held by this test alone").shared()
    watched = weakref.ref(terms)
    del terms
    gc.collect()
    assert watched() is None
