"""The table of user agents that need something beside the standards, and the page that tells of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from abserver.events.quirks import TABLE, Quirks, quirks_of

PAGE = Path(__file__).parents[3] / "docs" / "user-agents.md"


@pytest.mark.parametrize("name", [None, "", "Linphone/5.4.0", "MyJsSIP 1.0", "SIPxjs/1", "jssipper/1"])
def test_most_user_agents_are_served_by_the_standards_alone(name: str | None) -> None:
    assert quirks_of(name) is Quirks.NONE


@pytest.mark.parametrize("name", ["JsSIP 3.13.6", "jssip", "JsSIP/3.10 (Chrome)"])
def test_jssip_hears_of_bodies_only(name: str) -> None:
    assert Quirks.BODY_ALWAYS in quirks_of(name)


@pytest.mark.parametrize("name", ["JsSIP 3.13.6", "SIP.js/0.21.2"])
def test_phones_of_web_pages_read_the_last_challenge(name: str) -> None:
    assert Quirks.MD5_LAST in quirks_of(name)


@pytest.mark.parametrize(("name", "needs"), [("baresip v1.0.0 (x86_64/linux)", True), ("baresip v3.5.0", False)])
def test_the_first_baresip_knows_one_algorithm_and_bears_no_other(name: str, needs: bool) -> None:
    assert (Quirks.MD5_ALONE in quirks_of(name)) is needs


def test_the_page_tells_of_every_row_and_of_every_quirk() -> None:
    page = PAGE.read_text()
    for row in TABLE:
        assert f"`{row.pattern.pattern}`" in page
    for quirk in Quirks:
        assert f"`{quirk.name}`" in page


def test_a_quirk_of_another_version_in_the_journal_says_nothing() -> None:
    assert Quirks(Quirks.BODY_ALWAYS.value | 1 << 20) == Quirks.BODY_ALWAYS
