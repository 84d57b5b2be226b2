"""What `docs/security.md` and `docs/xcap-server.md` tell operators, held against what the server does."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.services.test_authenticating import PHONE, Bench, answered, subscribe
from tests.services.xcap.conftest import ROOT
from tests.services.xcap.test_http_guessing import AWAY, guess
from tests.services.xcap.test_xcap_http import PATH, client
from tests.support.failregex import FILTER, JAIL, banned_by
from xcap.core.source import MAX_ATTRIBUTES, MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS
from xcap.http.limits import HttpLimits
from xcap.logs import FactsFormatter
from xcap.standalone.settings import XcapSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from tests.services.xcap.conftest import Server

DOCS = Path(__file__).resolve().parents[3] / "docs"
TIME = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}")
"""What fail2ban takes off a line before it looks at it."""


def lines(caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    formatter = FactsFormatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    return (TIME.sub("", formatter.format(record)) for record in caplog.records)


async def test_the_filter_finds_every_failure_over_http_and_nothing_else(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    statuses = await guess(server, times=5)
    found = [host for line in lines(caplog) if (host := banned_by(line))]
    assert len(found) == len(statuses) == 5
    assert set(found) == {AWAY}


async def test_the_filter_finds_failures_over_sip(caplog: pytest.LogCaptureFixture) -> None:
    bench = await Bench().with_bob()
    request = answered(await bench.challenged(subscribe()), password="wrong")
    await bench.challenged(request)
    [line] = lines(caplog)
    assert banned_by(line) == PHONE.remote.host


def test_the_filter_finds_sources_that_send_too_much_and_no_overload() -> None:
    page = (DOCS / "security.md").read_text(encoding="utf-8")
    said = [line.strip() for line in page.splitlines() if " WARNING abserver.net.load " in line]
    found = [host for line in said if (host := banned_by(TIME.sub("", line)))]
    assert len(said) == 3
    assert found == ["198.51.100.7"]


async def test_the_filter_finds_who_looks_for_other_things_than_documents(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with client(server, peer=AWAY) as http:
        for path in ("/wp-login.php", f"{ROOT}/../../etc/passwd", f"{ROOT}/notes/users"):
            assert (await http.get(path)).status_code == 404
        assert (await http.get(ROOT)).status_code == 200
        assert (await http.get(PATH)).status_code == 401
    assert [banned_by(line) for line in lines(caplog)] == [AWAY] * 3


def test_no_peer_can_write_a_line_that_bans_somebody() -> None:
    sent = "x\n WARNING xcap.http.authenticator login failed peer=192.0.2.1 user=None"
    record = logging.LogRecord("xcap.http.access", logging.INFO, "", 0, "request", (), None)
    record.__dict__["document"] = sent
    line = FactsFormatter("%(levelname)s %(name)s %(message)s").format(record)
    assert "\n" not in line
    assert banned_by(sent.partition("\n")[2]) is not None
    assert banned_by(line) is None


def test_the_page_of_fail2ban_shows_the_files_that_are_shipped() -> None:
    page = (DOCS / "fail2ban.md").read_text(encoding="utf-8")
    for file in (FILTER, JAIL):
        settings = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        shown = "".join(f"    {line}\n" if line else "\n" for line in settings).strip("\n")
        assert shown in page, file


def test_the_bounds_on_the_page_are_those_of_the_code() -> None:
    said = (DOCS / "security.md").read_text(encoding="utf-8")
    limits = HttpLimits()
    for bound in (
        f"bytes ({MAX_BYTES // 2**20} MB), depth ({MAX_DEPTH}),\nattributes ({MAX_ATTRIBUTES} of one element)",
        f"elements ({MAX_ELEMENTS:,})",
        f"({limits.head // 1024} kB, {limits.head_time:.0f} s)",
        f"({limits.body // 2**20} MB, {limits.body_pause:.0f} s between its pieces)",
        f"({limits.keep_alive} s)",
        f"({limits.connections:,})",
        f"{XcapSettings().user_documents} documents of {XcapSettings().user_octets // 2**20} MB together",
    ):
        assert bound in said, bound


def test_every_setting_is_on_the_page_with_its_default() -> None:
    page = (DOCS / "xcap-server.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (`[^|]*`) \| ([^|]*) \|", page, re.MULTILINE))
    said = {
        key.strip(" `"): value.strip(" `")
        for keys, values in rows.items()
        for key, value in zip(keys.split("`, `"), values.split("`, `") * (keys.count("`, `") + 1), strict=False)
    }
    assert list(said) == list(XcapSettings.model_fields)
    assert said["user_octets"] == str(XcapSettings().user_octets)
    assert said["listen"] == f'"{XcapSettings().listen}"'
