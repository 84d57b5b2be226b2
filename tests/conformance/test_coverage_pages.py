"""No statement about servers is without a test, no test names one that is not there, and the pages are so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.rfc3261 import coverage as rfc3261
from tests.conformance.rfc4825 import coverage as rfc4825

if TYPE_CHECKING:
    from tests.support.statements import Coverage

RFCS = pytest.mark.parametrize("coverage", [rfc3261.COVERAGE, rfc4825.COVERAGE], ids=lambda each: each.number)


@RFCS
def test_every_statement_about_servers_has_a_test(coverage: Coverage) -> None:
    assert coverage.titles() - coverage.marks().keys() == set()


@RFCS
def test_every_mark_names_a_statement(coverage: Coverage) -> None:
    assert coverage.marks().keys() - coverage.titles() == set()


@RFCS
def test_the_committed_page_is_what_the_generator_makes(coverage: Coverage) -> None:
    """If not: python -m tests.conformance.rfcNUMBER.coverage"""
    assert coverage.path.read_text() == coverage.page()
