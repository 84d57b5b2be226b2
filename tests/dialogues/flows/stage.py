"""The stage of one flow: a server, devices and people, and the record of all that they say to each other.

    @flow
    async def test_a_request_is_pending_until_the_owner_decides(stage: Stage) -> None:
        \"\"\"What the flow is about.\"\"\"
        ann, bob = stage.person("Ann"), await stage.phone("Bob")
        await ann.has(CONTACT_CARD, card("FN:Ann"))

        # Each paragraph of comments tells what happens next.
        await bob.subscribes(ANN)
        await bob.receives(200)

The record is in the order of the script, which says what comes when; where two messages cross, the wire has no say.
A flow ends with nothing left over: no message that nobody expected, no answer that nobody gave, no error in a log.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from abserver.sip.transport import Address, Transport
from tests.dialogues.flows.expecting import Copy, in_step, notify
from tests.dialogues.flows.house import DOMAIN
from tests.dialogues.flows.person import Person
from tests.dialogues.flows.phone import BOTH, Phone
from tests.dialogues.flows.record import SERVER, Given
from tests.support.nat import Nat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abserver.sip.message import Request
    from tests.dialogues.flows.house import House
    from tests.dialogues.flows.record import Record


class Stage:
    """What a script is given."""

    def __init__(self, record: Record, house: House) -> None:
        self.record = record
        self.house = house
        self.phones: list[Phone] = []
        self.people: list[Person] = []
        self.nats: list[Nat] = []
        self.moments: dict[str, str] = {}
        """Times that documents of the story name, and what is shown in their place."""

    def person(self, name: str, device: str = "") -> Person:
        """A user who reads and writes documents; `device`: with what, if the user has a phone on the stage too."""
        person = Person(self.record, _shown(name, device), _aor(name), self.house)
        self.people.append(person)
        return person

    async def phone(
        self, name: str, device: str = "phone", *, over: Transport = Transport.UDP, behind_a_nat: bool = False
    ) -> Phone:
        """A device of a user, switched on."""
        server = Address(*self.house.process.sip)
        nat = Nat(server) if behind_a_nat else None
        if nat is not None:
            await nat.start()
            self.nats.append(nat)
        phone = Phone(self.record, _shown(name, device), _aor(name), server, over, nat)
        self.phones.append(phone)
        await phone.switches_on()
        return phone

    @property
    def actors(self) -> tuple[str, ...]:
        """The columns of the ladder."""
        return (*(phone.name for phone in self.phones), SERVER, *(person.name for person in self.people))

    @property
    def names(self) -> Iterator[tuple[str, str]]:
        """What is shown in place of what: of times, and of where everybody is an address of a documentation network
        (RFC 5737)."""
        yield from self.moments.items()
        for place, port in ((self.house.process.sip, 5060), (self.house.process.http, 8080)):
            yield str(Address(*place)), f"192.0.2.1:{port}"
        addresses = [address for phone in self.phones for address in phone.addresses]
        for number, address in enumerate(addresses, start=1):
            yield str(address), f"198.51.100.{number}:5060"

    async def follows(self, phone: Phone, to: str, *, accept: str = BOTH) -> None:
        """The device follows already when the story begins."""
        self.record.secret = True
        await phone.subscribes(to, Accept=accept)
        await phone.receives(200)
        await phone.receives(notify("active", _anything))
        await phone.answers(200)
        self.record.secret = False
        shown = ", ".join(f"`{line}`" for line in phone.copy(to).lines)
        self.record.givens.append(Given(f"{phone.name} follows `{to}`, and shows {shown}."))

    async def asks(self, phone: Phone, to: str) -> None:
        """The device has asked before the story begins, and nobody has decided."""
        self.record.secret = True
        await phone.subscribes(to)
        await phone.receives(200)
        await phone.receives(notify("pending"))
        await phone.answers(200)
        self.record.secret = False
        self.record.givens.append(Given(f"{phone.name} has asked for the card of `{to}`, and is pending."))

    async def polled(self, phone: Phone, *whose: str) -> None:
        """The device has asked for these cards once before the story begins."""
        self.record.secret = True
        for to in whose:
            await phone.subscribes(to, Expires="0")
            await phone.receives(200)
            await phone.receives(notify("terminated", lambda held, request: held, reason="timeout"))
            await phone.answers(200)
        self.record.secret = False
        shown = " and ".join(f"`{to}`" for to in whose)
        self.record.givens.append(Given(f"{phone.name} has once asked for the cards of {shown}."))

    async def unfollows(self, phone: Phone) -> None:
        """The device did follow, and does no more when the story begins."""
        self.record.secret = True
        await phone.unsubscribes()
        await phone.receives(200)
        await phone.receives(notify("terminated", in_step, reason="timeout"))
        await phone.answers(200)
        self.record.secret = False
        self.record.givens.append(Given(f"{phone.name} has unsubscribed."))

    def moment(self, seconds: float, shown: str) -> str:
        """The time in so many seconds, as documents write it; pages show another one, which is the same each time."""
        text = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)).isoformat()
        self.moments[text] = shown
        return text

    async def pass_days(self, days: int) -> None:
        """Have the server stopped for so many days, as far as requests are concerned."""
        await self.house.sleep(days)
        self.record.note(SERVER, f"{days} days later")

    async def restarts(self) -> None:
        """The server's process is killed, and started again."""
        await self.house.restart()
        self.record.note(SERVER, "killed, and started again")

    async def close(self) -> None:
        """End it in any case."""
        for phone in self.phones:
            await phone.goes()
        for person in self.people:
            await person.goes()
        for nat in self.nats:
            nat.stop()

    async def is_quiet(self) -> None:
        """Fails if anything is left over."""
        for phone in self.phones:
            await phone.has_nothing_left()


def _shown(name: str, device: str) -> str:
    return f"{name}'s {device}" if device else name


def _aor(name: str) -> str:
    return f"sip:{name.lower()}@{DOMAIN}"


def _anything(held: Copy | None, request: Request) -> Copy:
    assert request.content_type is not None
    return Copy(request.headers.get("SIP-ETag") or "", request.content_type.name, request.body)
