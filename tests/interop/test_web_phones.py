"""JsSIP and SIP.js, as web pages have them, over WebSocket against a server process (RFC 7118)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.ordered import OrderedProcess
from tests.support.process import ServerProcess
from tests.support.programs import JSSIP, NODE, NODE_MODULES, SIP_JS, WS, Module, needs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCS = Path(__file__).parents[2] / "docs" / "web-phones.md"
SCRIPTS = Path(__file__).parent / "node"
OWNER, WATCHER, PASSWORD = "sip:ann@example.com", "sip:bob@example.com", "bobpw"
CARD = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ann Exämple\r\nTEL;X-LEVEL=public:+1-555-{}\r\nEND:VCARD\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One where Ann has approved Bob."""
    server = ServerProcess(tmp_path_factory.mktemp("server"), NOTIFY__CARD_PACE="0", REGISTRAR__ENABLED="true")
    server.command("user", "add", OWNER, "--password", "annpw")
    server.command("user", "add", WATCHER, "--password", PASSWORD)
    with server:
        server.command("approve", OWNER, WATCHER)
        yield server
        assert server.stop() == 0


@pytest.fixture
def write(server: ServerProcess) -> Callable[[str], None]:
    """Gives Ann's card this number."""

    def write(number: str) -> None:
        (server.folder / "ann.vcf").write_text(CARD.format(number))
        server.command("card", "import", str(server.folder / "ann.vcf"), OWNER)

    return write


class Page(OrderedProcess):
    """A script of ours with a library in it, which has connected."""

    def __init__(self, server: ServerProcess, script: str, path: str) -> None:
        host, port = server.http
        place = str(NODE_MODULES), f"ws://{host}:{port}{path}"
        super().__init__(["node", str(SCRIPTS / script), *place, WATCHER, PASSWORD], server.folder)

    def body(self) -> str:
        """That of the next NOTIFY."""
        body: str = self.told("notify")["body"]
        return body


def registering(script: str, module: Module) -> object:
    return pytest.param(script, marks=needs(NODE, WS, module), id=module.name)


def phones(script: str, module: Module, accept: str) -> object:
    return pytest.param(script, accept, marks=needs(NODE, WS, module), id=module.name)


@pytest.mark.parametrize("path", ["/sip", "/"])
@pytest.mark.parametrize(
    ("script", "accept"),
    [
        phones("jssip_phone.cjs", JSSIP, "text/vcard"),
        phones("sipjs_phone.mjs", SIP_JS, "application/vcard+xml"),
    ],
)
def test_a_web_page_gets_a_card_and_its_changes(
    server: ServerProcess, write: Callable[[str], None], script: str, accept: str, path: str
) -> None:
    """It logs in by digest, is told on its connection, and is found again on another one after that was lost."""
    write("0100")
    with Page(server, script, path) as page:
        page.told("connected")
        page.order("subscribe", OWNER, accept)
        first = page.told("notify")
        assert "Ann Exämple" in first["body"]
        assert "0100" in first["body"]
        assert first["type"] == accept
        assert first["via"].startswith(f"SIP/2.0/WS {server.http[0]}:{server.http[1]};")
        write("0200")
        assert "0200" in page.body()
        page.order("reconnect")
        page.told("disconnected")
        page.told("connected")
        page.order("refresh")
        assert "0200" in page.body()
        write("0300")
        assert "0300" in page.body()
        page.order("unsubscribe")
        page.told("terminated")
        page.finish()


@pytest.mark.parametrize("script", [registering("jssip_phone.cjs", JSSIP), registering("sipjs_phone.mjs", SIP_JS)])
def test_a_web_page_registers_its_flow_and_follows_by_its_gruu(
    server: ServerProcess, write: Callable[[str], None], script: str
) -> None:
    """RFC 5626, RFC 5627, as RFC 7118 §8.1 has it: two of Bob's devices are two, and each hears."""
    write("0600")
    with Page(server, script, "/sip") as page, Page(server, script, "/sip") as other:
        for each in (page, other):
            each.told("connected")
            each.order("register")
            registered = each.told("registered")["contact"]
            assert ';pub-gruu="sip:bob@example.com;gr=urn:uuid:' in registered
            each.order("subscribe", OWNER, "text/vcard")
            assert "0600" in each.body()
        write("0700")
        for each in (page, other):
            assert "0700" in each.body()
            each.finish()


@pytest.mark.skipif(JSSIP.found() is None, reason=JSSIP.advice)
@pytest.mark.skipif(WS.found() is None, reason=WS.advice)
def test_the_page_of_the_docs_works(server: ServerProcess, write: Callable[[str], None], tmp_path: Path) -> None:
    """docs/web-phones.md, with our address."""
    _, _, rest = DOCS.read_text(encoding="utf-8").partition("```js\n")
    script = rest.partition("```")[0].replace("wss://cards.example.com", f"ws://{server.http[0]}:{server.http[1]}")
    (tmp_path / "page.js").write_text(script, encoding="utf-8")
    write("0400")
    command = ["node", str(SCRIPTS / "documented_page.cjs"), str(NODE_MODULES), str(tmp_path / "page.js")]
    with OrderedProcess(command, tmp_path) as page:
        assert "0400" in page.told("notify")["body"]
        write("0500")
        assert "0500" in page.told("notify")["body"]
        page.finish()
    assert "device=urn:uuid:" in server.log
