"""`abserver explain` and `abserver see-as`, asked of a running server that a watcher's device follows."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Abserver

RULE = "w-bob_40example.com"
BOB = "sip:bob@example.com"
CARD = """BEGIN:VCARD
VERSION:4.0
FN:Alice
TEL;TYPE=work;X-LEVEL=friends:+1
TEL;TYPE=home;X-LEVEL=family:+2
NOTE:a secret
END:VCARD
"""


def _owner(abserver: Abserver, name: str) -> str:
    """A new user with a card."""
    owner = f"sip:{name}@example.com"
    assert abserver("user", "add", owner, "--password", name).code == 0
    assert abserver("card", "import", "-", owner, stdin=CARD).code == 0
    return owner


@contextlib.contextmanager
def following(abserver: Abserver, owner: str) -> Iterator[None]:
    """Bob's device follows the card, and has been told something; it is gone in the end."""
    command = [sys.executable, "-m", "abserver", "watch", owner, "--as", BOB, "--password", "bob"]
    line = [*command, "--config", str(abserver.config)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield
        finally:
            process.kill()


def _explained(abserver: Abserver, *arguments: str) -> dict[str, Any]:
    ran = abserver("explain", *arguments, "--json")
    assert ran.code == 0, ran.err
    value: dict[str, Any] = json.loads(ran.out)
    return value


def _until(abserver: Abserver, owner: str, following: str) -> dict[str, Any]:
    """The explanation, once this is what there is to say of the one device."""
    deadline = time.monotonic() + 20
    while True:
        value = _explained(abserver, owner, BOB)
        if [device["next"] for device in value["devices"]] == [following]:
            return value
        assert time.monotonic() < deadline, value


def test_an_approved_watcher_and_his_device_are_explained(served: Abserver) -> None:
    owner = _owner(served, "approved")
    assert served("approve", owner, BOB, "--level", "friends").code == 0
    with following(served, owner):
        value = _until(served, owner, "up-to-date")
        said = served("explain", owner, BOB).out
    [device] = value["devices"]
    assert device["current"] == device["delivered"] == value["view"]
    assert (device["last_notify"]["answer"], device["version"]) == ("200", value["version"])
    assert value["relation"]["state"] == "confirmed"
    assert [line["by"] for line in value["history"]] == ["standing"]
    assert [(rule["rule"], rule["decides"]) for rule in value["rules"]] == [(RULE, True)]
    assert said.startswith(f"{BOB} sees of {owner}'s card, by rule {RULE}: friends, public\nrelation: confirmed since ")
    told = device["last_notify"]
    for line in (
        r"  .* confirmed, by standing, rule w-bob_40example\.com",
        r"w-bob_40example\.com +decides: allow \(friends, public\) +",
        r"FN +shown +level public \(the default\) *",
        r"TEL;TYPE=work +shown +level friends *",
        r"TEL;TYPE=home +hidden +not granted: level family *",
        rf"{device['device']}\n  up to date",
        r"  its subscription expires .*",
        rf"  has view {value['view']} of version {value['version']}, acknowledged .*",
        rf"  is to have view {value['view']}",
        rf"  last NOTIFY: .*, Call-ID {told['call_id']}, CSeq {told['cseq']}: answered 200",
    ):
        assert re.search(f"^{line}$", said, re.MULTILINE), (line, said)


def test_a_device_that_is_gone_is_explained(served: Abserver) -> None:
    owner = _owner(served, "left")
    assert served("approve", owner, BOB).code == 0
    with following(served, owner):
        _until(served, owner, "up-to-date")
    assert served("block", owner, BOB).code == 0
    value = _until(served, owner, "blocked")
    assert value["decision"]["handling"] == "block"
    assert (value["view"], value["relation"]["state"]) == (None, "rejected")
    assert [line["by"] for line in value["history"]] == ["standing", "cli"]
    said = served("explain", owner, BOB).out
    assert said.startswith(f"{BOB} sees nothing of {owner}'s card: blocked by rule {RULE}\nrelation: rejected since ")
    assert "has no subscription, and would get none\n" in said
    assert "nothing is shown" in said


def test_items_are_asked_for_as_card_set_names_them(served: Abserver) -> None:
    owner = _owner(served, "itemized")
    assert served("approve", owner, BOB, "--level", "friends").code == 0
    items = _explained(served, owner, BOB, "TEL;TYPE=home")["items"]
    assert [(each["name"], each["types"], each["shown"], each["because"]) for each in items] == [
        ("tel", ["home"], False, "not-granted")
    ]
    said = served("explain", owner, BOB, "tel").out
    assert [line.split()[:2] for line in said.splitlines() if line.startswith("TEL")] == [
        ["TEL;TYPE=work", "shown"],
        ["TEL;TYPE=home", "hidden"],
    ]
    assert "NOTE" not in said
    refused = served("explain", owner, BOB, "TEL;TYPE=fax")
    assert (refused.code, f"the card of {owner} has no TEL;TYPE=fax" in refused.err) == (1, True)
    assert served("explain", owner, BOB, "?").code == 1


def test_who_never_asked_is_explained_too(served: Abserver) -> None:
    owner = _owner(served, "unasked")
    said = served("explain", owner, "sip:nobody@elsewhere.org").out
    assert "sees nothing" in said
    assert "no rule decides" in said
    assert "has never asked" in said
    assert "no device is known" in said


def test_see_as_prints_what_the_watcher_sees_and_nothing_else(served: Abserver) -> None:
    owner = _owner(served, "seen")
    refused = served("see-as", owner, BOB)
    assert (refused.code, refused.out) == (1, "")
    assert f"{BOB} sees nothing of {owner}'s card: no rule decides" in refused.err
    assert f"abserver explain {owner} {BOB}" in refused.err
    assert served("approve", owner, BOB, "--level", "friends").code == 0
    text = served("see-as", owner, BOB)
    assert (text.code, text.err) == (0, "")
    assert "TEL;TYPE=work" in text.out
    assert not any(hidden in text.out for hidden in ("TYPE=home", "NOTE", "X-LEVEL"))
    xml = served("see-as", owner, BOB, "--xml").out
    assert xml.startswith('<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0"><vcard>')
    assert served("block", owner, BOB, "--polite").code == 0
    assert "TEL" not in served("see-as", owner, BOB).out
    assert f"sees an empty card of {owner}: politely blocked" in served("explain", owner, BOB).out
    assert "EMAIL" not in served("see-as", owner, owner).out
    assert f"{owner}'s card, as the owner: everything" in served("explain", owner, owner).out


@pytest.mark.parametrize("command", ["explain", "see-as"])
def test_without_a_server_the_way_to_start_it_is_said(abserver: Abserver, command: str) -> None:
    assert abserver("user", "add", "alice@example.com", "--password", "alice").code == 0
    abserver.configure(http="127.0.0.1:9", sip="127.0.0.1:0")
    ran = abserver(command, "alice@example.com", BOB)
    assert ran.code == 1
    assert "no server answers at http://127.0.0.1:9" in ran.err
    assert "abserver serve --config" in ran.err
    assert abserver(command, "stranger@example.com", BOB).code == 1
