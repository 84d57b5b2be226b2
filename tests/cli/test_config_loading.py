"""Configuration from file and environment: precedence, and every problem at once with its key and place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from abserver.config import ConfigError, Settings, load
from abserver.sip.transport import Address, Listener

if TYPE_CHECKING:
    from pathlib import Path


def _problems(file: Path | None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(file)
    return [str(problem) for problem in caught.value.problems]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "abserver.toml"


def test_without_a_file_the_server_listens_on_loopback_only() -> None:
    settings = load(None)
    assert settings.sip.udp == settings.sip.tcp == (Listener(Address("127.0.0.1", 5060)),)
    assert settings.http.listen == Address("127.0.0.1", 8080)
    assert settings.http.xcap_root == "/xcap-root"
    assert settings.sip.trusted_peers == settings.http.trusted_peers == ()
    assert settings.storage.url == "sqlite:///abserver.db"


def test_a_file_changes_only_the_keys_it_names(file: Path) -> None:
    file.write_text('[server]\ndomains = ["Example.ORG"]\n[http]\nlisten = "[::1]:0"\n')
    settings = load(file)
    assert settings.server.domains == ("example.org",)
    assert settings.http.listen == Address("::1", 0)
    assert settings.http.xcap_root == "/xcap-root"


def test_the_environment_overrides_the_file_key_by_key(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('[sip]\nudp = ["127.0.0.1:1"]\ntcp = ["127.0.0.1:2"]\n[log]\nlevel = "error"\n')
    monkeypatch.setenv("ABSERVER_SIP__UDP", "127.0.0.1:3, [::1]:4")
    monkeypatch.setenv("abserver_subscriptions__max_expires", "7200")
    settings = load(file)
    assert settings.sip.udp == (Listener(Address("127.0.0.1", 3)), Listener(Address("::1", 4)))
    assert settings.sip.tcp == (Listener(Address("127.0.0.1", 2)),)
    assert settings.subscriptions.max_expires == 7200
    assert settings.log.level.value == "error"


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load(None).sip.udp = ()
    with pytest.raises(TypeError):
        load(None).cards.default_levels["tel"] = "public"  # type: ignore[index]


def test_the_default_levels_can_be_set_in_file_and_environment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("[cards]\ndefault_levels = { fn = 'public', tel = 'friends' }\n")
    assert load(file).cards.default_levels == {"fn": "public", "tel": "friends"}
    monkeypatch.setenv("ABSERVER_CARDS__DEFAULT_LEVELS", "fn=public,email=colleagues")
    assert load(file).cards.default_levels == {"fn": "public", "email": "colleagues"}


def test_the_realm_is_the_domain_of_the_user_unless_one_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(None).realm_of("sip:alice@example.com") == "example.com"
    monkeypatch.setenv("ABSERVER_AUTH__REALM", "the realm")
    assert load(None).realm_of("sip:alice@example.com") == "the realm"


def test_every_problem_is_reported_at_once_with_key_and_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(
        """
        [server]
        domain = ["example.com"]
        [sip]
        udp = ["localhost:5060", "127.0.0.1:99999"]
        tcp = 5
        [subscriptions]
        min_expires = 120
        default_expires = 60
        max_expires = "long"
        [logs]
        level = "info"
        """
    )
    monkeypatch.setenv("ABSERVER_LOG__LEVEL", "loud")
    monkeypatch.setenv("ABSERVER_HTPP__LISTEN", "127.0.0.1:80")
    problems = _problems(file)
    assert [problem.rsplit(": ", 1)[0] if "unknown" in problem else problem for problem in problems] == [
        f"{file}: server.domain",
        f"{file}: sip.udp: 'localhost:5060' is no numeric host:port; write it like '127.0.0.1:5060' or '[::1]:5060'",
        f"{file}: sip.udp: '127.0.0.1:99999' has no port from 0 to 65535 after the last colon",
        f"{file}: sip.tcp: must be a list, not 5",
        f"{file}: subscriptions.default_expires: 60 is shorter than min_expires, which is 120",
        f"{file}: subscriptions.max_expires: input should be a valid integer, unable to parse string as an integer, "
        "not 'long'",
        "environment ABSERVER_LOG__LEVEL: log.level: input should be 'debug', 'info', 'warning' or 'error', not 'loud'",
        f"{file}: logs",
        "environment ABSERVER_HTPP__LISTEN: htpp",
    ]


def test_an_unknown_key_or_section_gets_a_did_you_mean(file: Path) -> None:
    file.write_text("[http]\nxcaproot = '/x'\nzzz = 1\n[storages]\n")
    assert _problems(file) == [
        f"{file}: http.xcaproot: unknown; did you mean 'xcap_root'?",
        f"{file}: http.zzz: unknown; known here: listen, xcap_root, xcap_root_uri, auid_aliases, "
        "trusted_peers, tls_certificate, tls_key",
        f"{file}: storages: unknown; did you mean 'storage'?",
    ]


def test_a_section_that_is_a_value_lists_its_keys(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("log = 'debug'\n")
    monkeypatch.setenv("ABSERVER_AUTH", "example.com")
    assert _problems(file) == [
        "environment ABSERVER_AUTH: auth: is a section, not a value; set one of its keys: realm, "
        "sip_algorithms, sip_qops, http_algorithms, user_failures, source_failures, longest_wait, trusted_users",
        f"{file}: log: is a section, not a value; set one of its keys: level, access",
    ]


def test_an_unknown_variable_alone_is_a_problem_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABSERVER_STORE__URL", "sqlite:///x.db")
    assert _problems(None) == ["environment ABSERVER_STORE__URL: store: unknown; did you mean 'storage'?"]


def test_variables_which_container_platforms_set_for_a_service_of_our_name_are_none_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ABSERVER_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("ABSERVER_PORT_5060_UDP", "udp://10.0.0.1:5060")
    assert load(None) == Settings()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[server]\ndomains = []", "server.domains: the list is empty"),
        ("[sip]\nudp = []\ntcp = []", "sip.tls: none of udp, tcp and tls has an address"),
        ("[sip]\nudp = ['10.0.0.1:5060 advertise']", "sip.udp: '10.0.0.1:5060 advertise' is no listener"),
        ("[sip]\nudp = ['10.0.0.1:5060 advertised a.b']", "sip.udp: '10.0.0.1:5060 advertised a.b' is no listener"),
        ("[sip]\nudp = ['10.0.0.1:5060 advertise a:70000']", "sip.udp: 'a:70000' is nothing to advertise"),
        ("[sip]\nudp = ['10.0.0.1:5060 advertise 0.0.0.0']", "sip.udp: '0.0.0.0' is nothing to advertise"),
        ("[sip]\nudp = ['10.0.0.1:5060 advertise 2001:db8::1']", "sip.udp: '2001:db8::1' is nothing to advertise"),
        ("[sip]\nudp = ['10.0.0.1:5060', '10.0.0.1:5060 advertise a.b']", "sip.udp: '10.0.0.1:5060' is listed twice"),
        ("[sip]\ntls = ['127.0.0.1:5061']", "sip.tls_certificate: there are listeners for TLS and no certificate"),
        ("[sip]\nwebsocket_path = '/xcap-root'", "http: '/xcap-root' is xcap_root and [sip] websocket_path"),
        ("[sip]\ntrusted_names = ['a.example']", "sip.trusted_names: nobody is asked for a certificate"),
        ("[sip]\ntls_key = 'x.pem'", "sip.tls_key: there is a key and no certificate"),
        ("[sip]\ntls_client_ca = 'x.pem'", "sip.tls_client_ca: there is a file of authorities and no certificate"),
        ("[sip]\nudp = ['127.0.0.1:5060', '127.0.0.1:5060']", "sip.udp: '127.0.0.1:5060' is listed twice"),
        ("[subscriptions]\nmin_expires = 0", "subscriptions.min_expires: input should be greater than or equal to 1"),
        (
            "[subscriptions]\nmin_expires = 3601",
            "subscriptions.min_expires: input should be less than or equal to",
        ),
    ],
)
def test_a_value_that_could_not_work_is_a_problem(file: Path, text: str, problem: str) -> None:
    file.write_text(text)
    assert any(found.startswith(f"{file}: {problem}") for found in _problems(file))


def test_several_listeners_may_let_the_system_choose_a_port(file: Path) -> None:
    file.write_text("[sip]\nudp = ['127.0.0.1:0', '127.0.0.1:0']")
    assert len(load(file).sip.udp) == 2


def test_a_host_of_its_own_for_documents_may_do_without_websocket(file: Path) -> None:
    file.write_text("[sip]\nwebsocket_path = ''\n[http]\nxcap_root = '/'")
    assert (load(file).sip.websocket_path, load(file).http.xcap_root) == ("", "")


def test_a_file_that_is_missing_or_no_toml_is_one_clear_problem(file: Path) -> None:
    assert _problems(file) == [f"{file}: cannot be read: No such file or directory"]
    file.write_text("[sip\nudp = 1")
    assert _problems(file) == [
        f"{file}: is not TOML: Expected ']' at the end of a table declaration (at line 1, column 5)"
    ]
    file.write_bytes(b"# \xff")
    assert _problems(file) == [f"{file}: is not UTF-8 text (byte 2)"]


def test_numbers_are_users_of_a_domain_of_ours(file: Path) -> None:
    file.write_text("[server]\ndomains = ['example.com']\nphone_domain = 'example.net'\n")
    assert _problems(file) == [
        f"{file}: server.phone_domain: 'example.net' is none of the domains; add it there, since its users are ours"
    ]


def test_a_name_for_a_usage_that_is_none_is_a_problem(file: Path) -> None:
    file.write_text("[http]\nauid_aliases = { 'com.example.card' = 'org.abserver.contact-crad' }\n")
    assert _problems(file) == [
        f"{file}: http.auid_aliases: the alias com.example.card is for org.abserver.contact-crad, which is no "
        "application usage"
    ]


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("203.0.113.7:5070", "203.0.113.7", 5070),
        ("203.0.113.7", "203.0.113.7", 0),
        ("SIP.Example.com", "sip.example.com", 0),
        ("[2001:DB8::7]:5070", "2001:db8::7", 5070),
        ("[2001:db8::7]", "2001:db8::7", 0),
    ],
)
def test_a_listener_may_advertise_another_address(
    monkeypatch: pytest.MonkeyPatch, text: str, host: str, port: int
) -> None:
    monkeypatch.setenv("ABSERVER_SIP__UDP", f"10.0.0.1:5060 advertise {text},[::1]:5060")
    first, second = load(None).sip.udp
    assert first == Listener(Address("10.0.0.1", 5060), Address(host, port))
    assert second == Listener(Address("::1", 5060))
