"""The documents of RFC 4825's examples, the usages they are of, and edits of them without a server."""

from __future__ import annotations

from xcap.core import edit, uri
from xcap.core.selector import parse_node_selector
from xcap.core.usage import ApplicationUsage

WATCHERINFO = b"""<?xml version="1.0"?>
<watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo"
             version="0" state="full">
  <watcher-list resource="sip:professor@example.net"
                package="presence">
    <watcher status="active"
             id="8ajksjda7s"
             duration-subscribed="509"
             event="approved">sip:userA@example.net</watcher>
    <watcher status="pending"
             id="hh8juja87s997-ass7"
             display-name="Mr. Subscriber"
             event="subscribe">sip:userB@example.org</watcher>
  </watcher-list>
</watcherinfo>
"""
"""Figure 3."""
WATCHERINFO_NAMESPACE = "urn:ietf:params:xml:ns:watcherinfo"

NAMESPACED = b"""<?xml version="1.0"?>
<foo xmlns="urn:test:default-namespace">
  <ns1:bar xmlns:ns1="urn:test:namespace1-uri"
           xmlns="urn:test:namespace1-uri">
    <baz/>
    <ns2:baz xmlns:ns2="urn:test:namespace2-uri"/>
  </ns1:bar>
  <ns3:hi xmlns:ns3="urn:test:namespace3-uri">
    <there/>
  </ns3:hi>
</foo>
"""
"""§6.4."""

SIBLINGS = b"""<?xml version="1.0"?>
<root>
 <el1 att="first"/>
 <el1 att="second"/>
 <!-- comment -->
 <el2 att="first"/>
</root>
"""
"""§8.2.3."""

RESOURCE_LISTS = "urn:ietf:params:xml:ns:resource-lists"

WATCHERS = ApplicationUsage(
    auid="watchers",
    media_type="application/watcherinfo+xml",
    default_namespace=WATCHERINFO_NAMESPACE,
    namespaces=(WATCHERINFO_NAMESPACE,),
)
TEST = ApplicationUsage(
    auid="test",
    media_type="application/test+xml",
    default_namespace="urn:test:default-namespace",
    namespaces=("urn:test:default-namespace",),
)
"""The usage of §6.4."""
PLAIN = ApplicationUsage(
    auid="plain",
    media_type="application/plain+xml",
    default_namespace=None,
    namespaces=(),
    names=None,
    folders=frozenset({"folder"}),
)
"""One without a namespace, and with a folder."""


def get(document: bytes, node: str, default_namespace: str | None = None, query: bytes = b"") -> bytes:
    return edit.get_node(document, parse_node_selector(node, uri.parse_bindings(query), default_namespace)).content


def put(document: bytes, node: str, body: bytes, default_namespace: str | None = None, query: bytes = b"") -> bytes:
    selector = parse_node_selector(node, uri.parse_bindings(query), default_namespace)
    return edit.put_node(document, selector, body)[0]


def delete(document: bytes, node: str, default_namespace: str | None = None) -> bytes:
    return edit.delete_node(document, parse_node_selector(node, {}, default_namespace))
