"""No statement of RFC 4825 about servers is without a test, no test names one that is not there, and the page is so."""

from __future__ import annotations

from tests.conformance.rfc4825 import coverage


def titles() -> set[coverage.Key]:
    return {(section, title) for section, entries in coverage.statements().items() for title in entries}


def test_every_statement_about_servers_has_a_test() -> None:
    assert titles() - coverage.marks().keys() == set()


def test_every_mark_names_a_statement() -> None:
    assert coverage.marks().keys() - titles() == set()


def test_the_committed_page_is_what_the_generator_makes() -> None:
    """If not: python -m tests.conformance.rfc4825.coverage"""
    assert coverage.PAGE.read_text() == coverage.page()
