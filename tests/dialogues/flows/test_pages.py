"""The pages in docs/call-flows are those of the scripts: each flow compares its own section, and this the rest. And the
stage has eyes: a script that says what is not so fails.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING

import pytest

from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from tests.dialogues.flows.expecting import full, notify
from tests.dialogues.flows.flow import FLOWS, Flow
from tests.dialogues.flows.names import Names
from tests.dialogues.flows.pages import FOLDER, heading, index, opening, page_of, scripts, title_of
from tests.dialogues.flows.record import Said
from tests.dialogues.flows.scenery import ANN, BOB, allow, card, rules

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dialogues.flows.phone import Phone
    from tests.dialogues.flows.stage import Stage


def test_every_page_has_the_sections_of_its_scripts_and_no_others() -> None:
    for name in scripts():
        module = importlib.import_module(name)
        page = page_of(name).read_text()
        assert page.startswith(opening(module))
        assert re.findall("^## (.*)$", page, re.MULTILINE) == [heading(each.script) for each in FLOWS[name]]


def test_the_index_lists_all_pages() -> None:
    pages = {page_of(name).name: name for name in scripts()}
    assert {path.name for path in FOLDER.glob("*.md")} == {*pages, "README.md"}
    listed = {
        page: (title_of(importlib.import_module(name)), [heading(each.script) for each in FLOWS[name]])
        for page, name in pages.items()
    }
    assert (FOLDER / "README.md").read_text() == index(listed)


async def bob_asks(stage: Stage) -> Phone:
    """Bob's phone, which may see Ann's card, has sent a SUBSCRIBE and got the answer."""
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, card("FN:Ann"))
    await ann.has(CARD_RULES, rules(allow(BOB)))
    await bob.subscribes(ANN)
    await bob.receives(200)
    return bob


async def test_a_message_that_a_script_says_nothing_about_fails_it(tmp_path: Path) -> None:
    async def script(stage: Stage) -> None:
        bob = await bob_asks(stage)
        await bob.receives(notify("active", full("FN:Ann")))

    with pytest.raises(AssertionError, match="unanswered"):
        await Flow(script).play(tmp_path)


async def test_another_state_fails_a_script(tmp_path: Path) -> None:
    async def script(stage: Stage) -> None:
        bob = await bob_asks(stage)
        await bob.receives(notify("pending"))

    with pytest.raises(AssertionError, match="active"):
        await Flow(script).play(tmp_path)


async def test_another_body_fails_a_script(tmp_path: Path) -> None:
    async def script(stage: Stage) -> None:
        bob = await bob_asks(stage)
        await bob.receives(notify("active", full("FN:Somebody else")))

    with pytest.raises(AssertionError, match="Somebody else"):
        await Flow(script).play(tmp_path)


async def test_another_answer_fails_a_script(tmp_path: Path) -> None:
    async def script(stage: Stage) -> None:
        bob = await stage.phone("Bob")
        await bob.subscribes("sip:nobody@example.com")
        await bob.receives(200)

    with pytest.raises(AssertionError, match="404"):
        await Flow(script).play(tmp_path)


def test_names_are_the_same_whatever_they_stand_for() -> None:
    names = Names([("127.0.0.1:4711", "192.0.2.1:5060")])
    names.learn(
        Said("NOTIFY", "NOTIFY", (("Expires", "3600"), ("SIP-ETag", "0123456789abcdef"), ("SIP-ETag", "f" * 32)))
    )
    text = '<sip:127.0.0.1:4711> active;expires=3598 0123456789abcdef-gzip ffffffffffffffffffffffffffffffff nonce="x"'
    assert names.told(text) == '<sip:192.0.2.1:5060> active;expires=3600 view-1-gzip view-2 nonce="…"'
    assert names.told('at="2031-01-01T00:00:00.5+00:00"') == 'at="2026-03-02T09:00:00Z"'
