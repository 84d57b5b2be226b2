"""The acts in their order, and what has to hold in each."""

from __future__ import annotations

import signal
import textwrap
from typing import TYPE_CHECKING

from abserver.demo import listing
from abserver.demo.cast import (
    DEVICES,
    EVERYBODY,
    IDRIS,
    IDRIS_PHONE,
    IDRIS_TABLET,
    JUNO,
    JUNO_SOFT,
    MAREN,
    OTTO,
    OTTO_PHONE,
    OWN_LEVELS,
    WANDA,
    WANDA_DESK,
)
from abserver.demo.devices import Device
from abserver.demo.expectations import Expectations
from abserver.demo.owner import OwnersHand
from abserver.demo.views import SEEN, granted, items_of
from abserver.domain.rules import Handling
from abserver.events.contact_card import PATCH, VCARD, XCARD
from abserver.events.follow import State

if TYPE_CHECKING:
    from abserver.demo.ladder import Ladder
    from abserver.demo.stage import Stage

IDRIS_DEVICES = (IDRIS_PHONE, IDRIS_TABLET)
CONFIRMED = (*IDRIS_DEVICES, WANDA_DESK)
ACTIVE = (*CONFIRMED, JUNO_SOFT)
"""Who has a subscription from the confirmation on; Juno's is one too when she is blocked politely."""


