"""A phone on pjsua2 (PJSIP's C++ library) that does what it is told and prints what happens, a line of JSON each.

A process of its own, since the library has one state for a whole process. Orders come on standard input, a line each,
and are JSON lists: `["options"]`, `["presence", OWNER]`, `["follow", OWNER]`. The end of the input is the end of the
phone. All requests go to the server, as to an outbound proxy.

    python pjsua2_phone.py SERVER TRANSPORT ADDRESS USER PASSWORD AUTHORITY < ORDERS

AUTHORITY is a file with the certificates of those who sign for servers.
"""

from __future__ import annotations

import hashlib
import json
import re
import select
import sys
from typing import Any

import pjsua2 as pj

TURN_MS = 20
TRANSPORTS = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}


def tell(event: str, **facts: Any) -> None:
    print(json.dumps({"event": event, **facts}), flush=True)


class Friend(pj.Buddy):
    """Somebody whose presence is asked for."""

    def onBuddyEvSubState(self, prm: pj.OnBuddyEvSubStateParam) -> None:
        message = self.getInfo()
        tell("presence", state=message.subStateName, status=message.subTermCode, reason=message.subTermReason)


class Phone(pj.Account):
    """One account."""

    def __init__(self, server: str, transport: str, address: str, user: str, password: str) -> None:
        super().__init__()
        self._server = f"sip:{server};transport={transport};lr"
        self._address, self._transport = address, transport
        self._login = (user, password)
        self._friends: list[Friend] = []
        self._asked: str | None = None
        """Whose card was asked for without a password."""
        config = pj.AccountConfig()
        config.idUri = f"sip:{user}@example.com"
        config.sipConfig.proxies.append(self._server)
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, password))
        config.regConfig.registrarUri = "sip:example.com"
        config.regConfig.registerOnAdd = False
        self.create(config)

    def onSendRequest(self, prm: pj.OnSendRequestParam) -> None:
        event = prm.e.body.tsxState
        message = event.src.rdata.wholeMsg
        tell("answer", status=event.tsx.statusCode, method=event.tsx.method, message=message)
        if event.tsx.statusCode == 401 and self._asked is not None:
            (owner, self._asked) = (self._asked, None)
            self._subscribe(owner, {"Authorization": self._authorization(message, owner)})

    def onRegState(self, prm: pj.OnRegStateParam) -> None:
        tell("registration", status=prm.code, expires=prm.expiration)

    def options(self) -> None:
        self._send("OPTIONS", "sip:example.com", {})

    def presence(self, owner: str) -> None:
        friend = Friend()
        config = pj.BuddyConfig()
        config.uri = owner
        friend.create(self, config)
        friend.subscribePresence(True)
        self._friends.append(friend)

    def follow(self, owner: str) -> None:
        """Fetch a contact card, by a request of which the library knows nothing; a challenge is answered here too."""
        self._asked = owner
        self._subscribe(owner, {})

    def _subscribe(self, owner: str, more: dict[str, str]) -> None:
        headers = {
            "Event": "contact-card",
            "Accept": "application/vcard+xml",
            "Expires": "0",
            "Contact": f"<sip:{self._address};transport={self._transport}>",
            **more,
        }
        self._send("SUBSCRIBE", owner, headers)

    def _authorization(self, message: str, uri: str) -> str:
        """The answer to the first challenge, with MD5 (RFC 7616 §3.4.6)."""
        user, password = self._login
        challenge = dict(
            re.findall(r'(\w+)="([^"]*)"', message.partition("WWW-Authenticate: ")[2].partition("\r\n")[0])
        )
        realm, nonce = challenge["realm"], challenge["nonce"]
        secret, request = (_md5(f"{user}:{realm}:{password}"), _md5(f"SUBSCRIBE:{uri}"))
        answer = _md5(f"{secret}:{nonce}:00000001:pjsua2:auth:{request}")
        named = {"username": user, "realm": realm, "nonce": nonce, "uri": uri, "response": answer, "cnonce": "pjsua2"}
        return "Digest " + ", ".join(f'{name}="{value}"' for name, value in named.items()) + ", qop=auth, nc=00000001"

    def register(self) -> None:
        self.setRegistration(True)

    def unregister(self) -> None:
        self.setRegistration(False)

    def _send(self, method: str, uri: str, headers: dict[str, str]) -> None:
        request = pj.SendRequestParam()
        request.method = method
        request.txOption.targetUri = uri
        for name, value in headers.items():
            header = pj.SipHeader()
            header.hName, header.hValue = name, value
            request.txOption.headers.append(header)
        self.sendRequest(request)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def main(server: str, transport: str, address: str, user: str, password: str, authority: str) -> None:
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.uaConfig.userAgent = f"pjsua2 {endpoint.libVersion().full}"
    config.logConfig.level, config.logConfig.consoleLevel = 5, 0
    config.logConfig.msgLogging = 1
    config.logConfig.filename = "pjsua2.log"
    endpoint.libInit(config)
    endpoint.audDevManager().setNullDev()
    sockets = pj.TransportConfig()
    host, _, port = address.partition(":")
    sockets.boundAddress, sockets.port = host, int(port)
    sockets.tlsConfig.CaListFile, sockets.tlsConfig.verifyServer = authority, True
    endpoint.transportCreate(TRANSPORTS[transport], sockets)
    endpoint.libStart()
    phone = Phone(server, transport, address, user, password)
    tell("ready", version=endpoint.libVersion().full)
    while True:
        endpoint.libHandleEvents(TURN_MS)
        if select.select([sys.stdin], [], [], 0)[0]:
            line = sys.stdin.readline()
            if not line:
                break
            order, *arguments = json.loads(line)
            getattr(phone, order)(*arguments)
    phone.shutdown()
    endpoint.libDestroy()


if __name__ == "__main__":
    main(*sys.argv[1:])
