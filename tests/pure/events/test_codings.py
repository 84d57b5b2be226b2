"""Bodies that are packed and unpacked, within a bound."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abserver.events.codings import CODINGS, SMALLEST, BodyTooLarge, UnknownCoding, pack, unpack
from abserver.sip.errors import SipSyntaxError

BODY = b"<tel><uri>tel:+15550100</uri></tel>" * 40


@given(st.binary(max_size=2000), st.sampled_from(CODINGS), st.booleans())
def test_what_is_packed_comes_back(body: bytes, coding: str, always: bool) -> None:
    named, packed = pack(body, coding, always=always)
    assert unpack(packed, named or "identity", 2000) == body
    assert named is None or always or len(packed) < len(body)


def test_equal_bodies_are_equal_octets_whenever_they_are_packed() -> None:
    _, packed = pack(BODY, "gzip")
    assert packed[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"  # no name, no time (RFC 1952 §2.3)
    assert pack(BODY, "gzip") == ("gzip", packed)
    assert gzip.decompress(packed) == BODY


def test_deflate_has_the_zlib_frame_rfc9110_8_4_1_2() -> None:
    assert zlib.decompress(pack(BODY, "deflate")[1]) == BODY


def test_a_body_goes_as_it_is_where_packing_does_not_pay() -> None:
    assert pack(BODY, None) == (None, BODY)
    assert pack(BODY[: SMALLEST - 1], "gzip") == (None, BODY[: SMALLEST - 1])
    random = hashlib.shake_128(b"").digest(400)
    assert pack(random, "gzip") == (None, random)


def test_a_body_that_must_be_packed_is_however_small() -> None:
    assert pack(b"x", "gzip", always=True)[0] == "gzip"


def test_deflate_without_its_frame_is_read_too() -> None:
    bare = zlib.compress(BODY, wbits=-15)
    assert unpack(bare, "Deflate", 10_000) == BODY


def test_the_old_name_of_gzip_is_read_rfc9110_8_4_1_3() -> None:
    assert unpack(gzip.compress(BODY), "x-gzip", 10_000) == BODY


@pytest.mark.parametrize("coding", ["br", "gzip, deflate", "aes128gcm", "", "compress"])
def test_another_coding_is_unknown(coding: str) -> None:
    with pytest.raises(UnknownCoding):
        unpack(BODY, coding, 10_000)


@pytest.mark.parametrize("coding", ["identity", *CODINGS])
def test_the_bound_is_of_what_comes_out(coding: str) -> None:
    body = BODY if coding == "identity" else pack(BODY, coding)[1]
    assert unpack(body, coding, len(BODY)) == BODY
    with pytest.raises(BodyTooLarge):
        unpack(body, coding, len(BODY) - 1)


def test_a_bomb_costs_no_more_than_the_bound() -> None:
    bomb = gzip.compress(b"\0" * 20_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            unpack(bomb, "gzip", 8192)
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("coding", CODINGS)
def test_a_body_that_is_cut_or_goes_on_is_malformed(coding: str) -> None:
    packed = pack(BODY, coding)[1]
    for broken in (packed[:-1], packed + b"x", b"", b"x", BODY):
        with pytest.raises(SipSyntaxError):
            unpack(broken, coding, 10_000)


@given(st.binary(max_size=200), st.sampled_from(CODINGS))
def test_garbage_is_malformed_or_too_large_or_a_body(garbage: bytes, coding: str) -> None:
    with contextlib.suppress(SipSyntaxError, BodyTooLarge):
        assert len(unpack(garbage, coding, 1000)) <= 1000