class Play:
    """One performance on one stage."""

    def __init__(self, stage: Stage, ladder: Ladder) -> None:
        self.scene = "before the first act"
        """Where the play is, for its last words."""
        self._stage = stage
        self._ladder = ladder
        self._maren = OwnersHand(MAREN, stage.xcap_root, ladder)
        self._devices = {part: Device(part, MAREN.aor, stage.sip, stage.folder, ladder.sip) for part in DEVICES}
        self._expect = Expectations(ladder, self._maren, self._devices)

    async def perform(self) -> None:
        """All acts. Raises Unmet for the first expectation that does not hold."""
        for act in (
            self._address_data,
            self._requests,
            self._confirmation,
            self._rejection,
            self._number_for_some,
            self._hidden_item,
            self._polite_block,
            self._missed_edits,
            self._killed_server,
            self._nothing_new,
            self._unsubscription,
            self._final_copies,
            self._final_lists,
        ):
            await act()
        self._ladder.say("")
        self._ladder.say(f"All {self._expect.held} expectations held.")

    async def clear(self) -> None:
        """Switch everything off, whatever state it is in."""
        self._maren.close()
        for device in self._devices.values():
            await device.switch_off()

    def _act(self, title: str, story: str) -> None:
        self.scene = title
        self._ladder.act(title, story)

    # -- the acts ---------------------------------------------------------------------------------------------------

    async def _address_data(self) -> None:
        self._act(
            "Address data from phones and mail programs",
            "The server starts on an empty database. Maren and the four who will ask for her card become users, and "
            "import the contacts that their phones and mail programs exported. By XCAP, Maren says who may see her "
            "numbers and mail addresses; what has no level, from her or from the configuration, is private.",
        )
        await self._stage.start()
        await self._stage.add_users(EVERYBODY)
        await self._stage.import_cards([person for person in EVERYBODY if person is not OTTO])
        refusal = await self._stage.command("card", "import", self._stage.export(OTTO), OTTO.aor, fails=True)
        self._expect.that("vCard 2.1 is refused with what to do about it", "export the contact as" in refusal, refusal)
        card = self._maren.card().content.decode()
        kept = ("«blåbær på Fløyen» ⚓", "data:image/jpeg;base64,", "<x-socialprofile>", '<group name="item1">')
        self._expect.that("folded unicode, picture, groups and X- properties are kept", all(x in card for x in kept))
        for item, level in OWN_LEVELS.items():
            self._maren.put_level(item, level)

    async def _requests(self) -> None:
        self._act(
            "Four watchers ask, on five devices",
            "Each SUBSCRIBE is authenticated by digest and answered 200 at once; a NOTIFY `pending` follows. Maren has "
            "decided nothing yet, so no body leaves.",
        )
        for part in DEVICES:
            await self._devices[part].switch_on()
            notify = await self._expect.notify(part, "pending", None)
            nothing = "SIP-ETag" not in notify.headers and self._devices[part].copy is None
            self._expect.that(f"{part.name} is pending and has nothing of the card", nothing)

    async def _confirmation(self) -> None:
        self._act(
            "Maren confirms three of them, with different levels",
            "Idris gets family and friends, by the command line; Wanda gets work and Juno friends, by XCAP, one rule "
            "element each. The decision sends each device the full view in the form that it takes; what is above 1300 "
            "bytes leaves by TCP (RFC 3261 §18.1.1).",
        )
        await self._stage.command("approve", MAREN.aor, IDRIS.aor, "--level", "family", "--level", "friends")
        tags = {(await self._expect.notify(part, "active", XCARD)).headers.get("SIP-ETag") for part in IDRIS_DEVICES}
        self._expect.that("both devices of Idris have one view, under one entity-tag", len(tags) == 1, tags)
        self._maren.decide(WANDA, Handling.ALLOW, "work")
        await self._expect.notify(WANDA_DESK, "active", VCARD)
        self._maren.decide(JUNO, Handling.ALLOW, "friends")
        await self._expect.notify(JUNO_SOFT, "active", XCARD)
        self._expect.copies(*ACTIVE)

    async def _rejection(self) -> None:
        self._act(
            "Maren rejects Otto",
            "His subscription ends, with a reason that says not to come back. He does.",
        )
        await self._stage.command("reject", MAREN.aor, OTTO.aor)
        await self._expect.notify(OTTO_PHONE, "terminated", None, reason="rejected")
        otto = self._devices[OTTO_PHONE]
        self._expect.that("Otto is told `rejected` and nothing of the card", otto.copy is None)
        await otto.switch_off()
        await otto.switch_on()
        await otto.reaches(State.TERMINATED)
        self._expect.that("his next request is forbidden", otto.answer == 403, otto.answer)
        await otto.switch_off()

    async def _number_for_some(self) -> None:
        self._act(
            "A number that only some may see",
            "Maren has a new mobile number, which is for friends; one node of her card changes by XCAP. Idris and Juno "
            "are told the difference between the view that they have and the view of now. Wanda is told nothing.",
        )
        self._maren.put_value("tel[1]/text", "+47 555 01 177")
        *_, juno = [await self._expect.patch(part) for part in (*IDRIS_DEVICES, JUNO_SOFT)]
        self._ladder.say("What Juno got:")
        self._ladder.lines(textwrap.wrap(juno.body.decode(), 92))
        self._expect.copies(*ACTIVE)

    async def _hidden_item(self) -> None:
        self._act(
            "An item that nobody may see",
            "Maren changes a private note, then her title, which is public. Had the note caused a NOTIFY, even one "
            "that was lost, the title's would not have the CSeq number after the last one.",
        )
        before = {part: self._devices[part].last_notify.cseq.number for part in ACTIVE}
        await self._stage.command("card", "set", MAREN.aor, "NOTE:The spare key hangs elsewhere now.")
        self._maren.put_value("title/text", "Head of wave forecasting")
        for part in ACTIVE:
            notify = await self._expect.notify(part, "active", VCARD if part is WANDA_DESK else PATCH)
            silent = notify.cseq.number == before[part] + 1 and b"key" not in notify.body
            self._expect.that(f"{part.name} is told the title, and was told nothing before it", silent)
        self._expect.copies(*ACTIVE)

    async def _polite_block(self) -> None:
        self._act(
            "Maren blocks Juno politely",
            "Juno's subscription stays active. What it shows is the card of somebody who shares nothing.",
        )
        await self._stage.command("block", MAREN.aor, JUNO.aor, "--polite")
        await self._expect.notify(JUNO_SOFT, "active", XCARD)
        shown = items_of(self._devices[JUNO_SOFT].copy)
        self._expect.that("all that Juno has is the address she knows", shown == SEEN[JUNO_SOFT], shown)
        self._expect.copies(*ACTIVE)

    async def _missed_edits(self) -> None:
        self._act(
            "A device misses three edits, and catches up with one difference",
            "The tablet of Idris runs out of power; its sockets are closed. Maren edits three items, and the phone is "
            "told one by one. Then the tablet comes back at another address, and says which view it has.",
        )
        tablet = self._devices[IDRIS_TABLET]
        had = tablet.copy and tablet.copy.etag
        await tablet.switch_off()
        missed = 0
        for item, value in (
            ("tel[1]/text", "+47 555 01 199"),
            ("tel[2]/text", "+47 555 01 144"),
            ("group[1]/adr/street", "Øvregaten 3"),
        ):
            self._maren.put_value(item, value)
            missed += len((await self._expect.notify(IDRIS_PHONE, "active", PATCH)).body)
        await tablet.switch_on()
        notify = await self._expect.patch(IDRIS_TABLET)
        base = notify.event and notify.event.params.get("base")
        self._expect.that("it is the difference to the view that the tablet had", base == had, base)
        self._expect.that(f"{len(notify.body)} bytes stand for three differences of {missed}", not tablet.unread)
        self._expect.copies(*ACTIVE)

    async def _killed_server(self) -> None:
        self._act(
            "The server is killed in the middle",
            "Maren's department changes. The moment that her edit is acknowledged, the server gets a SIGKILL, before "
            "any device could take a NOTIFY. It starts again with the same ports and the same file.",
        )
        last = {part: self._devices[part].last_notify for part in CONFIRMED}
        subscribes = {part: self._devices[part].subscribes for part in ACTIVE}
        written = self._maren.put_value("org/text[2]", "Tidevannsgruppa")
        self._stage.kill()
        code = await self._stage.gone()
        self._expect.that("the server died of SIGKILL", code == -signal.SIGKILL, code)
        await self._stage.start()
        for part in CONFIRMED:
            notify = await self._expect.notify_after_restart(part, last[part])
            same = notify.call_id == last[part].call_id
            self._expect.that(f"{part.name} is told of the edit, in the dialog that it had", same)
        self._expect.that("the card is the one that was acknowledged", self._maren.card().etag == written.etag)
        asked = [part.name for part in ACTIVE if self._devices[part].subscribes != subscribes[part]]
        self._expect.that("no device had to subscribe again", not asked, asked)
        self._expect.copies(*ACTIVE)

    async def _nothing_new(self) -> None:
        self._act(
            "Devices come back, and nothing has changed for them",
            "Idris's phone and Juno's are off while Maren's work number changes, which neither may see. Both come back "
            "with the entity-tag of their copy, and are told that it still is the right one.",
        )
        away = (IDRIS_PHONE, JUNO_SOFT)
        tags = {part: copy.etag for part in away if (copy := self._devices[part].copy)}
        for part in away:
            await self._devices[part].switch_off()
        self._maren.put_value("tel[3]/text", "+47 555 01 188")
        await self._expect.notify(WANDA_DESK, "active", VCARD)
        for part in away:
            await self._devices[part].switch_on()
            tag = (await self._expect.notify(part, "active", None)).headers.get("SIP-ETag")
            self._expect.that(f"{part.name} gets its own entity-tag and no body", tag == tags[part], tag)
        self._expect.copies(*ACTIVE)

    async def _unsubscription(self) -> None:
        self._act(
            "Wanda unsubscribes",
            "She keeps what she has, and her relation with Maren stands. Then Maren's title changes once more.",
        )
        wanda = self._devices[WANDA_DESK]
        await wanda.leave()
        self._expect.that("her subscription is over", wanda.state is State.TERMINATED, wanda.answer)
        self._maren.put_value("title/text", "Director")
        for part in IDRIS_DEVICES:
            await self._expect.notify(part, "active", PATCH)
        self._expect.copies(*IDRIS_DEVICES, JUNO_SOFT)

    # -- the end ----------------------------------------------------------------------------------------------------

    async def _final_copies(self) -> None:
        self._act("The copies at the devices", "As each would show them.")
        for part, device in self._devices.items():
            self._ladder.lines(listing.copy_lines(device))
            shown = items_of(device.copy)
            self._expect.that(f"{part.name} has what it should have, item by item", shown == SEEN[part], shown)

    async def _final_lists(self) -> None:
        self._act(
            "The server's lists",
            "The server is stopped in good order. Left in its database are the subscription relation list and the "
            "synchronization update lists, with the view that each device acknowledged last (both shortened here).",
        )
        card, rules = self._maren.card().content, self._maren.rules().content
        code = await self._stage.stop()
        self._expect.that("the server stops in good order", code == 0, code)
        complaints = self._stage.complaints()
        self._expect.that("it has logged no error", not complaints, complaints[:3])
        states = await listing.show_relations(self._stage, self._ladder)
        right = {IDRIS.aor: "confirmed", WANDA.aor: "confirmed", JUNO.aor: "polite-blocked", OTTO.aor: "rejected"}
        self._expect.that("the relation list says what Maren decided", states == right, states)
        acknowledged = await listing.show_update_lists(self._stage, self._ladder, self._devices)
        for part in (*IDRIS_DEVICES, JUNO_SOFT):
            same = acknowledged[part] == granted(card, rules, part).tag
            self._expect.that(f"{part.name} acknowledged the view that it should have", same, acknowledged[part])
