"""The codec under seeded mutations: some seconds of them, `FUZZ_EXAMPLES` and `FUZZ_SEED` for more and for others."""

from __future__ import annotations

import os
import random
import sys

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from abserver.sip.codec import parse
from abserver.sip.errors import SipSyntaxError
from tests.fuzz import codec
from tests.fuzz.corpus import corpus
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import everything
from tests.fuzz.worst import LARGEST, filled

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "1500"))
SEED = int(os.environ.get("FUZZ_SEED", "4475"))


@pytest.mark.parametrize("data", corpus(), ids=lambda data: data[:24].decode(errors="replace"))
def test_every_message_of_the_corpus_is_read_alike_by_all_readers(data: bytes) -> None:
    everything(data)


@seed(SEED)
@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**64))
def test_no_mutation_harms(number: int) -> None:
    codec.attempt(number)


def test_a_seed_gives_the_same_message_again_and_different_ones_different_messages() -> None:
    assert mutated(random.Random(7)) == mutated(random.Random(7))
    assert len({mutated(random.Random(number)) for number in range(50)}) > 25


def test_the_mutations_reach_what_is_read_and_what_is_refused() -> None:
    """Else nothing would be tested: a fair part of them is still SIP, and most kinds of refusals occur."""
    reasons, messages = set(), 0
    for number in range(2000):
        try:
            parse(mutated(random.Random(number)))
            messages += 1
        except SipSyntaxError as error:
            reasons.add(error.reason)
    assert 400 < messages < 1900
    assert len(reasons) > 8


@pytest.mark.parametrize("size", [4096, LARGEST])
def test_what_is_full_of_one_thing_is_read_or_refused_like_anything_else(size: int) -> None:
    """What it costs is a row of `make bench`; a pattern that is not linear would keep this from ending."""
    for what, data in filled(size).items():
        assert len(data) == size, what
        everything(data)


def test_without_atheris_the_target_plays_the_corpus_and_mutations_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "atheris", None)
        codec.main(["-max_total_time=0.2"])
    played = int(capsys.readouterr().out.split()[3])
    assert played > len(corpus())


def test_a_failure_names_the_seed_that_brings_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "everything", lambda data: 1 / 0)
    with pytest.raises(ZeroDivisionError) as failure:
        codec.attempt(17)
    assert "seed 17" in failure.value.__notes__[0]
